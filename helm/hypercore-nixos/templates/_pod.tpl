{{/*
The pod of a component. A dict with
  root, component, values     values: the part of values.yaml
  program                     whose image and command
  env, ports, mounts          YAML lists of the main container
  args                        list
  probes                      dict: port, startupSeconds
  lifecycle                   YAML, may be empty
  initContainers, volumes     YAML lists, may be empty
  grace                       seconds
*/}}
{{- define "hnx.pod" -}}
{{- $root := .root -}}
{{- $values := .values -}}
{{- $swarms := include "hnx.swarms" (list $root .component) -}}
metadata:
  labels:
    {{- include "hnx.selector" (list $root .component) | nindent 4 }}
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    kubectl.kubernetes.io/default-container: {{ .component }}
    {{- with $values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "hnx.name" (list $root .component) }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .grace }}
  securityContext:
    {{- include "hnx.podSecurity" $root | nindent 4 }}
  {{- with $root.Values.global.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $values.runtimeClassName }}
  runtimeClassName: {{ . }}
  {{- end }}
  {{- with $values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.dnsConfig }}
  dnsConfig:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.hostAliases }}
  hostAliases:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    {{- if $values.topologySpreadConstraints }}
    {{- toYaml $values.topologySpreadConstraints | nindent 4 }}
    {{- else }}
    {{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - topologyKey: {{ $key }}
      maxSkew: 1
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "hnx.selector" (list $root $.component) | nindent 10 }}
    {{- end }}
    {{- end }}
  {{- if or .initContainers $values.initContainers }}
  initContainers:
    {{- with .initContainers }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with $values.initContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
  containers:
    - name: {{ .component }}
      image: {{ include "hnx.image" (list $root .program (ternary $root.Values.worker $values (eq .component "index")).image) | quote }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      command: [{{ .program | quote }}]
      args:
        {{- concat .args $values.extraArgs | toYaml | nindent 8 }}
      env:
        {{- .env | nindent 8 }}
        {{- if $swarms }}
        {{- include "hnx.var" (list "HNX_SWARM" "/run/hypercore-nixos/swarm.sock") | nindent 8 }}
        {{- else if ne .component "coordinator" }}
        {{- include "hnx.var" (list "HNX_SWARM" "off") | nindent 8 }}
        {{- end }}
        {{- include "hnx.logEnv" $root | nindent 8 }}
        {{- include "hnx.options" $values.options | nindent 8 }}
        {{- with $values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with $values.extraEnvFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        {{- .ports | nindent 8 }}
      {{- include "hnx.probes" .probes | nindent 6 }}
      {{- with .lifecycle }}
      lifecycle:
        {{- . | nindent 8 }}
      {{- end }}
      resources:
        {{- toYaml $values.resources | nindent 8 }}
      securityContext:
        {{- include "hnx.containerSecurity" $root | nindent 8 }}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        {{- with .mounts }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- if $swarms }}
        - {name: swarm, mountPath: /run/hypercore-nixos}
        {{- end }}
        {{- with $values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    {{- if $swarms }}
    {{- include "hnx.swarmContainer" $root | nindent 4 }}
    {{- end }}
    {{- with $values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    - {name: tmp, emptyDir: {sizeLimit: 64Mi}}
    {{- with .volumes }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- if $swarms }}
    - {name: swarm, emptyDir: {sizeLimit: 1Mi}}
    {{- end }}
    {{- with $values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{- define "hnx.podSecurity" -}}
runAsNonRoot: true
{{- range $name, $value := pick .Values.podSecurity "runAsUser" "runAsGroup" "fsGroup" }}
{{- if not (kindIs "invalid" $value) }}
{{ $name }}: {{ int64 $value }}
{{- end }}
{{- end }}
fsGroupChangePolicy: {{ .Values.podSecurity.fsGroupChangePolicy }}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "hnx.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/*
/healthz answers while the process runs, /readyz while it can do its work: a program that waits for its database or
its coordinator must not be killed for it.
*/}}
{{- define "hnx.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: {{ .port }}}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: {{ div (add (int .startupSeconds) 4) 5 }}
livenessProbe:
  httpGet: {path: /healthz, port: {{ .port }}}
  periodSeconds: 20
  timeoutSeconds: 10
  failureThreshold: 6
{{- if not .neverUnready }}
readinessProbe:
  httpGet: {path: /readyz, port: {{ .port }}}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 3
{{- end }}
{{- end -}}

{{/*
The bridge to the swarm. It has no readiness: a pod whose bridge is away still does all its other work. It gets the
socket's folder and nothing else of the pod.
*/}}
{{- define "hnx.swarmContainer" -}}
- name: swarm
  image: {{ include "hnx.image" (list . "swarm" .Values.swarm.image) | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [swarm]
  env:
    {{- include "hnx.var" (list "HNX_SOCKET" "/run/hypercore-nixos/swarm.sock") | nindent 4 }}
    {{- include "hnx.var" (list "HNX_LISTEN" (printf "0.0.0.0:%d" (int .Values.swarm.port))) | nindent 4 }}
    {{- include "hnx.var" (list "HNX_LISTEN_METRICS" (printf "0.0.0.0:%s" (include "hnx.port.swarmMetrics" .))) | nindent 4 }}
    {{- include "hnx.logEnv" . | nindent 4 }}
    {{- include "hnx.options" .Values.swarm.options | nindent 4 }}
  ports:
    - {name: swarm, containerPort: {{ .Values.swarm.port }}, protocol: UDP}
    - {name: swarm-metrics, containerPort: {{ include "hnx.port.swarmMetrics" . }}}
  {{- include "hnx.probes" (dict "port" "swarm-metrics" "startupSeconds" 120 "neverUnready" true) | nindent 2 }}
  resources:
    {{- toYaml .Values.swarm.resources | nindent 4 }}
  securityContext:
    {{- include "hnx.containerSecurity" . | nindent 4 }}
  volumeMounts:
    - {name: swarm, mountPath: /run/hypercore-nixos}
{{- end -}}

{{/* PERSISTENCE: a claim's spec. */}}
{{- define "hnx.claim" -}}
accessModes: [ReadWriteOnce]
{{- with .storageClass }}
storageClassName: {{ . }}
{{- end }}
resources:
  requests:
    storage: {{ .size }}
{{- end -}}
