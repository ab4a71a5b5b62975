{{/* What workers of both roles have. */}}

{{/* ROOT COMPONENT VALUES */}}
{{- define "hnx.workerEnv" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- $values := index . 2 -}}
- name: HNX_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: HNX_FAILURE_DOMAIN
  valueFrom: {fieldRef: {fieldPath: {{ ternary "metadata.name" "spec.nodeName" (eq (toString $values.failureDomain) "pod") }}}}
{{- include "hnx.var" (list "HNX_DATA" "/data") }}
{{- include "hnx.var" (list "HNX_COORDINATOR" (include "hnx.coordinatorAddress" $root)) }}
{{- include "hnx.tlsEnv" $root }}
{{- include "hnx.var" (list "HNX_ROLE" (ternary "index" "mirror" (eq $component "index"))) }}
{{- include "hnx.var" (list "HNX_GRACE" (printf "%ds" (sub (int $values.terminationGracePeriodSeconds) 5))) }}
{{- include "hnx.var" (list "HNX_LISTEN_METRICS" (printf "0.0.0.0:%s" (include "hnx.port.metrics" $root))) }}
{{- include "hnx.var" (list "HNX_LISTEN_PEERS" (printf "0.0.0.0:%s" (include "hnx.port.peers" $root))) }}
{{- /* $(HNX_NAME) is replaced by Kubernetes: it stands before. */}}
{{- include "hnx.var" (list "HNX_ADVERTISE_PEERS" (printf "$(HNX_NAME).%s-peers.%s.svc:%s" (include "hnx.name" (list $root $component)) (include "hnx.namespace" $root) (include "hnx.port.peers" $root))) }}
{{- end -}}

{{- define "hnx.workerPorts" -}}
- {name: metrics, containerPort: {{ include "hnx.port.metrics" . }}}
- {name: peers, containerPort: {{ include "hnx.port.peers" . }}}
{{- end -}}

{{/*
ROOT COMPONENT: names for each pod, of which peers and Prometheus make use. Addresses of pods that are not ready are
told, too: a worker without a coordinator still serves its drives.
*/}}
{{- define "hnx.peersService" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "hnx.name" . }}-peers
  namespace: {{ include "hnx.namespace" $root }}
  labels:
    {{- include "hnx.labels" . | nindent 4 }}
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector:
    {{- include "hnx.selector" . | nindent 4 }}
  ports:
    - {name: peers, port: {{ include "hnx.port.peers" $root }}, targetPort: peers}
    {{- if ne $component "gateway" }}
    - {name: metrics, port: {{ include "hnx.port.metrics" $root }}, targetPort: metrics, appProtocol: http}
    {{- end }}
{{- end -}}
