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
{{- with .Values.postgres.existingSecret }}
{{- $keys := include "keysOf" (dict "root" $ "name" . "value" "postgres.existingSecret") | fromJsonArray }}
{{- if and $keys (not (and (has "POSTGRES_PASSWORD" $keys) (has "SERVICES_PASSWORD" $keys))) }}
{{- fail (printf "the Secret %s (postgres.existingSecret) needs the keys POSTGRES_PASSWORD and SERVICES_PASSWORD" .) }}
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
