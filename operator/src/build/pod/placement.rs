//! Where people want a role's pods, in Kubernetes' words. What is empty is left out, so that a field
//! that nobody uses changes no pod.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{LocalObjectReference, Toleration};
use kintsugi_crds::{PodTemplate, TaintEffect, TolerationOperator};

/// The Secrets to pull the image with.
pub fn image_pull_secrets(pod: &PodTemplate) -> Option<Vec<LocalObjectReference>> {
    let names = pod.image_pull_secrets.iter();
    let secrets = names.map(|secret| LocalObjectReference {
        name: secret.name.clone(),
    });
    unless_empty(secrets.collect())
}

/// The labels that a node must have.
pub fn node_selector(pod: &PodTemplate) -> Option<BTreeMap<String, String>> {
    (!pod.node_selector.is_empty()).then(|| pod.node_selector.clone())
}

/// The taints that pods bear.
pub fn tolerations(pod: &PodTemplate) -> Option<Vec<Toleration>> {
    let each = pod.tolerations.iter().map(|toleration| Toleration {
        key: toleration.key.clone(),
        operator: Some(operator(toleration.operator).to_owned()),
        value: toleration.value.clone(),
        effect: toleration.effect.map(|one| effect(one).to_owned()),
        toleration_seconds: toleration.toleration_seconds,
    });
    unless_empty(each.collect())
}

fn unless_empty<T>(items: Vec<T>) -> Option<Vec<T>> {
    (!items.is_empty()).then_some(items)
}

fn operator(operator: TolerationOperator) -> &'static str {
    match operator {
        TolerationOperator::Equal => "Equal",
        TolerationOperator::Exists => "Exists",
    }
}

/// A taint's effect as nodes carry it.
pub fn effect(effect: TaintEffect) -> &'static str {
    match effect {
        TaintEffect::NoSchedule => "NoSchedule",
        TaintEffect::PreferNoSchedule => "PreferNoSchedule",
        TaintEffect::NoExecute => "NoExecute",
    }
}
