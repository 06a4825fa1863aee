//! `KafkaCluster`: the spec, its defaults with their reasons, and the rules the API server checks.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::autoscaling::Autoscaling;
use crate::balance::RebalanceSettings;
use crate::pod::PodTemplate;
use crate::status::KafkaClusterStatus;
use crate::storage::StorageAutoscaling;

/// What the cluster should be.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "kintsugi.dev",
    version = "v1alpha1",
    kind = "KafkaCluster",
    plural = "kafkaclusters",
    shortname = "kfk",
    category = "kintsugi",
    namespaced,
    status = "KafkaClusterStatus",
    derive = "PartialEq",
    doc = "A Kafka cluster: controllers that keep the quorum, brokers that keep the records.",
    scale(
        spec_replicas_path = ".spec.brokers.replicas",
        status_replicas_path = ".status.brokers.replicas",
        label_selector_path = ".status.brokers.selector"
    ),
    printcolumn(
        name = "READY",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(name = "BROKERS", type_ = "string", json_path = ".status.brokers.summary"),
    printcolumn(
        name = "LEADERLESS",
        type_ = "integer",
        json_path = ".status.partitions.leaderless"
    ),
    printcolumn(
        name = "UNDER-REPLICATED",
        type_ = "integer",
        json_path = ".status.partitions.underReplicated"
    ),
    printcolumn(name = "PHASE", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new(
        "self.metadata.name.size() <= 36 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')"
    ).message(
        "metadata.name becomes part of pod and Service names: use at most 36 characters of a-z, 0-9 and '-', starting with a letter and not ending with '-'"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(
        "!has(self.brokers) || !has(self.brokers.autoscaling) || self.brokers.autoscaling.minReplicas >= (!has(self.config) || !('default.replication.factor' in self.config) ? 3 : (self.config['default.replication.factor'].matches('^[0-9]{1,3}$') ? int(self.config['default.replication.factor']) : 1))"
    ).message(
        "spec.brokers.autoscaling.minReplicas is below the copies that new topics get: raise it, or set default.replication.factor in spec.config (3 where it is absent)"
    )
)]
pub struct KafkaClusterSpec {
    /// The nodes that form the metadata quorum. They hold no records.
    #[serde(default)]
    pub controllers: Controllers,
    /// The nodes that hold records and serve clients.
    #[serde(default)]
    pub brokers: Brokers,
    /// The ports for clients. This version serves one, without TLS or authentication.
    #[serde(default = "default_listeners")]
    #[schemars(length(min = 1, max = 1))]
    #[x_kube(
        merge_strategy = ListMerge::Map(vec!["name".into()]),
    )]
    pub listeners: Vec<Listener>,
    /// Kafka settings for every broker, by Kafka's names, such as `log.retention.ms: "604800000"`.
    /// Settings that follow from other fields of this resource are refused.
    #[serde(default)]
    #[schemars(extend(
        "maxProperties" = 100,
        "additionalProperties" = serde_json::json!({"type": "string", "maxLength": 1024})
    ))]
    #[x_kube(
        validation = Rule::new(
            "self.all(k, !(k in ['process.roles', 'node.id', 'broker.id', 'cluster.id', 'log.dir', 'log.dirs', 'listeners', 'advertised.listeners', 'listener.security.protocol.map', 'inter.broker.listener.name', 'broker.rack', 'controller.quorum.voters']))"
        ).message(
            "spec.config holds a setting that the operator derives from other fields: remove process.roles, node.id, broker.id, cluster.id, log.dir, log.dirs, listeners, advertised.listeners, listener.security.protocol.map, inter.broker.listener.name, broker.rack and controller.quorum.voters; use spec.listeners and spec.brokers.racks instead"
        ),
        validation = Rule::new(
            "self.all(k, !k.startsWith('kintsugi.') || k == 'kintsugi.shards')"
        ).message(
            "spec.config may set only kintsugi.shards of the settings that start with 'kintsugi.': the operator sets the others, remove them"
        ),
        validation = Rule::new(
            "self.all(k, k.size() <= 128 && k.matches('^[a-z][a-z0-9._]*$'))"
        ).message(
            "each key of spec.config must be a Kafka setting's name: at most 128 characters of a-z, 0-9, '.' and '_', starting with a letter"
        ),
    )]
    pub config: BTreeMap<String, String>,
    /// The broker image. Absent: the one that this version of the operator was tested with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,
    /// What the operator may do by itself when something breaks.
    #[serde(default)]
    pub healing: Healing,
    /// How the operator keeps the load of brokers even.
    #[serde(default)]
    pub rebalance: RebalanceSettings,
    /// Whether NetworkPolicies keep the ports between nodes to the nodes of this cluster. Default
    /// Enabled. They need a network plug-in that carries policies out; where there is none they
    /// change nothing.
    #[serde(default)]
    pub network_policy: NetworkPolicyMode,
    /// True stops every act of the operator on this cluster; only the status is still written.
    #[serde(default)]
    pub paused: bool,
}

