//! What is to be done about a topic: the only thing that decisions give and that `act` takes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kintsugi_crds::KafkaTopicStatus;
use uuid::Uuid;

use crate::kafka::NewTopic;
use crate::plan::Announcement;

/// Commands in order, and when to look again.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Carried out in order; a failure ends them unless the command is independent.
    pub commands: Vec<Command>,
    /// When to look again if nothing happens before. None: only a change can help.
    pub requeue: Option<Duration>,
}

/// One act.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Writes labels, finalizers and annotation of the resource as they should be, if it has not
    /// changed since it was observed.
    Mark(Marks),
    /// Has the topic created.
    Create {
        /// The topic.
        topic: NewTopic,
        /// The id of the topic that was there before and is gone.
        former: Option<String>,
    },
    /// Has the topic grow.
    Grow {
        /// The topic.
        topic: String,
        /// To how many partitions.
        partitions: i32,
        /// What asked for it, in words, where it was the load and not spec.
        why: Option<String>,
    },
    /// Changes settings of the topic.
    Configure {
        /// The topic.
        topic: String,
        /// What to set.
        set: BTreeMap<String, String>,
        /// What to take back, so that the cluster's default holds again.
        reset: BTreeSet<String>,
    },
    /// Has the topic deleted with all its records.
    Delete {
        /// The topic.
        topic: String,
        /// Its id as observed. None: the broker that was asked knows none, so the active
        /// controller is to say that there is none.
        id: Option<Uuid>,
    },
    /// Tells people by an Event.
    Announce(Announcement),
    /// Writes the status, if the resource has not changed since it was observed.
    WriteStatus(Box<KafkaTopicStatus>),
}

/// What the operator writes into a KafkaTopic's metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// The label with the cluster's name.
    pub cluster: Option<String>,
    /// The label by which KafkaTopics that name one topic find each other.
    pub key: Option<String>,
    /// All finalizers, those of others too.
    pub finalizers: Vec<String>,
    /// Settings that this resource has set in Kafka, or may have. None: it has not begun to.
    pub applied: Option<BTreeSet<String>>,
}

impl Command {
    /// The act's name in metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Command::Mark(_) => "mark",
            Command::Create { .. } => "create",
            Command::Grow { .. } => "grow",
            Command::Configure { .. } => "configure",
            Command::Delete { .. } => "delete",
            Command::Announce(_) => "announce",
            Command::WriteStatus(_) => "write-status",
        }
    }

    /// Whether later commands go on when this one fails: a broker that refuses more partitions may
    /// still take settings.
    pub fn is_independent(&self) -> bool {
        matches!(self, Command::Grow { .. })
    }

    /// What the act's Event says once it has been done. None for what is no act on the topic. Its
    /// subject differs where its note does, because the recorder folds Events that do not.
    pub fn announcement(&self) -> Option<Announcement> {
        let (reason, subject, note, warning) = match self {
            Command::Mark(_) | Command::WriteStatus(_) => return None,
            Command::Announce(announcement) => return Some(announcement.clone()),
            Command::Create {
                topic,
                former: None,
            } => (
                "TopicCreated",
                topic.name.clone(),
                format!(
                    "Created topic {} with {} partitions",
                    topic.name, topic.partitions
                ),
                false,
            ),
            Command::Create {
                topic,
                former: Some(id),
            } => (
                "TopicRecreated",
                topic.name.clone(),
                format!(
                    "Topic {} (id {id}) was gone; created it again, empty, with {} partitions",
                    topic.name, topic.partitions
                ),
                true,
            ),
            Command::Grow {
                topic,
                partitions,
                why,
            } => (
                match why {
                    None => "PartitionsAdded",
                    Some(_) => "PartitionsGrown",
                },
                format!("{topic} to {partitions}"),
                match why {
                    None => format!("Topic {topic} has grown to {partitions} partitions"),
                    Some(why) => format!("Topic {topic} has {why}"),
                },
                false,
            ),
            Command::Configure { topic, set, reset } => (
                "SettingsChanged",
                format!("{topic}: {}", describe_settings(set, reset)),
                format!(
                    "Settings of topic {topic}: {}",
                    describe_settings(set, reset)
                ),
                false,
            ),
            Command::Delete { topic, .. } => (
                "TopicDeleted",
                topic.clone(),
                format!(
                    "Deleted topic {topic} with all its records: spec.deletionPolicy is Delete"
                ),
                false,
            ),
        };
        Some(Announcement {
            reason,
            subject,
            note,
            warning,
        })
    }
}

fn describe_settings(set: &BTreeMap<String, String>, reset: &BTreeSet<String>) -> String {
    let set = set.iter().map(|(key, value)| format!("set {key}={value}"));
    let reset = reset.iter().map(|key| format!("took back {key}"));
    let changes: Vec<String> = set.chain(reset).collect();
    changes.join(", ")
}
