//! What a pod is made from that people may change: kept for each node as it last worked.

use kintsugi_crds::PodTemplate;
use serde::{Deserialize, Serialize};

use crate::build::config_map;
use crate::cluster::{Amounts, Cluster};
use crate::names::Role;

/// Image, resources, settings and placement of a role's pods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    /// The image.
    pub image: String,
    /// CPU and memory.
    pub amounts: Amounts,
    /// The ConfigMap with the settings.
    pub config_map: String,
    /// Where pods run and what they carry.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pod: PodTemplate,
}

fn is_default(pod: &PodTemplate) -> bool {
    *pod == PodTemplate::default()
}

impl Template {
    /// What spec asks for.
    pub fn wanted(cluster: &Cluster, role: Role) -> Self {
        Self {
            image: cluster.image.clone(),
            amounts: cluster.role(role).amounts.clone(),
            config_map: config_map::name(cluster, role),
            pod: cluster.role(role).pod.clone(),
        }
    }

    /// As an annotation's value.
    pub fn to_text(&self) -> String {
        // Its maps have strings for keys, so it always becomes JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// From an annotation's value. None where it does not decode: then nothing is known.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}
