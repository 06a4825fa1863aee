//! What people may say of a role's pods: where they run, and what they carry.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a role's pods run and what they carry. A change restarts them, one at a time.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PodTemplate {
    /// Secrets of the namespace to pull the image with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub image_pull_secrets: Vec<ImagePullSecret>,
    /// The PriorityClass. Brokers with a high one are the last to be evicted from a full node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub priority_class_name: Option<String>,
    /// Labels that a node must have. With racks, zones are counted on such nodes only.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend(
        "maxProperties" = 20,
        "additionalProperties" = serde_json::json!({"type": "string", "maxLength": 63, "pattern": LABEL_VALUE})
    ))]
    #[x_kube(
        validation = Rule::new("self.all(k, k.size() <= 317 && k.size() > 0)").message(
            "each key of nodeSelector must be a node label's name: 1 to 317 characters"
        )
    )]
    pub node_selector: BTreeMap<String, String>,
    /// Taints of nodes that the pods bear.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub tolerations: Vec<Toleration>,
    /// Labels that pods carry besides the operator's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend(
        "maxProperties" = 20,
        "additionalProperties" = serde_json::json!({"type": "string", "maxLength": 63, "pattern": LABEL_VALUE})
    ))]
    #[x_kube(
        validation = Rule::new(
            "self.all(k, k.size() <= 317 && !k.startsWith('kintsugi.dev/') && !k.startsWith('app.kubernetes.io/'))"
        ).message(
            "labels that start with kintsugi.dev/ or app.kubernetes.io/ are the operator's own: take other names, of at most 317 characters"
        )
    )]
    pub labels: BTreeMap<String, String>,
    /// Annotations that pods carry besides the operator's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend(
        "maxProperties" = 20,
        "additionalProperties" = serde_json::json!({"type": "string", "maxLength": 1024})
    ))]
    #[x_kube(
        validation = Rule::new(
            "self.all(k, k.size() <= 317 && !k.startsWith('kintsugi.dev/'))"
        ).message(
            "annotations that start with kintsugi.dev/ are the operator's own: take other names, of at most 317 characters"
        )
    )]
    pub annotations: BTreeMap<String, String>,
}

/// What Kubernetes takes as a label's value.
const LABEL_VALUE: &str = "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$";

/// A Secret to pull images with.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ImagePullSecret {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// A taint that pods bear, as in a pod's spec.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.key) || self.operator == 'Exists'").message(
        "a toleration without a key bears every taint: say so with operator: Exists"
    ),
    validation = Rule::new("self.operator != 'Exists' || !has(self.value)").message(
        "a toleration with operator Exists takes no value: remove it, or set operator: Equal"
    ),
    validation = Rule::new(
        "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')"
    ).message("tolerationSeconds needs effect: NoExecute")
)]
pub struct Toleration {
    /// The taint's key. Absent: every taint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 317))]
    pub key: Option<String>,
    /// Whether the value counts. Default Equal.
    #[serde(default)]
    pub operator: TolerationOperator,
    /// The taint's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub value: Option<String>,
    /// The taint's effect. Absent: every effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<TaintEffect>,
    /// For how long a taint that appears later is borne. Absent: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub toleration_seconds: Option<i64>,
}

/// Whether a taint's value counts.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TolerationOperator {
    /// The taint has that value.
    #[default]
    Equal,
    /// The taint has any value.
    Exists,
}

/// What a taint does to pods that do not bear it.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaintEffect {
    /// They are not scheduled there.
    NoSchedule,
    /// They are scheduled elsewhere if possible.
    PreferNoSchedule,
    /// They are evicted.
    NoExecute,
}
