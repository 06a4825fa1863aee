//! What is to be done: the only thing that decisions give and that `act` takes.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret};
use k8s_openapi::jiff::Timestamp;
use kintsugi_crds::{DeletionPolicy, KafkaClusterStatus, KafkaRebalance};
use kintsugi_secret::Keys;
use kintsugi_types::Endpoint;
use uuid::Uuid;

use crate::build::Object;
use crate::decide::gates::Closed;

mod removal;

/// Commands in order, and when to look again.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Carried out in order. A failure ends the acts unless the command is independent; the status
    /// is written anyway.
    pub commands: Vec<Command>,
    /// The gates that kept an act from happening, for metrics and Events.
    pub closed: Vec<Closed>,
    /// When to look again if nothing happens before.
    pub requeue: Duration,
}

/// One act.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Makes the object what it should be (server-side apply).
    Apply(Object),
    /// Creates the Secret by which nodes know each other. Never replaces one.
    CreateSecret(SecretCreation),
    /// Creates a volume claim.
    CreateVolume(Box<PersistentVolumeClaim>),
    /// Creates a pod.
    CreatePod(Box<Pod>),
    /// Changes a volume claim that has not changed since it was observed.
    ChangeVolume(VolumeChange),
    /// Has the API server check a pod as if it were created, without creating it. Refused, it ends
    /// the acts: what comes next would delete the pod whose place this one is to take.
    RehearsePod(Box<Pod>),
    /// Marks a pod for a restart, or takes the mark away, if it has not changed since it was
    /// observed. Either way a deletion that was decided before no longer finds its version.
    MarkPod(PodMark),
    /// Deletes a pod that has not changed since it was observed.
    DeletePod(PodDeletion),
    /// Deletes a ConfigMap that no pod reads any more.
    DeleteConfigMap {
        /// Its name.
        name: String,
        /// Its uid as observed.
        uid: String,
        /// Its version as observed.
        resource_version: String,
    },
    /// Deletes a NetworkPolicy that is not wanted any more.
    DeleteNetworkPolicy {
        /// Its name.
        name: String,
        /// Its uid as observed.
        uid: String,
        /// Its version as observed.
        resource_version: String,
    },
    /// Asks the active controller for a new generation of a broker.
    GrantGeneration {
        /// The active controller's address.
        controller_ip: String,
        /// The broker's id.
        broker: i32,
        /// The generation.
        generation: u64,
    },
    /// Asks the active controller to take a controller's lost directory from the quorum. Refused if
    /// the quorum knows that controller by another directory by then.
    RemoveVoter(VoterChange),
    /// Asks the active controller to let a controller join by its new directory. Refused if the
    /// quorum knows it by another one.
    AddVoter(VoterChange),
    /// Has the quorum give a broker no new replicas, or lets it again.
    Cordon(BrokerChange),
    /// As [`Command::Cordon`], the other way.
    Uncordon(BrokerChange),
    /// Has the quorum forget a broker. Refused while it lives or any partition names it.
    Unregister(BrokerChange),
    /// Creates the KafkaRebalance that empties a broker.
    CreateRebalance(Box<KafkaRebalance>),
    /// Tells a KafkaRebalance that has not changed since it was observed to end.
    StopRebalance(ObjectVersion),
    /// Deletes a KafkaRebalance that has not changed since it was observed.
    DeleteRebalance(ObjectVersion),
    /// Deletes the volume claim of a broker that was removed, if it has not changed since it was
    /// observed.
    DeleteVolume(ObjectVersion),
    /// Tells people by an Event.
    Announce(Announcement),
    /// Writes the status.
    WriteStatus(Box<KafkaClusterStatus>),
}

/// A Secret to create.
#[derive(Clone, Debug, PartialEq)]
pub struct SecretCreation {
    /// The Secret, still empty.
    pub secret: Box<Secret>,
    /// What it is to hold. None: something that nobody can guess.
    pub keys: Option<Keys>,
    /// Whether nodes run that were started with another one.
    pub lost: bool,
}

