//! Names, labels, annotations and ports: everything by which objects are found again.
//!
//! Names are deterministic, so that an operator that restarts between two acts repeats neither.

use std::collections::BTreeMap;
use std::fmt;

/// The label with the KafkaCluster's name.
pub const CLUSTER_LABEL: &str = "kintsugi.dev/cluster";
/// The label with the role.
pub const ROLE_LABEL: &str = "kintsugi.dev/role";
/// The label with Kafka's `node.id`.
pub const NODE_ID_LABEL: &str = "kintsugi.dev/node-id";
/// The label with the generation of the node's incarnation.
pub const GENERATION_LABEL: &str = "kintsugi.dev/generation";
/// The label that every object of the operator carries; watches select by it.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// The operator's name: field manager, reporter of Events, value of [`MANAGED_BY_LABEL`].
pub const OPERATOR: &str = "kintsugi-operator";

/// On a volume: Kafka's cluster id. Adoption goes by it.
pub const CLUSTER_ID_ANNOTATION: &str = "kintsugi.dev/cluster-id";
/// On a volume: the zone that the broker was born in.
pub const ZONE_ANNOTATION: &str = "kintsugi.dev/zone";
/// On a volume: `true` once the quorum was seen active, so that it is never formed twice.
pub const FORMED_ANNOTATION: &str = "kintsugi.dev/quorum-formed";
/// On a volume: when its pod was replaced, RFC 3339, separated by commas, newest last.
pub const REPLACEMENTS_ANNOTATION: &str = "kintsugi.dev/pod-replacements";
/// On a volume: the template with which its pod was last ready, as JSON.
pub const LAST_GOOD_ANNOTATION: &str = "kintsugi.dev/last-good-template";
/// On a broker's volume: how far the removal of the broker is, `draining` or `drained`.
pub const REMOVAL_ANNOTATION: &str = "kintsugi.dev/removal";
/// On a broker's volume: when its claim last asked for more, RFC 3339, where volumes grow by themselves.
pub const GROWN_ANNOTATION: &str = "kintsugi.dev/storage-grown";
/// On a pod: hash of everything that it was started with.
pub const TEMPLATE_HASH_ANNOTATION: &str = "kintsugi.dev/template-hash";
/// On a pod: the template hash that it is about to be restarted for. Only one pod of a cluster
/// carries it; whoever wants to stop another one takes it away first.
pub const RESTART_ANNOTATION: &str = "kintsugi.dev/restart-for";
/// On a KafkaCluster: `true` holds rolling restarts, and nothing else.
pub const PAUSE_ROLLOUT_ANNOTATION: &str = "kintsugi.dev/pause-rollout";
/// On a KafkaCluster: `true` lets rolling restarts stop nodes that are needed however long one
/// waits: the only controller, and brokers of partitions with no more copies than their minimum.
pub const ALLOW_UNAVAILABILITY_ANNOTATION: &str = "kintsugi.dev/allow-unavailability";
/// On a KafkaCluster: ids of brokers, with commas between them, that go first when it shrinks.
pub const REMOVE_BROKERS_ANNOTATION: &str = "kintsugi.dev/remove-brokers";

/// Replication between brokers.
pub const REPLICATION_PORT: i32 = 9091;
/// The controllers' listener.
pub const CONTROLLER_PORT: i32 = 9093;
/// The brokers' dial-back port for liveness.
pub const CONTROL_PORT: i32 = 9094;
/// Metrics, probes and the controllers' `/v1` answers.
pub const HTTP_PORT: i32 = 9404;
/// The first controller's node id. Brokers count from 0, so the two never meet.
pub const CONTROLLER_ID_FIRST: i32 = 1000;

/// On a KafkaTopic, the label by which those that name one topic of one cluster find each other.
pub const TOPIC_KEY_LABEL: &str = "kintsugi.dev/topic-key";
/// On a KafkaTopic, the annotation with the settings that it set in Kafka, separated by commas.
pub const APPLIED_SETTINGS_ANNOTATION: &str = "kintsugi.dev/applied-settings";
/// Holds a KafkaTopic with `deletionPolicy: Delete` until its topic is gone.
pub const TOPIC_FINALIZER: &str = "kintsugi.dev/topic";

/// On a KafkaRebalance under way, the annotation with what it has set in Kafka and must take back:
/// throttles, and moves that it began.
pub const REBALANCE_UNDERWAY_ANNOTATION: &str = "kintsugi.dev/rebalance-underway";
/// On a KafkaRebalance, the annotation that says that all of its moves were made.
pub const REBALANCE_ENDED_ANNOTATION: &str = "kintsugi.dev/rebalance-ended";
/// Holds a KafkaRebalance under way until its moves are taken back and its throttles gone.
pub const REBALANCE_FINALIZER: &str = "kintsugi.dev/rebalance";

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Keeps the metadata quorum.
    Controller,
    /// Keeps records.
    Broker,
}

