//! What a pod is made from that people may change: kept for each node as it last worked.

use serde::{Deserialize, Serialize};

use crate::build::config_map;
use crate::cluster::{Amounts, Cluster};
use crate::names::Role;

/// Image, resources and settings of a role's pods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    /// The image.
    pub image: String,
    /// CPU and memory.
    pub amounts: Amounts,
    /// The ConfigMap with the settings.
    pub config_map: String,
}

impl Template {
    /// What spec asks for.
    pub fn wanted(cluster: &Cluster, role: Role) -> Self {
        Self {
            image: cluster.image.clone(),
            amounts: cluster.role(role).amounts.clone(),
            config_map: config_map::name(cluster, role),
        }
    }

    /// As an annotation's value.
    pub fn to_text(&self) -> String {
        // Strings only, so it always becomes JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// From an annotation's value. None where it does not decode: then nothing is known.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}