/// Whether the operator makes NetworkPolicies.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NetworkPolicyMode {
    /// It makes one for each role.
    #[default]
    Enabled,
    /// It makes none, and deletes those that it has made.
    Disabled,
}

/// The controllers.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.replicas in [1, 3, 5]").message(
        "spec.controllers.replicas must be 1, 3 or 5: an even number tolerates no more failures than the odd number below it"
    ),
    validation = Rule::new("self.replicas == oldSelf.replicas").message(
        "spec.controllers.replicas cannot change after creation in this version: set it back, or create a new cluster"
    ),
    validation = Rule::new("!has(self.storage.autoscaling)").message(
        "spec.controllers.storage.autoscaling is not known: only brokers' volumes grow by themselves, set spec.controllers.storage.size"
    )
)]
pub struct Controllers {
    /// How many controllers: 1, 3 or 5. Default 3, which survives the loss of one.
    #[schemars(range(min = 1, max = 5))]
    #[serde(default = "default_replicas")]
    pub replicas: i32,
    /// The volume of each controller. Default 1Gi: the metadata log of 10,000 partitions with its
    /// snapshots stays under 100 MiB.
    #[serde(default = "default_controller_storage")]
    pub storage: Storage,
    /// CPU and memory of each controller.
    #[serde(default)]
    pub resources: Resources,
    /// Where controllers run and what their pods carry.
    #[serde(default)]
    pub pod: PodTemplate,
}

/// The brokers.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(
        "has(self.racks) == has(oldSelf.racks) && (!has(self.racks) || self.racks.topologyKey == oldSelf.racks.topologyKey)"
    ).message(
        "spec.brokers.racks cannot change after creation: each broker keeps the zone it was born in, set it back or create a new cluster"
    ),
    validation = Rule::new(
        "!has(self.autoscaling) || !has(oldSelf.autoscaling) || self.autoscaling.dryRun || self.replicas == oldSelf.replicas"
    ).message(
        "spec.brokers.replicas is only the size to start with while spec.brokers.autoscaling is set: change minReplicas and maxReplicas, or remove autoscaling"
    )
)]
pub struct Brokers {
    /// How many brokers. Default 3, so that replication factor 3 has a broker for each copy.
    /// Raising it adds brokers. Lowering it has brokers emptied one by one, stopped and
    /// unregistered; condition ShrinkRefused says why one is not. With
    /// autoscaling it is only the size to start with.
    #[schemars(range(min = 1, max = 100))]
    #[serde(default = "default_replicas")]
    pub replicas: i32,
    /// The volume of each broker.
    #[serde(default = "default_broker_storage")]
    pub storage: Storage,
    /// CPU and memory of each broker.
    #[serde(default)]
    pub resources: Resources,
    /// Where brokers run and what their pods carry.
    #[serde(default)]
    pub pod: PodTemplate,
    /// Spreads brokers, and so the copies of a partition, over zones. Absent: no racks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub racks: Option<Racks>,
    /// Has the operator choose the number of brokers. Absent: `replicas` is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,
}

