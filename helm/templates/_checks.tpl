{{/* What the schema cannot tell: stops with a sentence. */}}
{{- define "checks" -}}
{{- $database := .Values.database }}
{{- $given := list }}
{{- $missing := list }}
{{- range $short, $url := $database.urls }}
{{- if $url }}{{ $given = append $given $short }}{{ else }}{{ $missing = append $missing $short }}{{ end }}
{{- end }}
{{- if and $database.existingSecret (or $database.url $given) }}
{{- fail "database.existingSecret has the addresses of the databases: leave database.url and database.urls empty" }}
{{- end }}
{{- if and $given $missing (not $database.url) }}
{{- fail (printf "database.urls has no address for %s: add it, or give database.url for those that have none of their own" (join ", " $missing)) }}
{{- end }}
{{- $own := list "USER_DATABASE_URL" "BILLING_DATABASE_URL" "NOTIFICATION_DATABASE_URL" "ORDER_DATABASE_URL" }}
{{- with $database.existingSecret }}
{{- $keys := include "keysOf" (dict "root" $ "name" . "value" "database.existingSecret") | fromJsonArray }}
{{- $each := true }}
{{- range $own }}{{ if not (has . $keys) }}{{ $each = false }}{{ end }}{{ end }}
{{- if and $keys (not (has "DATABASE_URL" $keys)) (not $each) }}
{{- fail (printf "the Secret %s (database.existingSecret) needs the key DATABASE_URL, or all of %s" . (join ", " $own)) }}
{{- end }}
{{- end }}
{{- if include "ownPostgres" . }}
{{- if regexMatch "^(9|1[0-6])([^0-9]|$)" .Values.postgres.image.tag }}
{{- fail (printf "postgres.image.tag is %s: the chart's own PostgreSQL must be 17 or newer, for the order of texts that its database is created with" .Values.postgres.image.tag) }}
{{- end }}
{{- with .Values.postgres.existingSecret }}
{{- $keys := include "keysOf" (dict "root" $ "name" . "value" "postgres.existingSecret") | fromJsonArray }}
{{- if and $keys (not (and (has "POSTGRES_PASSWORD" $keys) (has "SERVICES_PASSWORD" $keys))) }}
{{- fail (printf "the Secret %s (postgres.existingSecret) needs the keys POSTGRES_PASSWORD and SERVICES_PASSWORD" .) }}
{{- end }}
{{- end }}
{{- end }}
{{- if include "onKafka" . }}
{{- with .Values.kafka }}
{{- if not .brokers }}
{{- fail "eventLog is kafka, but kafka.brokers is empty: name some brokers, as kafka.brokers[0]=kafka-1:9092" }}
{{- end }}
{{- $hours := $.Values.settings.logRetentionHours | float64 }}
{{- if and (gt $hours 0.0) (lt $hours (.retentionHours | float64)) }}
{{- fail (printf "settings.logRetentionHours is %v, but kafka.retentionHours is %v: logs fill the topics, and must not lack what those keep" $.Values.settings.logRetentionHours .retentionHours) }}
{{- end }}
{{- if and .sasl.mechanism (not .sasl.existingSecret) }}
{{- fail (printf "kafka.sasl.mechanism is %s: kafka.sasl.existingSecret must name a Secret with the keys username and password" .sasl.mechanism) }}
{{- end }}
{{- if and .sasl.existingSecret (not .sasl.mechanism) }}
{{- fail "kafka.sasl.existingSecret is given, but no kafka.sasl.mechanism: say PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512" }}
{{- end }}
{{- if and (or .tls.caSecret .tls.clientSecret) (not .tls.enabled) }}
{{- fail "kafka.tls.caSecret and kafka.tls.clientSecret do nothing without kafka.tls.enabled: set it, or leave them empty" }}
{{- end }}
{{- $needed := dict }}
{{- range $name, $files := include "kafkaFiles" $ | fromYaml }}
{{- $_ := set $needed (printf "kafka.tls.%sSecret" $name) $files }}
{{- end }}
{{- with .sasl.existingSecret }}
{{- $_ := set $needed "kafka.sasl.existingSecret" (dict "secret" . "keys" (list "username" "password")) }}
{{- end }}
{{- range $value, $files := $needed }}
{{- $keys := include "keysOf" (dict "root" $ "name" $files.secret "value" $value) | fromJsonArray }}
{{- range $files.keys }}
{{- if and $keys (not (has . $keys)) }}
{{- fail (printf "the Secret %s (%s) needs the keys %s" $files.secret $value (join ", " $files.keys)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if lt (int .Values.terminationGracePeriodSeconds) (add (int .Values.preStopSeconds) 45) }}
{{- fail (printf "terminationGracePeriodSeconds must be preStopSeconds + 45 at least, since a service finishes what it accepted within 40 s; it is %d" (int .Values.terminationGracePeriodSeconds)) }}
{{- end }}
{{- range $short, $service := include "services" . | fromYaml }}
{{- $scale := (include "serviceValues" (dict "root" $ "short" $short) | fromYaml).autoscaling }}
{{- if and $scale.enabled (gt (int $scale.minReplicas) (int $scale.maxReplicas)) }}
{{- fail (printf "autoscaling of %s: minReplicas is above maxReplicas" $service.name) }}
{{- end }}
{{- end }}
{{- end }}

{{/*
The keys of a Secret that must be there, as a JSON list. Empty where there is no cluster to ask (`helm template`), and in a
namespace that is not there yet.
*/}}
{{- define "keysOf" -}}
{{- $namespace := .root.Release.Namespace }}
{{- $secret := lookup "v1" "Secret" $namespace .name }}
{{- if and (not $secret) (lookup "v1" "Namespace" "" $namespace) }}
{{- fail (printf "there is no Secret %s in the namespace %s, which %s names: create it first" .name $namespace .value) }}
{{- end }}
{{- keys (($secret | default dict).data | default dict) | toJson }}
{{- end }}
