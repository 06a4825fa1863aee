//! The validated cluster: what every later step reads instead of the raw resource.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kintsugi_crds::{
    Autoscaling, AutoscalingStatus, DeletionPolicy, Healing, PodTemplate, RebalanceSettings,
    StorageAutoscaling, StorageStatus,
};
use serde::{Deserialize, Serialize};

use crate::balance::Balancing;
use crate::names::{CONTROLLER_ID_FIRST, Role};
use crate::observe::Observed;
use crate::scale::Sizing;
use crate::size::size_in_force;
use crate::storage::Storing;

/// A KafkaCluster whose every field has been checked and given its default.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// The resource's name.
    pub name: String,
    /// The resource's namespace.
    pub namespace: String,
    /// The resource's uid, for owner references.
    pub uid: String,
    /// The resource's `metadata.generation`.
    pub generation: i64,
    /// Kafka's cluster id: the volumes' where any exist, else derived from the uid.
    pub cluster_id: String,
    /// The controllers.
    pub controllers: RoleSpec,
    /// The brokers.
    pub brokers: RoleSpec,
    /// How the operator chooses the number of brokers, if it does.
    pub autoscaling: Option<Autoscaling>,
    /// What it chose last, as the status has it.
    pub autoscaling_written: Option<AutoscalingStatus>,
    /// What there is to say about the size in this look, if the operator chooses it.
    pub sizing: Option<Sizing>,
    /// How the operator keeps the load of brokers even.
    pub rebalance: RebalanceSettings,
    /// What there is to say and to do about it in this look, if the operator does.
    pub balancing: Option<Balancing>,
    /// Up to which size the brokers' volumes grow by themselves, and when, if they do.
    pub storage_autoscaling: Option<StorageAutoscaling>,
    /// What was found of them last, as the status has it.
    pub storage_written: Option<StorageStatus>,
    /// What there is to say and to do about them in this look, if they grow by themselves.
    pub storing: Option<Storing>,
    /// Brokers that are there and not removed, at least: the copies of new topics go by them while
    /// the resource asks for fewer.
    pub brokers_present: i32,
    /// Brokers that go first when the cluster shrinks.
    pub removed_first: BTreeSet<i32>,
    /// The node label that names zones, if brokers are spread over racks.
    pub topology_key: Option<String>,
    /// The clients' port.
    pub client_port: i32,
    /// Kafka settings.
    pub config: BTreeMap<String, String>,
    /// The broker image.
    pub image: String,
    /// Limits on healing.
    pub healing: Healing,
    /// Whether nodes know each other by a secret: not those of a cluster that was formed without.
    pub authenticated: bool,
    /// Whether network policies are to stand around the nodes.
    pub network_policy: bool,
    /// Whether every act is to be left.
    pub paused: bool,
    /// Whether rolling restarts are to be left.
    pub rollout_paused: bool,
    /// Whether rolling restarts may stop nodes that are needed however long one waits.
    pub unavailability_allowed: bool,
}

/// How many nodes of a role, and what each gets.
#[derive(Clone, Debug, PartialEq)]
pub struct RoleSpec {
    /// How many.
    pub replicas: i32,
    /// The volume's size.
    pub size: String,
    /// The volume's class.
    pub storage_class_name: Option<String>,
    /// What becomes of volumes with the resource.
    pub deletion_policy: DeletionPolicy,
    /// Requests and limits, all four set.
    pub amounts: Amounts,
    /// Where its pods run and what they carry.
    pub pod: PodTemplate,
}

/// CPU and memory, requested and limited.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Amounts {
    /// Requested CPU.
    pub cpu_request: String,
    /// Requested memory.
    pub memory_request: String,
    /// CPU limit.
    pub cpu_limit: String,
    /// Memory limit.
    pub memory_limit: String,
}

impl Cluster {
    /// Has the size in force that was decided `last`, of which the status tells no more.
    pub fn take_back_size(&mut self, last: AutoscalingStatus, observed: &Observed) {
        let start = self.brokers.replicas;
        self.brokers.replicas =
            size_in_force(self.autoscaling.as_ref(), start, Some(&last), observed);
        self.autoscaling_written = Some(last);
    }

    /// The spec of `role`.
    pub fn role(&self, role: Role) -> &RoleSpec {
        match role {
            Role::Controller => &self.controllers,
            Role::Broker => &self.brokers,
        }
    }

    /// The controllers' node ids.
    pub fn controller_ids(&self) -> std::ops::Range<i32> {
        CONTROLLER_ID_FIRST..CONTROLLER_ID_FIRST + self.controllers.replicas
    }

    /// Controllers that must live for the quorum to decide.
    pub fn majority(&self) -> usize {
        usize::try_from(self.controllers.replicas / 2 + 1).unwrap_or(1)
    }

    /// The reference that makes an object go with the resource.
    pub fn owner_reference(&self) -> OwnerReference {
        OwnerReference {
            api_version: "kintsugi.dev/v1alpha1".to_owned(),
            kind: "KafkaCluster".to_owned(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }
}
