{{- define "loupe.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if or .Values.models.volume .Values.models.store }}
- name: models
  mountPath: /models
  {{- if not (include "loupe.fetches" .) }}
  readOnly: true
  {{- end }}
  {{- with .Values.models.subPath }}
  subPath: {{ . }}
  {{- end }}
{{- end }}
{{- if .Values.keys.secret }}
- {name: keys, mountPath: /etc/loupe, readOnly: true}
{{- end }}
{{- if include "loupe.tensorrt" . }}
- {name: tensorrt-cache, mountPath: /var/cache/tensorrt}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "loupe.volumes" -}}
- name: tmp
  emptyDir: {medium: Memory, sizeLimit: 64Mi}
{{- with .Values.models.volume }}
- name: models
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .Values.models.store }}
- name: models
  emptyDir: {sizeLimit: {{ .Values.models.storeSize }}}
{{- end }}
{{- with .Values.keys.secret }}
- name: keys
  secret: {secretName: {{ . }}, items: [{key: keys, path: keys}], defaultMode: 0440}
{{- end }}
{{- if include "loupe.tensorrt" . }}
- name: tensorrt-cache
  {{- with .Values.gpu.tensorrtCache }}
  {{- if .claim }}
  persistentVolumeClaim: {claimName: {{ .claim }}}
  {{- else }}
  emptyDir: {sizeLimit: {{ .size }}}
  {{- end }}
  {{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Fetches the models before Loupe starts; where that fails, the pod does not start, and the old ones go on. */}}
{{- define "loupe.fetch" -}}
{{- $scheme := regexFind "^[a-z0-9]+" .Values.models.store -}}
{{- $backend := dict "gs" "gcs" "az" "azureblob" | dig $scheme $scheme -}}
- name: fetch-models
  image: {{ .Values.models.storeImage }}
  args: [copy, --config, "", --checksum, ":{{ $backend }}:{{ regexReplaceAll "^[^:]+://" .Values.models.store "" }}", /models]
  env:
    - {name: RCLONE_{{ upper $backend }}_ENV_AUTH, value: "true"}
  {{- with .Values.models.storeSecret }}
  envFrom:
    - secretRef: {name: {{ . }}}
  {{- end }}
  resources:
    requests: {cpu: 100m, memory: 64Mi}
    limits: {cpu: "1", memory: 512Mi}
  securityContext:
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities: {drop: [ALL]}
  volumeMounts:
    - {name: models, mountPath: /models}
{{- end -}}
