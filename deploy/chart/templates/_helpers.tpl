{{- define "connector.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "connector.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "connector.labels" -}}
{{ include "connector.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "connector.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "connector.name" .) }}{{ else }}{{ .Values.serviceAccount.name | default "default" }}{{ end }}
{{- end }}

{{- define "connector.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}{{ else }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* What every pod of the chart has: an ordinary user, a read-only root, no token. */}}
{{- define "connector.pod" -}}
automountServiceAccountToken: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What every container of the chart has. */}}
{{- define "connector.container" -}}
image: {{ include "connector.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
env:
  - name: CONNECTOR_CONFIG
    value: /etc/connector/connector.toml
  - name: POD_NAME
    valueFrom:
      fieldRef:
        fieldPath: metadata.name
  - name: CONNECTOR__KAFKA__INSTANCE_ID
    value: {{ if .job }}{{ printf "%s-0" (include "connector.name" .) }}{{ else }}$(POD_NAME){{ end }}
  - name: CONNECTOR__HEALTH__HOST
    value: 0.0.0.0
  - name: CONNECTOR__HEALTH__PORT
    value: {{ .Values.health.port | quote }}
  - name: CONNECTOR_PROJECTION # of commands such as connector why: the user has no home directory
    value: /tmp/projection
{{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  - name: config
    mountPath: /etc/connector
    readOnly: true
  - name: tmp
    mountPath: /tmp
{{- range $number, $secret := .Values.secrets }}
  - name: secret-{{ $number }}
    mountPath: {{ $secret.mountPath }}
    readOnly: true
{{- end }}
{{- end }}

{{/* What the ConfigMaps have beside connector.toml. */}}
{{- define "connector.files" -}}
{{- range $name, $content := .Values.files }}
{{ $name }}: {{ toJson $content }}
{{- end }}
{{- end }}

{{/* The volumes of every pod; .config is the name of the ConfigMap. */}}
{{- define "connector.volumes" -}}
- name: config
  configMap:
    name: {{ .config }}
- name: tmp
  emptyDir: {}
{{- range $number, $secret := .Values.secrets }}
- name: secret-{{ $number }}
  {{- if $secret.secretProviderClass }}
  csi:
    driver: secrets-store.csi.k8s.io
    readOnly: true
    volumeAttributes:
      secretProviderClass: {{ $secret.secretProviderClass }}
  {{- else }}
  secret:
    secretName: {{ $secret.secretName }}
    defaultMode: 0440
  {{- end }}
{{- end }}
{{- end }}
