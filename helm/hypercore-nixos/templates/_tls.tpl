{{/* TLS between coordinators and whoever calls them (tls.mode mutual). A Secret with tls.crt, tls.key and ca.crt a component. */}}

{{- define "hnx.mutualTls" -}}
{{- if eq .Values.tls.mode "mutual" -}}true{{- end -}}
{{- end -}}

{{/* ROOT COMPONENT: the name of its Secret. */}}
{{- define "hnx.tlsSecret" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- default (printf "%s-tls" (include "hnx.name" .)) (get $root.Values.tls.secrets $component) -}}
{{- end -}}

{{- define "hnx.tlsEnv" -}}
{{- if include "hnx.mutualTls" . }}
{{- include "hnx.var" (list "HNX_TLS_CERT" "/etc/hypercore-nixos/tls/tls.crt") }}
{{- include "hnx.var" (list "HNX_TLS_KEY" "/etc/hypercore-nixos/tls/tls.key") }}
{{- include "hnx.var" (list "HNX_TLS_CA" "/etc/hypercore-nixos/tls/ca.crt") }}
{{- end }}
{{- end -}}

{{- define "hnx.tlsMount" -}}
{{- if include "hnx.mutualTls" . }}
- {name: tls, mountPath: /etc/hypercore-nixos/tls, readOnly: true}
{{- end }}
{{- end -}}

{{/* ROOT COMPONENT. Root's and readable for the pod's fsGroup: the programs take that, and no more. */}}
{{- define "hnx.tlsVolume" -}}
{{- if include "hnx.mutualTls" (index . 0) }}
- name: tls
  secret:
    secretName: {{ include "hnx.tlsSecret" . }}
    defaultMode: 288  # 0440, as no YAML can mistake it
    items: [{key: tls.crt, path: tls.crt}, {key: tls.key, path: tls.key}, {key: ca.crt, path: ca.crt}]
{{- end }}
{{- end -}}

{{/* Who calls coordinators over TLS. */}}
{{- define "hnx.tlsComponents" -}}
coordinator worker index{{ if .Values.gateway.reportHits }} gateway{{ end }}
{{- end -}}
