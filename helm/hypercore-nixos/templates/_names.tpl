{{/* Names, labels and images. */}}

{{- define "hnx.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "hnx.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{/* ROOT COMPONENT -> RELEASE-hypercore-nixos-COMPONENT */}}
{{- define "hnx.name" -}}
{{- printf "%s-%s" (include "hnx.fullname" (index . 0)) (index . 1) -}}
{{- end -}}

{{/* What selects the pods of a component: never a version, which would make it immutable and wrong. */}}
{{- define "hnx.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ default $root.Chart.Name $root.Values.nameOverride }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "hnx.labels" -}}
{{- $root := index . 0 -}}
{{ include "hnx.selector" . }}
app.kubernetes.io/part-of: hypercore-nixos
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{/* ROOT COMPONENT: name, namespace and labels of an object that is called like its component. */}}
{{- define "hnx.metadata" -}}
name: {{ include "hnx.name" . }}
namespace: {{ include "hnx.namespace" (index . 0) }}
labels:
  {{- include "hnx.labels" . | nindent 2 }}
{{- end -}}

{{/* ROOT PROGRAM IMAGE: a digest counts before a tag. */}}
{{- define "hnx.image" -}}
{{- $root := index . 0 -}}
{{- $program := index . 1 -}}
{{- $image := index . 2 -}}
{{- $registry := default $root.Values.image.registry $root.Values.global.imageRegistry -}}
{{- $repository := default (printf "%s/%s" $root.Values.image.repository $program) $image.repository -}}
{{- $name := printf "%s/%s" $registry $repository -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default (default $root.Chart.AppVersion $root.Values.image.tag) $image.tag) -}}
{{- end -}}
{{- end -}}

{{/* Ports, fixed: pods have their own addresses. */}}
{{- define "hnx.port.grpc" -}}7070{{- end -}}
{{- define "hnx.port.status" -}}7071{{- end -}}
{{- define "hnx.port.metrics" -}}7072{{- end -}}
{{- define "hnx.port.swarmMetrics" -}}7073{{- end -}}
{{- define "hnx.port.peers" -}}4711{{- end -}}
{{- define "hnx.port.http" -}}8080{{- end -}}

{{- define "hnx.coordinatorAddress" -}}
{{ include "hnx.name" (list . "coordinator") }}.{{ include "hnx.namespace" . }}.svc:{{ include "hnx.port.grpc" . }}
{{- end -}}

{{/* hyper://KEY */}}
{{- define "hnx.mirrorKey" -}}
hyper://{{ .Values.mirror.key | trimPrefix "hyper://" | trimSuffix "/" }}
{{- end -}}

{{- define "hnx.cnpgName" -}}
{{ include "hnx.name" (list . "db") }}
{{- end -}}

{{- define "hnx.workersMin" -}}
{{- if .Values.worker.autoscaling.enabled -}}{{ .Values.worker.autoscaling.minReplicas }}{{- else -}}{{ .Values.worker.replicas }}{{- end -}}
{{- end -}}

{{- define "hnx.workersMax" -}}
{{- if .Values.worker.autoscaling.enabled -}}{{ .Values.worker.autoscaling.maxReplicas }}{{- else -}}{{ .Values.worker.replicas }}{{- end -}}
{{- end -}}

{{/* Gateways with names of their own: the index worker asks them how long the index is. */}}
{{- define "hnx.gatewaysHold" -}}
{{- if eq .Values.gateway.kind "StatefulSet" -}}true{{- end -}}
{{- end -}}

{{/* ROOT COMPONENT COUNT: the addresses on which peers reach the pods of a StatefulSet, one a line. */}}
{{- define "hnx.peerAddresses" -}}
{{- $root := index . 0 -}}
{{- $name := include "hnx.name" (list $root (index . 1)) -}}
{{- range $i := until (int (index . 2)) }}
{{ $name }}-{{ $i }}.{{ $name }}-peers.{{ include "hnx.namespace" $root }}.svc:{{ include "hnx.port.peers" $root }}
{{- end }}
{{- end -}}

{{- define "hnx.gatewayCount" -}}
{{- if .Values.gateway.autoscaling.enabled -}}{{ .Values.gateway.autoscaling.maxReplicas }}{{- else -}}{{ .Values.gateway.replicas }}{{- end -}}
{{- end -}}

{{/* Whether swarm bridges stand beside COMPONENT. */}}
{{- define "hnx.swarms" -}}
{{- $root := index . 0 -}}
{{- if and $root.Values.swarm.enabled (has (index . 1) $root.Values.swarm.components) -}}true{{- end -}}
{{- end -}}

{{/* URL by which clients reach the gateways. */}}
{{- define "hnx.publicUrl" -}}
{{- $gateway := .Values.gateway -}}
{{- if $gateway.publicUrl -}}
{{- $gateway.publicUrl -}}
{{- else if and $gateway.ingress.enabled $gateway.ingress.hosts -}}
{{- printf "http%s://%s" (ternary "s" "" (not (empty $gateway.ingress.tls))) (first $gateway.ingress.hosts) -}}
{{- else if and $gateway.httpRoute.enabled $gateway.httpRoute.hostnames -}}
{{- printf "https://%s" (first $gateway.httpRoute.hostnames) -}}
{{- else -}}
{{- include "hnx.serviceUrl" . -}}
{{- end -}}
{{- end -}}

{{- define "hnx.serviceUrl" -}}
{{- $port := int .Values.gateway.service.port -}}
http://{{ include "hnx.name" (list . "gateway") }}.{{ include "hnx.namespace" . }}.svc{{ if ne $port 80 }}:{{ $port }}{{ end }}
{{- end -}}

{{/* A quantity of Kubernetes in bytes: M is a million. */}}
{{- define "hnx.bytes" -}}
{{- $factors := dict "" 1 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "Pi" 1125899906842624 -}}
{{- $unit := regexFind "[A-Za-z]*$" (toString .) -}}
{{- mulf (float64 (trimSuffix $unit (toString .))) (get $factors $unit) | int64 -}}
{{- end -}}

{{/* A size as the programs read it, in bytes: m and MiB are 2^20, MB is a million. */}}
{{- define "hnx.sizeBytes" -}}
{{- $factors := dict "" 1 "b" 1 "kb" 1e3 "mb" 1e6 "gb" 1e9 "tb" 1e12 "pb" 1e15 "k" 1024 "m" 1048576 "g" 1073741824 "t" 1099511627776 "p" 1125899906842624 -}}
{{- $unit := regexFind "[A-Za-z]*$" . -}}
{{- mulf (float64 (trimSuffix $unit . | trim)) (get $factors ($unit | lower | replace "ib" "")) | int64 -}}
{{- end -}}