/// How zones are found.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Racks {
    /// The node label whose value names the zone, such as `topology.kubernetes.io/zone`. New
    /// brokers go round robin over the values found on schedulable nodes.
    #[schemars(length(min = 1, max = 316))]
    #[serde(default = "default_topology_key")]
    pub topology_key: String,
}

/// A volume.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("isQuantity(self.size) && quantity(self.size).isGreaterThan(quantity('0'))").message(
        "storage.size must be a Kubernetes quantity above zero, such as 10Gi"
    ),
    validation = Rule::new(
        "!isQuantity(self.size) || !isQuantity(oldSelf.size) || quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0"
    ).message(
        "storage.size cannot shrink, because Kubernetes cannot shrink a volume: set it to the former size or more"
    ),
    validation = Rule::new(
        "has(self.storageClassName) == has(oldSelf.storageClassName) && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)"
    ).message(
        "storage.storageClassName cannot change after creation, because volumes cannot change class: set it back or create a new cluster"
    ),
    validation = Rule::new(
        "!has(self.autoscaling) || !isQuantity(self.autoscaling.maxSize) || !isQuantity(self.size) || quantity(self.autoscaling.maxSize).compareTo(quantity(self.size)) >= 0"
    ).message(
        "storage.autoscaling.maxSize is below storage.size: raise the one or lower the other"
    )
)]
pub struct Storage {
    /// The size, such as `100Gi`. It may grow where the storage class allows expansion.
    #[schemars(length(min = 1, max = 32))]
    pub size: String,
    /// The storage class. Absent: the default class of the Kubernetes cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub storage_class_name: Option<String>,
    /// What becomes of volumes when the KafkaCluster is deleted. Default Retain: data outlives
    /// objects, and a KafkaCluster of the same name adopts the volumes again.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// Has volumes grow by themselves, up to a size. Brokers' only. Absent: `size` is what they have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<StorageAutoscaling>,
}

/// What becomes of volumes when the resource is deleted.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeletionPolicy {
    /// Volumes stay.
    #[default]
    Retain,
    /// Volumes are deleted with the resource.
    Delete,
}

/// CPU and memory. What is absent takes the role's default; requests and limits are always set.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(
        "!has(self.requests.cpu) || !has(self.limits.cpu) || !isQuantity(self.requests.cpu) || !isQuantity(self.limits.cpu) || quantity(self.requests.cpu).compareTo(quantity(self.limits.cpu)) <= 0"
    ).message("resources.requests.cpu is above resources.limits.cpu: lower the request or raise the limit"),
    validation = Rule::new(
        "!has(self.requests.memory) || !has(self.limits.memory) || !isQuantity(self.requests.memory) || !isQuantity(self.limits.memory) || quantity(self.requests.memory).compareTo(quantity(self.limits.memory)) <= 0"
    ).message("resources.requests.memory is above resources.limits.memory: lower the request or raise the limit")
)]
pub struct Resources {
    /// What the scheduler reserves.
    #[serde(default)]
    pub requests: ResourceAmounts,
    /// What the kernel enforces.
    #[serde(default)]
    pub limits: ResourceAmounts,
}

/// Amounts of CPU and memory, as Kubernetes quantities.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(
        "(!has(self.cpu) || isQuantity(self.cpu)) && (!has(self.memory) || isQuantity(self.memory))"
    ).message("resources must be Kubernetes quantities, such as cpu: 500m and memory: 512Mi")
)]
pub struct ResourceAmounts {
    /// Such as `500m` or `2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub cpu: Option<String>,
    /// Such as `512Mi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub memory: Option<String>,
}

