//! Objects of a validated cluster, one file a kind. Pure: no client, no clock, no failure.

pub mod config_map;
pub mod disruption_budget;
pub mod learned;
pub mod network_policy;
pub mod pod;
pub mod rebalance;
pub mod secret;
pub mod service;
pub mod volume;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use crate::cluster::Cluster;

/// An object that is applied whole, whenever what exists does not cover it.
#[derive(Clone, Debug, PartialEq)]
pub enum Object {
    /// A Service.
    Service(Box<Service>),
    /// A ConfigMap.
    ConfigMap(Box<ConfigMap>),
    /// A PodDisruptionBudget.
    DisruptionBudget(Box<PodDisruptionBudget>),
    /// A NetworkPolicy.
    NetworkPolicy(Box<NetworkPolicy>),
}

impl Object {
    /// The object's kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Object::Service(_) => "Service",
            Object::ConfigMap(_) => "ConfigMap",
            Object::DisruptionBudget(_) => "PodDisruptionBudget",
            Object::NetworkPolicy(_) => "NetworkPolicy",
        }
    }

    /// The object's name.
    pub fn name(&self) -> &str {
        let metadata = match self {
            Object::Service(service) => &service.metadata,
            Object::ConfigMap(map) => &map.metadata,
            Object::DisruptionBudget(budget) => &budget.metadata,
            Object::NetworkPolicy(policy) => &policy.metadata,
        };
        metadata.name.as_deref().unwrap_or_default()
    }

    /// The object as JSON, with kind and version.
    pub fn to_value(&self) -> Value {
        let value = match self {
            Object::Service(service) => serde_json::to_value(service),
            Object::ConfigMap(map) => serde_json::to_value(map),
            Object::DisruptionBudget(budget) => serde_json::to_value(budget),
            Object::NetworkPolicy(policy) => serde_json::to_value(policy),
        };
        // These types hold no maps with keys other than strings, so they always become JSON.
        value.unwrap_or_default()
    }
}

/// Metadata of an object that goes with the resource.
pub fn owned_metadata(
    cluster: &Cluster,
    name: String,
    labels: BTreeMap<String, String>,
) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(cluster.namespace.clone()),
        labels: Some(labels),
        owner_references: Some(vec![cluster.owner_reference()]),
        ..ObjectMeta::default()
    }
}