impl SecretCreation {
    fn announcement(&self) -> Announcement {
        let name = self.secret.metadata.name.clone().unwrap_or_default();
        let (reason, note) = match (self.lost, &self.keys) {
            (false, _) => ("SecretCreated", format!("Created Secret {name}")),
            (true, Some(_)) => (
                "SecretPutBack",
                format!("Secret {name} was gone: put it back as it was"),
            ),
            (true, None) => (
                "SecretReplaced",
                format!(
                    "Secret {name} was gone and what it held is not known here: made a new one. \
                     Nodes take it up within two minutes; until then they keep the connections \
                     that they have, and may refuse new ones"
                ),
            ),
        };
        Announcement {
            reason,
            subject: name,
            note,
            warning: self.lost,
        }
    }
}

/// A change to a broker's registration, asked for by Kafka's protocol.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokerChange {
    /// Which broker passes it on to the active controller.
    pub through: Endpoint,
    /// Kafka's cluster id, for addresses are used again.
    pub cluster_id: String,
    /// The broker that it is about.
    pub broker: i32,
    /// When it was decided. It names no version that it depends on, so it must not be late.
    pub decided: Timestamp,
}

/// An object in the version that was observed.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectVersion {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its version.
    pub resource_version: String,
    /// Why, for the Event.
    pub why: String,
}

/// A change to who belongs to the quorum.
#[derive(Clone, Debug, PartialEq)]
pub struct VoterChange {
    /// The active controller's address.
    pub controller_ip: String,
    /// The node id of the controller that it is about.
    pub controller: i32,
    /// The directory that it is about.
    pub directory: Uuid,
}

/// A change to a volume claim. What is None or empty stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VolumeChange {
    /// The claim's name.
    pub name: String,
    /// The claim's uid as observed.
    pub uid: String,
    /// The claim's version as observed.
    pub resource_version: String,
    /// Annotations to set, or, without a value, to take away.
    pub annotations: BTreeMap<String, Option<String>>,
    /// A size to grow to.
    pub size: Option<String>,
    /// Whether the resource should own the claim.
    pub policy: Option<DeletionPolicy>,
}

/// A pod's mark for a restart.
#[derive(Clone, Debug, PartialEq)]
pub struct PodMark {
    /// The pod's name.
    pub name: String,
    /// The pod's uid as observed.
    pub uid: String,
    /// The pod's version as observed.
    pub resource_version: String,
    /// The template hash that it is to be restarted for. None takes the mark away.
    pub restart_for: Option<String>,
    /// Why, for the Event.
    pub why: String,
}

/// A pod to delete, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct PodDeletion {
    /// The pod's name.
    pub name: String,
    /// The pod's uid as observed.
    pub uid: String,
    /// The pod's version as observed.
    pub resource_version: String,
    /// Seconds for the process to stop. None: what the pod's spec says.
    pub grace_seconds: Option<u32>,
    /// Why, for the Event.
    pub why: String,
}

/// Something to tell people.
#[derive(Clone, Debug, PartialEq)]
pub struct Announcement {
    /// One CamelCase word.
    pub reason: &'static str,
    /// What it is about, such as a pod's name.
    pub subject: String,
    /// A sentence.
    pub note: String,
    /// Whether it is a warning.
    pub warning: bool,
}

impl Announcement {
    /// What is no warning.
    pub fn of(subject: &str, reason: &'static str, note: String) -> Self {
        Self {
            reason,
            subject: subject.to_owned(),
            note,
            warning: false,
        }
    }
}

impl Command {
    /// Whether later commands go on when this one fails. A refused resize or generation must not
    /// keep other nodes from being mended; everything else is in an order that matters.
    pub fn is_independent(&self) -> bool {
        match self {
            Command::GrantGeneration { .. }
            | Command::RemoveVoter(_)
            | Command::AddVoter(_)
            | Command::Cordon(_)
            | Command::Uncordon(_)
            | Command::Unregister(_)
            | Command::CreateRebalance(_)
            | Command::StopRebalance(_)
            | Command::DeleteRebalance(_)
            | Command::DeleteVolume(_)
            | Command::Announce(_)
            | Command::DeleteConfigMap { .. }
            | Command::DeleteNetworkPolicy { .. } => true,
            Command::ChangeVolume(change) => change.size.is_some(),
            _ => false,
        }
    }