impl Role {
    /// The role's label value, also Kafka's `process.roles`.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Controller => "controller",
            Role::Broker => "broker",
        }
    }

    /// The role of a label value.
    pub fn parse(text: &str) -> Option<Self> {
        [Role::Controller, Role::Broker]
            .into_iter()
            .find(|role| role.as_str() == text)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// One incarnation of a node: a pod and its volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// What it does.
    pub role: Role,
    /// Kafka's `node.id`.
    pub id: i32,
    /// Counts the volumes that this id has had, from 1. The quorum grants each after the first.
    pub generation: u64,
}

impl Member {
    /// The pod's name: `<cluster>-<role>-<id>-<generation>`.
    pub fn pod_name(&self, cluster: &str) -> String {
        format!("{cluster}-{}-{}-{}", self.role, self.id, self.generation)
    }

    /// The volume claim's name: `data-<pod name>`.
    pub fn volume_name(&self, cluster: &str) -> String {
        format!("data-{}", self.pod_name(cluster))
    }

    /// The labels of the pod and of the volume claim.
    pub fn labels(&self, cluster: &str) -> BTreeMap<String, String> {
        let mut labels = role_labels(cluster, self.role);
        labels.insert(NODE_ID_LABEL.to_owned(), self.id.to_string());
        labels.insert(GENERATION_LABEL.to_owned(), self.generation.to_string());
        labels
    }

    /// The member that `labels` name, if they name one.
    pub fn from_labels(labels: &BTreeMap<String, String>) -> Option<Self> {
        Some(Self {
            role: Role::parse(labels.get(ROLE_LABEL)?)?,
            id: labels.get(NODE_ID_LABEL)?.parse().ok()?,
            generation: labels.get(GENERATION_LABEL)?.parse().ok()?,
        })
    }
}

/// Labels of everything that belongs to `cluster`.
pub fn cluster_labels(cluster: &str) -> BTreeMap<String, String> {
    [
        ("app.kubernetes.io/name", "kintsugi"),
        ("app.kubernetes.io/instance", cluster),
        (MANAGED_BY_LABEL, OPERATOR),
        (CLUSTER_LABEL, cluster),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

/// Labels of everything that belongs to one role of `cluster`.
pub fn role_labels(cluster: &str, role: Role) -> BTreeMap<String, String> {
    let mut labels = cluster_labels(cluster);
    labels.insert("app.kubernetes.io/component".to_owned(), role.to_string());
    labels.insert(ROLE_LABEL.to_owned(), role.to_string());
    labels
}

/// The labels by which Services, budgets and spread rules select a role's pods.
pub fn role_selector(cluster: &str, role: Role) -> BTreeMap<String, String> {
    [(CLUSTER_LABEL, cluster), (ROLE_LABEL, role.as_str())]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// [`role_selector`] as text, as the scale subresource wants it.
pub fn role_selector_text(cluster: &str, role: Role) -> String {
    format!("{CLUSTER_LABEL}={cluster},{ROLE_LABEL}={role}")
}

/// The headless Service that gives a role's pods their DNS names.
pub fn headless_service(cluster: &str, role: Role) -> String {
    format!("{cluster}-{role}s")
}

/// The Service with a steady address for one controller.
pub fn controller_service(cluster: &str, id: i32) -> String {
    format!("{cluster}-controller-{id}")
}

/// The Service that clients bootstrap from.
pub fn bootstrap_service(cluster: &str) -> String {
    format!("{cluster}-bootstrap")
}

/// The ConfigMap with a role's server.properties. The name ends with a hash of the content: pods of
/// an older configuration keep reading what they were started with, and a new one never sees a
/// kubelet's older copy.
pub fn config_map(cluster: &str, role: Role, content_hash: &str) -> String {
    format!("{cluster}-{role}-{content_hash}")
}

/// The Secret by which the cluster's nodes know each other.
pub fn secret(cluster: &str) -> String {
    format!("{cluster}-internal")
}

/// The ConfigMap with one part of what is learned of the cluster.
pub fn learned_config_map(cluster: &str, part: &str) -> String {
    format!("{cluster}-learned-{part}")
}

/// A role's NetworkPolicy.
pub fn network_policy(cluster: &str, role: Role) -> String {
    format!("{cluster}-{role}")
}

/// A role's PodDisruptionBudget.
pub fn disruption_budget(cluster: &str, role: Role) -> String {
    format!("{cluster}-{role}")
}

/// The KafkaRebalance that empties a broker before it is removed.
pub fn drain_rebalance(cluster: &str, broker: i32) -> String {
    format!("{}{broker}", drain_rebalance_prefix(cluster))
}

/// How the names of all of those begin.
pub fn drain_rebalance_prefix(cluster: &str) -> String {
    format!("{cluster}-drain-")
}

/// The KafkaRebalance that gives brokers their share that joined, `first` the lowest id of them.
pub fn fill_rebalance(cluster: &str, first: i32) -> String {
    format!("{}{first}", fill_rebalance_prefix(cluster))
}

/// How the names of all of those begin.
pub fn fill_rebalance_prefix(cluster: &str) -> String {
    format!("{cluster}-fill-")
}

/// The KafkaRebalance that evens the load of the brokers that are there.
pub fn balance_rebalance(cluster: &str) -> String {
    format!("{cluster}-balance")
}
