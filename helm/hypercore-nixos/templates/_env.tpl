{{/* Environment: every option of a program is HNX_<NAME>; lists have one value a line. */}}

{{/* NAME VALUE: nothing when VALUE is empty. */}}
{{- define "hnx.var" -}}
{{- $value := index . 1 -}}
{{- if kindIs "slice" $value -}}{{- $value = join "\n" $value -}}{{- end -}}
{{- if ne (toString $value) "" }}
- name: {{ index . 0 }}
  value: {{ toString $value | quote }}
{{- end -}}
{{- end -}}

{{/* Options by their long names. Large numbers must not become 1e+06. */}}
{{- define "hnx.options" -}}
{{- range $name, $value := . }}
{{- $text := $value -}}
{{- if kindIs "float64" $value -}}
{{- if eq (floor $value) $value -}}{{- $text = int64 $value -}}{{- end -}}
{{- end -}}
{{- if not (kindIs "invalid" $value) }}
{{- include "hnx.var" (list (printf "HNX_%s" ($name | upper | replace "-" "_")) $text) }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "hnx.logEnv" -}}
{{- include "hnx.var" (list "HNX_LOG_LEVEL" .Values.logLevel) }}
{{- include "hnx.var" (list "HNX_LOG_JSON" "true") }}
{{- end -}}

{{/* Proxy and authorities of whatever goes upstream. */}}
{{- define "hnx.upstreamEnv" -}}
{{- include "hnx.var" (list "HNX_PROXY" .Values.upstream.proxy) }}
{{- if include "hnx.caBundle" . }}
{{- include "hnx.var" (list "HNX_CA_FILE" "/etc/hypercore-nixos/upstream-ca/ca.crt") }}
{{- end }}
{{- end -}}

{{- define "hnx.caBundle" -}}
{{- if or .Values.upstream.caBundle.configMap .Values.upstream.caBundle.secret -}}true{{- end -}}
{{- end -}}

{{- define "hnx.caVolume" -}}
{{- with .Values.upstream.caBundle }}
- name: upstream-ca
  {{- if .configMap }}
  configMap: {name: {{ .configMap }}, items: [{key: {{ .key | quote }}, path: ca.crt}]}
  {{- else }}
  secret: {secretName: {{ .secret }}, items: [{key: {{ .key | quote }}, path: ca.crt}]}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "hnx.caMount" }}
- {name: upstream-ca, mountPath: /etc/hypercore-nixos/upstream-ca, readOnly: true}
{{- end -}}

{{/* The database: the URI says everything but user and password, which libpq takes from PGUSER and PGPASSWORD. */}}
{{- define "hnx.databaseEnv" -}}
{{- $database := .Values.database -}}
{{- if $database.uriKey }}
- name: HNX_DATABASE
  valueFrom: {secretKeyRef: {name: {{ $database.existingSecret }}, key: {{ $database.uriKey | quote }}}}
{{- else }}
{{- $cnpg := eq $database.kind "cnpg" -}}
{{- $cluster := include "hnx.cnpgName" . -}}
{{- $secret := ternary (printf "%s-app" $cluster) $database.existingSecret $cnpg -}}
{{- $query := list (printf "sslmode=%s" $database.tls.mode) -}}
{{- if include "hnx.verifiesDatabase" . -}}
{{- $query = append $query (printf "sslrootcert=%s" (include "hnx.databaseCa" .)) -}}
{{- end -}}
{{- range $name, $value := $database.parameters -}}
{{- $query = append $query (printf "%s=%s" ($name | urlquery) (toString $value | urlquery | replace "+" "%20")) -}}
{{- end -}}
{{- $host := ternary (printf "%s-rw.%s.svc" $cluster (include "hnx.namespace" .)) $database.host $cnpg -}}
{{- $port := ternary 5432 (int $database.port) $cnpg -}}
{{- include "hnx.var" (list "HNX_DATABASE" (printf "postgresql://%s:%d/%s?%s" $host (int $port) $database.name (join "&" $query))) }}
- name: PGUSER
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ ternary "username" $database.usernameKey $cnpg | quote }}}}
- name: PGPASSWORD
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ ternary "password" $database.passwordKey $cnpg | quote }}}}
{{- end }}
{{- end -}}

{{- define "hnx.verifiesDatabase" -}}
{{- if and (not .Values.database.uriKey) (hasPrefix "verify-" .Values.database.tls.mode) -}}true{{- end -}}
{{- end -}}

{{- define "hnx.databaseCa" -}}
{{- if and .Values.database.tls.systemCa (ne .Values.database.kind "cnpg") -}}/etc/ssl/certs/ca-certificates.crt{{- else -}}/etc/hypercore-nixos/database-ca/ca.crt{{- end -}}
{{- end -}}

{{/* The Secret with the database's authority; empty: none is mounted. */}}
{{- define "hnx.databaseCaSecret" -}}
{{- if eq .Values.database.kind "cnpg" -}}
{{- if include "hnx.verifiesDatabase" . -}}{{ include "hnx.cnpgName" . }}-ca{{- end -}}
{{- else -}}
{{- .Values.database.tls.caSecret -}}
{{- end -}}
{{- end -}}
