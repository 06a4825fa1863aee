{{/* The name of every object of the operator. */}}
{{- define "kintsugi.name" -}}
{{- if contains "kintsugi" .Release.Name -}}
{{- printf "%s-operator" .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-kintsugi-operator" .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "kintsugi.selector" -}}
app.kubernetes.io/name: kintsugi-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* managed-by names Helm, not the operator: the operator's watches select by that label. */}}
{{- define "kintsugi.labels" -}}
{{ include "kintsugi.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}
