//! The only rooms that read: the Kubernetes API, the controllers' HTTP answers, and which broker
//! answers.
//!
//! Guarantees: every read is live (no cached store), bounded in count and time, and ends in plain
//! values that the pure steps work on. A list that fails fails the whole observation: absence is
//! never concluded from an error. Controllers that do not answer are simply absent.
//! Never does: write, decide.

mod brokers;
mod controllers;
mod given;
mod learned;
mod pod;
mod read;
mod rebalance;
mod secret;
mod storage_class;
mod trouble;
mod volume;
mod zones;

pub use brokers::ask_brokers;
pub use controllers::{
    BrokerView, Membership, Partitions, QuorumView, add_voter, grant_generation, remove_voter,
};
pub use given::{ObservedHistory, read_history};
pub use learned::{ObservedLearned, read_learned};
pub use pod::{ObservedPod, PodState};
pub use read::{
    ObserveError, REQUEST_TIMEOUT, bounded, list, observe, observe_nodes, read_cluster,
};
pub use rebalance::ObservedRebalance;
pub use secret::ObservedSecret;
pub use trouble::{PodTrouble, TroubleKind};
pub use volume::{ObservedVolume, Removal};

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

pub use crate::load::Disk;

/// The uid of the KafkaCluster that owns an object, if one does.
fn owner(metadata: &ObjectMeta) -> Option<String> {
    let mut owners = metadata.owner_references.iter().flatten();
    let cluster = owners.find(|owner| owner.kind == "KafkaCluster")?;
    Some(cluster.uid.clone())
}

/// Everything that was seen of one cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The cluster's pods, by name.
    pub pods: Vec<ObservedPod>,
    /// The cluster's volume claims, by name.
    pub volumes: Vec<ObservedVolume>,
    /// The Secret by which its nodes know each other.
    pub secret: ObservedSecret,
    /// Its Services, ConfigMaps, budgets and policies as JSON, to compare with what should be.
    pub objects: Vec<Value>,
    /// The zones of schedulable nodes. Read only while a broker is to be born, else empty.
    pub zones: Vec<String>,
    /// Its KafkaRebalances.
    pub rebalances: Vec<ObservedRebalance>,
    /// What brokers' volumes hold and could, by broker: of those whose load is known, as the last
    /// round showed it. Not read here, because it takes several rounds to know.
    pub disks: BTreeMap<i32, Disk>,
    /// Whether the storage classes of brokers' claims let volumes grow, by name. Read only where volumes
    /// grow by themselves; a class that may not be read is absent.
    pub expandable: BTreeMap<String, bool>,
    /// The quorum's own view, if any controller answered.
    pub quorum: Option<QuorumView>,
}

impl Observed {
    /// Whether nodes know each other by a secret. A node without one cannot talk with nodes that
    /// have it, so a cluster stays as its nodes are; where none is, it begins with one.
    pub fn is_authenticated(&self) -> bool {
        self.pods.is_empty() || self.pods.iter().any(|pod| pod.knows_secret)
    }
}
