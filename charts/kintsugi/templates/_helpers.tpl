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

{{/* What the operator does in the namespaces of KafkaClusters, KafkaTopics and KafkaRebalances. It deletes the volume
claim only of a broker that was emptied and removed, where deletionPolicy is Delete. Of Secrets it reads and makes those
named after a KafkaCluster; it never lists, changes or deletes one. A
rule cannot name what does not exist yet, so name watchNamespaces to keep it from others' Secrets. */}}
{{- define "kintsugi.rules" -}}
- apiGroups: [kintsugi.dev]
  resources: [kafkaclusters]
  verbs: [get, list, watch]
- apiGroups: [kintsugi.dev]
  resources: [kafkaclusters/status]
  verbs: [patch]
# Owner references that block the owner's deletion need this where the API server checks them.
- apiGroups: [kintsugi.dev]
  resources: [kafkaclusters/finalizers]
  verbs: [update]
# Labels, the finalizer and the note of applied settings stand in the resource itself, so patch. No
# right to create or delete one, and none to finalizers/: that is for owner references.
- apiGroups: [kintsugi.dev]
  resources: [kafkatopics]
  verbs: [get, list, watch, patch]
- apiGroups: [kintsugi.dev]
  resources: [kafkatopics/status]
  verbs: [patch]
# Of a rebalance: label, finalizer, and the notes of what it has set in Kafka. The operator makes and deletes those
# that empty brokers which are to be removed, and those that even out load.
- apiGroups: [kintsugi.dev]
  resources: [kafkarebalances]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [kintsugi.dev]
  resources: [kafkarebalances/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
