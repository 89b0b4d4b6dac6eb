{{/* A number as Loupe reads it: Helm holds 67108864 of a file as 6.7108864e+07. */}}
{{- define "loupe.plain" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{/* Seconds from the first word that a pod goes until its last answer: a body may take its time to arrive, and then its
answer; 5 to spare. */}}
{{- define "loupe.graceSeconds" -}}
{{- $timeout := .Values.settings.LOUPE_REQUEST_TIMEOUT_S | default 30 | float64 | ceil | int -}}
{{- add .Values.drain.preStopSeconds .Values.drain.pauseSeconds (mul 2 $timeout) 5 -}}
{{- end -}}

{{- define "loupe.scaledBy" -}}
{{- $auto := .Values.gpu.enabled | ternary "none" "cpu" -}}
{{- $by := eq .Values.autoscaling.by "auto" | ternary $auto .Values.autoscaling.by -}}
{{- if and .Values.gpu.enabled (eq $by "cpu") -}}
{{- fail "autoscaling.by=cpu tells nothing of how busy a GPU is: queue, keda or none" -}}
{{- end -}}
{{- $by -}}
{{- end -}}

{{/* Where /metrics asks for no key: inside, for a Prometheus that has none. An Ingress would show it to everybody. */}}
{{- define "loupe.metricsAreOpen" -}}
{{- if and .Values.keys.secret (not .Values.monitoring.serviceMonitor.keySecret) (not .Values.ingress.enabled) -}}true{{- end -}}
{{- end -}}

{{/* Variables by name; those that follow from other values stand above settings, where the schema does not allow them. */}}
{{- define "loupe.settings" -}}
{{- $env := dict "LOUPE_DRAIN_PAUSE_S" .Values.drain.pauseSeconds -}}
{{- if include "loupe.metricsAreOpen" . }}{{ $_ := set $env "LOUPE_METRICS_NEED_KEY" false }}{{ end -}}
{{- range $name, $value := .Values.settings }}{{ $_ := set $env $name $value }}{{ end -}}
{{- with .Values.models -}}
{{- if or .volume .store }}{{ $_ := set $env "LOUPE_MODELS" "/models" }}{{ end -}}
{{- if include "loupe.fetches" $ -}}
{{- $_ := set $env "LOUPE_MODELS" .store -}}
{{- $_ := set $env "LOUPE_MODELS_CACHE" "/models" -}}
{{- end -}}
{{- if .watch }}{{ $_ := set $env "LOUPE_RELOAD" "watch" }}{{ end -}}
{{- end -}}
{{- if .Values.grpc.enabled }}{{ $_ := set $env "LOUPE_GRPC_PORT" .Values.grpc.port }}{{ end -}}
{{- if .Values.keys.secret }}{{ $_ := set $env "LOUPE_API_KEYS_FILE" "/etc/loupe/keys" }}{{ end -}}
{{- if and .Values.ingress.enabled (ne .Values.ingress.path "/") }}{{ $_ := set $env "LOUPE_ROOT_PATH" .Values.ingress.path }}{{ end -}}
{{/* Without a GPU it would start on the CPU, unless it is told. */}}
{{- if .Values.gpu.enabled }}{{ $_ := set $env "LOUPE_DEVICE" .Values.gpu.device }}{{ end -}}
{{- if include "loupe.tensorrt" . }}{{ $_ := set $env "LOUPE_ENGINE_CACHE" "/var/cache/tensorrt" }}{{ end -}}
{{- range $name, $value := $env }}
- name: {{ $name }}
  value: {{ include "loupe.plain" $value | quote }}
{{- end -}}
{{- end -}}

{{/* Whether Loupe asks the store by itself. */}}
{{- define "loupe.fetches" -}}
{{- if and .Values.models.store (eq .Values.models.fetchBy "loupe") -}}true{{- end -}}
{{- end -}}

{{- define "loupe.tensorrt" -}}
{{- if and .Values.gpu.enabled (eq .Values.gpu.device "tensorrt") -}}true{{- end -}}
{{- end -}}

{{/* What containers ask for and may have: 512 MiB of LOUPE_MAX_HELD_BYTES, 900 MB to turn 50 megapixels, the models and
decoders. A GPU is fed by more cores. */}}
{{- define "loupe.resources" -}}
{{- $cpu := dict "requests" (dict "cpu" "1" "memory" "1Gi") "limits" (dict "cpu" "2" "memory" "3Gi") -}}
{{- $gpu := dict "requests" (dict "cpu" "4" "memory" "4Gi") "limits" (dict "cpu" "8" "memory" "6Gi") -}}
{{- $resources := .Values.resources | default (.Values.gpu.enabled | ternary $gpu $cpu) | deepCopy -}}
{{- if .Values.gpu.enabled -}}
{{- $limits := set ($resources.limits | default dict) .Values.gpu.resource (toString .Values.gpu.count) -}}
{{- $_ := set $resources "limits" $limits -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}