/// A port for clients.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!(self.port in [9091, 9093, 9094, 9404])").message(
        "listeners[].port must not be 9091, 9093, 9094 or 9404: brokers use these among themselves, take another such as 9092"
    )
)]
pub struct Listener {
    /// The listener's name.
    #[schemars(
        length(min = 1, max = 15),
        regex(pattern = "^[a-z]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// The port, on every broker and on the bootstrap Service. Default 9092, Kafka's own.
    #[serde(default = "default_port")]
    #[schemars(range(min = 1024, max = 65535))]
    pub port: i32,
    /// How bytes travel. This version knows Plaintext only.
    #[serde(default)]
    pub protocol: ListenerProtocol,
}

/// How bytes travel on a listener.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListenerProtocol {
    /// No encryption, no authentication.
    #[default]
    Plaintext,
}

/// Limits on what the operator does by itself.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Healing {
    /// False keeps the operator from deleting pods and replacing volumes. Pods that are gone are
    /// still created again: that disturbs nothing. Default true.
    #[serde(default = "default_true")]
    pub enabled: bool,
    /// A container that waits in CrashLoopBackOff for longer than this gets a new pod, because the
    /// kubelet's waits grow to five minutes. Default 5, half of the kubelet's first wait.
    #[serde(default = "default_crash_loop_seconds")]
    #[schemars(range(min = 1, max = 600))]
    pub crash_loop_seconds: i32,
    /// How often one node's pod may be replaced within ten minutes (after which the kubelet forgets
    /// its own back-off). Default 6: more means that a new pod does not help.
    #[serde(default = "default_pod_replacements_max")]
    #[schemars(range(min = 1, max = 10))]
    pub pod_replacements_max: i32,
    /// The largest share of the brokers that may be unavailable for a lost volume to be replaced,
    /// in percent, rounded down but never under one broker. Default 34: one broker of three.
    #[serde(default = "default_unavailable_percent_max")]
    #[schemars(range(min = 1, max = 100))]
    pub unavailable_percent_max: i32,
}

fn default_replicas() -> i32 {
    3
}

fn default_true() -> bool {
    true
}

fn default_port() -> i32 {
    9092
}

fn default_crash_loop_seconds() -> i32 {
    5
}

fn default_pod_replacements_max() -> i32 {
    6
}

fn default_unavailable_percent_max() -> i32 {
    34
}

fn default_topology_key() -> String {
    "topology.kubernetes.io/zone".to_owned()
}

fn default_controller_storage() -> Storage {
    storage_of("1Gi")
}

fn default_broker_storage() -> Storage {
    storage_of("10Gi")
}

fn storage_of(size: &str) -> Storage {
    Storage {
        size: size.to_owned(),
        storage_class_name: None,
        deletion_policy: DeletionPolicy::Retain,
        autoscaling: None,
    }
}

fn default_listeners() -> Vec<Listener> {
    vec![Listener {
        name: "plain".to_owned(),
        port: default_port(),
        protocol: ListenerProtocol::Plaintext,
    }]
}

impl Default for KafkaClusterSpec {
    fn default() -> Self {
        Self {
            controllers: Controllers::default(),
            brokers: Brokers::default(),
            listeners: default_listeners(),
            config: BTreeMap::new(),
            image: None,
            healing: Healing::default(),
            rebalance: RebalanceSettings::default(),
            network_policy: NetworkPolicyMode::default(),
            paused: false,
        }
    }
}

impl Default for Controllers {
    fn default() -> Self {
        Self {
            replicas: default_replicas(),
            storage: default_controller_storage(),
            resources: Resources::default(),
            pod: PodTemplate::default(),
        }
    }
}

impl Default for Brokers {
    fn default() -> Self {
        Self {
            replicas: default_replicas(),
            storage: default_broker_storage(),
            resources: Resources::default(),
            pod: PodTemplate::default(),
            racks: None,
            autoscaling: None,
        }
    }
}

impl Default for Healing {
    fn default() -> Self {
        Self {
            enabled: true,
            crash_loop_seconds: default_crash_loop_seconds(),
            pod_replacements_max: default_pod_replacements_max(),
            unavailable_percent_max: default_unavailable_percent_max(),
        }
    }
}
