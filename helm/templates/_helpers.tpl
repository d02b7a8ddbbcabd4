{{/* The services by the short name that values and settings use: name and port. */}}
{{- define "services" -}}
user: { name: user-service, port: 8000 }
billing: { name: billing-service, port: 8001 }
notification: { name: notification-service, port: 8002 }
order: { name: order-service, port: 8003 }
{{- end }}

{{/* What gateway/nginx.conf has too: the first segment of a path says whose it is. */}}
{{- define "routes" -}}
/users: user
/accounts: billing
/trial-balance: billing
/notifications: notification
/orders: order
{{- range $short, $service := include "services" . | fromYaml }}
/{{ $service.name }}/docs: {{ $short }}
/{{ $service.name }}/openapi.json: {{ $short }}
{{- end }}
{{- end }}

{{- define "name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Names end in up to 21 characters more, and have 63 at most. */}}
{{- define "fullname" -}}
{{- $name := include "name" . }}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) }}
{{- .Values.fullnameOverride | default $full | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "selector" -}}
app.kubernetes.io/name: {{ include "name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "labels" -}}
{{ include "selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (.Values.serviceAccount.create | ternary (include "fullname" .) "default") }}
{{- end }}

{{/* Not empty: the chart brings its own PostgreSQL. */}}
{{- define "ownPostgres" -}}
{{- if not (or .Values.database.url .Values.database.existingSecret (without (values .Values.database.urls) "")) }}yes{{ end }}
{{- end }}

{{/* The Secret with the databases' addresses, where the database is not the chart's own. */}}
{{- define "databaseSecret" -}}
{{- .Values.database.existingSecret | default (printf "%s-database" (include "fullname" .)) }}
{{- end }}

{{/* The Secret with the passwords of the chart's own PostgreSQL. */}}
{{- define "postgresSecret" -}}
{{- .Values.postgres.existingSecret | default (printf "%s-postgres" (include "fullname" .)) }}
{{- end }}

{{/* Not empty: events travel by Kafka. */}}
{{- define "onKafka" -}}
{{- if eq .Values.eventLog "kafka" }}yes{{ end }}
{{- end }}

{{/* The ports of the brokers, each once, as a JSON list. */}}
{{- define "kafkaPorts" -}}
{{- $ports := list }}
{{- range .Values.kafka.brokers }}{{ $ports = append $ports (regexFind "[0-9]+$" . | int) }}{{ end }}
{{- .Values.networkPolicy.kafkaPorts | default ($ports | uniq) | toJson }}
{{- end }}

{{/* By name of the volume: the Secrets with files for the way to the brokers, and which keys of them are needed. */}}
{{- define "kafkaFiles" -}}
{{- if and (include "onKafka" .) .Values.kafka.tls.enabled }}
{{- with .Values.kafka.tls.caSecret }}
ca: { secret: {{ . }}, keys: [ca.crt] }
{{- end }}
{{- with .Values.kafka.tls.clientSecret }}
client: { secret: {{ . }}, keys: [tls.crt, tls.key] }
{{- end }}
{{- end }}
{{- end }}

{{/* A service's own values over those of all: dict "root" $ "short" "user". */}}
{{- define "serviceValues" -}}
{{- $common := pick .root.Values "replicas" "resources" "autoscaling" | deepCopy }}
{{- mergeOverwrite $common (index .root.Values.services .short | deepCopy) | toYaml }}
{{- end }}

{{/* PodSecurity `restricted`: dict "user" 1000. */}}
{{- define "podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .user }}
runAsGroup: {{ .user }}
fsGroup: {{ .user }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Where all pods may run, and as whom. */}}
{{- define "placement" -}}
serviceAccountName: {{ include "serviceAccountName" . }}
automountServiceAccountToken: false
# Its variables would be taken for settings: a Service named `user` makes USER_PORT.
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The heap's bounds for a pod of these resources: run.mjs's, but within three quarters of the memory limit and, since it is one service of the four, with half of its young generation. */}}
{{- define "nodeOptions" -}}
{{- $limit := ((.limits | default dict).memory | default "2Gi") | toString }}
{{- $number := regexFind "^[0-9]+" $limit | int }}
{{- $mebibytes := 2048 }}
{{- if hasSuffix "Gi" $limit }}{{ $mebibytes = mul $number 1024 }}{{ end }}
{{- if hasSuffix "Mi" $limit }}{{ $mebibytes = $number }}{{ end }}
{{- printf "--max-old-space-size=%d --max-semi-space-size=16" (min (div (mul $mebibytes 3) 4) 1536) }}
{{- end }}
