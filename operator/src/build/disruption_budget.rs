//! One PodDisruptionBudget a role.
//!
//! Integer minAvailable only: for maxUnavailable and percentages Kubernetes computes the expected
//! count from the scale subresource of the pods' owner, which here counts brokers alone.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Object, owned_metadata};
use crate::cluster::Cluster;
use crate::names::{Role, disruption_budget, role_labels, role_selector};

/// The budget of `role` that keeps `min_available` pods.
pub fn build(cluster: &Cluster, role: Role, min_available: i32) -> Object {
    Object::DisruptionBudget(Box::new(PodDisruptionBudget {
        metadata: owned_metadata(
            cluster,
            disruption_budget(&cluster.name, role),
            role_labels(&cluster.name, role),
        ),
        spec: Some(PodDisruptionBudgetSpec {
            min_available: Some(IntOrString::Int(min_available)),
            selector: Some(LabelSelector {
                match_labels: Some(role_selector(&cluster.name, role)),
                ..LabelSelector::default()
            }),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    }))
}
