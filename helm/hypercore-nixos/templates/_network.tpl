{{/* Pieces of NetworkPolicies. */}}

{{/* ROOT COMPONENT: the pods of a component of this release. */}}
{{- define "hnx.podPeer" -}}
- podSelector:
    matchLabels:
      {{- include "hnx.selector" . | nindent 6 }}
{{- end -}}

{{- define "hnx.tcpPorts" -}}
ports:
  {{- range . }}
  - {protocol: TCP, port: {{ . }}}
  {{- end }}
{{- end -}}

{{/* ROOT COMPONENT PORT: one arrow out. */}}
{{- define "hnx.arrowTo" -}}
- to:
    {{- include "hnx.podPeer" . | nindent 4 }}
  {{- include "hnx.tcpPorts" (slice . 2) | nindent 2 }}
{{- end -}}

{{/* ROOT COMPONENT PORT: one arrow in; PORT is this pod's. */}}
{{- define "hnx.arrowFrom" -}}
- from:
    {{- include "hnx.podPeer" . | nindent 4 }}
  {{- include "hnx.tcpPorts" (slice . 2) | nindent 2 }}
{{- end -}}

{{- define "hnx.dnsArrow" -}}
- ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
  {{- with .Values.networkPolicy.dnsTo }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* ROOT FROM PORT: from outside of the release. */}}
{{- define "hnx.outsideFrom" -}}
- {{ include "hnx.tcpPorts" (slice . 2) | nindent 2 | trim }}
  {{- with index . 1 }}
  from:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- define "hnx.metricsArrow" -}}
{{- $root := index . 0 -}}
{{- if $root.Values.monitoring.serviceMonitor.enabled }}
{{ include "hnx.outsideFrom" (concat (list $root $root.Values.networkPolicy.metricsFrom) (slice . 1)) }}
{{- end }}
{{- end -}}

{{/* Bridges speak UDP with whomever the swarm names. */}}
{{- define "hnx.swarmOut" -}}
- ports:
    - {protocol: UDP, port: 1, endPort: 65535}
{{- end -}}

{{- define "hnx.swarmIn" -}}
- ports:
    - {protocol: UDP, port: {{ .Values.swarm.port }}}
{{- end -}}

{{/* URLs or HOST:PORT: their ports as words, each once. */}}
{{- define "hnx.portsOf" -}}
{{- $ports := list -}}
{{- range . -}}
{{- $authority := regexReplaceAll "[/?#].*$" (regexReplaceAll "^[a-z0-9+.-]*://" . "") "" -}}
{{- $port := regexFind ":[0-9]+$" $authority | trimPrefix ":" -}}
{{- if not $port -}}{{- $port = ternary "80" "443" (hasPrefix "http://" .) -}}{{- end -}}
{{- $ports = append $ports $port -}}
{{- end -}}
{{- uniq $ports | join " " -}}
{{- end -}}

{{/* ROOT URLS: to upstreams, or to the proxy that stands for them. */}}
{{- define "hnx.upstreamArrow" -}}
{{- $root := index . 0 -}}
{{- $urls := index . 1 -}}
{{- if $root.Values.upstream.proxy -}}{{- $urls = list $root.Values.upstream.proxy -}}{{- end -}}
- {{ include "hnx.tcpPorts" (splitList " " (include "hnx.portsOf" $urls)) | nindent 2 | trim }}
  {{- with $root.Values.networkPolicy.upstreamTo }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* Redirects lead to https wherever they lead. */}}
{{- define "hnx.upstreamUrls" -}}
{{- $urls := default (list "https://cache.nixos.org") .Values.upstream.urls -}}
{{- $urls = append $urls (default "https://channels.nixos.org" .Values.upstream.channelUrl) -}}
{{- with .Values.upstream.releasesHost -}}
{{- $urls = append $urls (printf "%s//%s" (regexFind "^[a-z]+:" (default "https://" $.Values.upstream.channelUrl)) .) -}}
{{- end -}}
{{- append $urls "https://redirect" | join " " -}}
{{- end -}}

{{- define "hnx.otherPeersArrow" -}}
{{- with .Values.mirror.peers }}
- {{ include "hnx.tcpPorts" (splitList " " (include "hnx.portsOf" .)) | nindent 2 | trim }}
{{- end }}
{{- end -}}