    /// What the act's Event says once it has been done. None for what is no act on the cluster.
    pub fn announcement(&self) -> Option<Announcement> {
        let (reason, subject, note) = match self {
            Command::Apply(object) => (
                "Applied",
                format!("{}/{}", object.kind(), object.name()),
                format!("Applied {} {}", object.kind(), object.name()),
            ),
            Command::CreateSecret(creation) => return Some(creation.announcement()),
            Command::CreateVolume(claim) => {
                let name = claim.metadata.name.clone().unwrap_or_default();
                (
                    "VolumeCreated",
                    name.clone(),
                    format!("Created volume claim {name}"),
                )
            }
            Command::CreatePod(pod) => {
                let name = pod.metadata.name.clone().unwrap_or_default();
                ("PodCreated", name.clone(), format!("Created pod {name}"))
            }
            Command::ChangeVolume(change) => {
                ("VolumeChanged", change.name.clone(), change.describe())
            }
            Command::MarkPod(mark) => mark.told(),
            Command::DeletePod(deletion) => (
                "PodDeleted",
                deletion.name.clone(),
                format!("Deleted pod {}: {}", deletion.name, deletion.why),
            ),
            Command::GrantGeneration {
                broker, generation, ..
            } => (
                "GenerationGranted",
                format!("broker-{broker}-{generation}"),
                format!(
                    "The quorum granted generation {generation} to broker {broker}: its lost \
                     volume will be replaced by an empty one and filled from the other replicas"
                ),
            ),
            Command::RemoveVoter(change) => change.removed(),
            Command::AddVoter(change) => change.added(),
            Command::Announce(announcement) => return Some(announcement.clone()),
            Command::DeleteConfigMap { name, .. } => (
                "ConfigMapDeleted",
                name.clone(),
                format!("Deleted ConfigMap {name}: no pod reads it any more"),
            ),
            Command::DeleteNetworkPolicy { name, .. } => (
                "NetworkPolicyDeleted",
                name.clone(),
                format!("Deleted NetworkPolicy {name}: spec.networkPolicy is Disabled"),
            ),
            // What is left tells of the removal of brokers, or is no act on the cluster.
            _ => removal::told(self)?,
        };
        Some(Announcement {
            reason,
            subject,
            note,
            warning: false,
        })
    }
}

impl PodMark {
    fn told(&self) -> (&'static str, String, String) {
        let (reason, note) = match self.restart_for {
            Some(_) => (
                "RestartBegun",
                format!("Restarting pod {}: {}", self.name, self.why),
            ),
            None => (
                "RestartPutOff",
                format!("Not restarting pod {} now: {}", self.name, self.why),
            ),
        };
        (reason, self.name.clone(), note)
    }
}

impl VoterChange {
    fn removed(&self) -> (&'static str, String, String) {
        let note = format!(
            "The quorum no longer counts controller {} with its lost directory {}",
            self.controller, self.directory
        );
        (
            "VoterRemoved",
            format!("controller-{}", self.controller),
            note,
        )
    }

    fn added(&self) -> (&'static str, String, String) {
        let note = format!(
            "The quorum sends controller {} the log into its new directory {}; it votes once it \
             has caught up",
            self.controller, self.directory
        );
        (
            "VoterAdded",
            format!("controller-{}", self.controller),
            note,
        )
    }
}

impl VolumeChange {
    fn describe(&self) -> String {
        let mut parts: Vec<String> = self
            .annotations
            .iter()
            .map(|(key, value)| match value {
                Some(value) => format!("annotation {key} to {value}"),
                None => format!("annotation {key} to nothing"),
            })
            .collect();
        parts.extend(self.size.iter().map(|size| format!("size to {size}")));
        parts.extend(
            self.policy
                .iter()
                .map(|policy| format!("deletion policy to {policy:?}")),
        );
        format!("Set {} of volume claim {}", parts.join(", "), self.name)
    }
}

/// Replacement times as an annotation's value.
pub fn format_times(times: &[Timestamp]) -> String {
    times
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(",")
}
