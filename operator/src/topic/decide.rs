//! From what is to what is to be done. Pure: the same arguments give the same plan.
//!
//! A look does one kind of thing: it marks the resource, or changes the topic, or writes the status.
//! The next look, a moment later, goes on from what is there then. So an operator that dies between
//! two acts leaves nothing that the next one could not see:
//! - The labels come first, then the list of others that carry them: of two KafkaTopics that name
//!   one topic, at least one sees the other before it acts.
//! - The finalizer is there before the topic is created.
//! - A setting is noted as applied before it is set, and taken from the note after it was seen gone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kintsugi_crds::KafkaTopicStatus;
use kintsugi_crds::schema::hash_text;

use super::growth::Growth;
use super::observe::{ClusterView, KafkaView, Observed, Rival, TopicView};
use super::plan::{Command, Plan};
use super::status::{backoff, not_ready, ready, status};
use super::validate::Topic;
use crate::decide::Finding;
use crate::kafka::NewTopic;
use crate::plan::Announcement;

/// How often a topic that is as it should be is compared with Kafka, which tells nobody of changes.
const REQUEUE_SETTLED: Duration = Duration::from_secs(60);
/// Spreads those looks, so that an operator's start does not bunch them for ever.
const SETTLED_JITTER_MS: u64 = 20_000;
/// Spreads looks at topics that wait for the same cluster.
const BACKOFF_JITTER_MS: u64 = 1_000;
/// When to look at what an act has led to.
const REQUEUE_ACTED: Duration = Duration::from_millis(200);

/// How often a topic that grows by load is looked at: what is seen for the hold time is to be more than
/// a few moments of it.
const REQUEUE_GROWING: Duration = Duration::from_secs(15);
/// Spreads looks at topics that grow by load.
const GROWING_JITTER_MS: u64 = 2_000;

/// What is to be done at `now`. `growth` is what was found of the load, where partitions are added by
/// it; `written` is the status as it stands.
pub fn decide(
    topic: &Topic,
    observed: &Observed,
    growth: Option<&Growth>,
    written: Option<&KafkaTopicStatus>,
    now: Timestamp,
) -> Plan {
    if topic.is_terminating {
        return on_deletion(topic, observed, written, now);
    }
    let wait = |finding| waiting(topic, finding, written, now);
    match observed.cluster {
        ClusterView::Gone => return wait(cluster_missing(topic)),
        ClusterView::Present { paused: true } => return wait(paused(topic)),
        ClusterView::Present { paused: false } => {}
    }
    let marked = topic.marked();
    if topic.marks != marked {
        return acting(vec![Command::Mark(marked)]);
    }
    if let Some(older) = observed.rivals.iter().find(|rival| is_before(rival, topic)) {
        return wait(name_taken(topic, older));
    }
    let view = match &observed.kafka {
        KafkaView::NotAsked => return wait(unreachable(topic, "no broker was asked")),
        KafkaView::Silent(why) => return wait(unreachable(topic, why)),
        KafkaView::Answered(view) => view.as_ref(),
    };
    if let Some(view) = view
        && view.description.is_internal
    {
        return wait(internal(topic));
    }
    if let Some(commands) = note(topic, view) {
        return acting(commands);
    }
    match view {
        None => acting(vec![create(topic, written)]),
        Some(view) => converge(topic, view, growth, written, now),
    }
}

/// The topic as it is, where it is this resource's to change in this look.
pub(super) fn own_view<'a>(topic: &Topic, observed: &'a Observed) -> Option<&'a TopicView> {
    let is_open = observed.cluster == (ClusterView::Present { paused: false });
    let is_taken = observed.rivals.iter().any(|rival| is_before(rival, topic));
    match &observed.kafka {
        KafkaView::Answered(Some(view)) if is_open && !is_taken => {
            (!view.description.is_internal).then_some(view)
        }
        _ => None,
    }
}

/// What follows when a broker refused an act of the plan for these arguments: the status to write,
/// if it is another one, and when to try again.
pub fn on_refusal(
    topic: &Topic,
    observed: &Observed,
    message: String,
    written: Option<&KafkaTopicStatus>,
    now: Timestamp,
) -> Plan {
    let view = match &observed.kafka {
        KafkaView::Answered(view) => view.as_ref(),
        _ => None,
    };
    let finding = not_ready("Refused", message.clone());
    let status = status(topic.generation, view, finding, written, now);
    let requeue = Some(backoff(&status, jitter(topic, BACKOFF_JITTER_MS), now));
    if written == Some(&status) {
        let commands = Vec::new();
        return Plan { commands, requeue };
    }
    let failure = Announcement {
        reason: "ActFailed",
        subject: topic.topic.to_string(),
        note: message,
        warning: true,
    };
    let commands = vec![
        Command::Announce(failure),
        Command::WriteStatus(Box::new(status)),
    ];
    Plan { commands, requeue }
}

/// Notes settings before they are set, and that the topic was there already.
fn note(topic: &Topic, view: Option<&TopicView>) -> Option<Vec<Command>> {
    let wanted: BTreeSet<String> = topic.config.keys().cloned().collect();
    match (&topic.marks.applied, view) {
        (Some(applied), _) if applied.is_superset(&wanted) => None,
        (Some(applied), _) => {
            let all = applied.union(&wanted).cloned().collect();
            Some(vec![Command::Mark(topic.noting(all))])
        }
        (None, None) => Some(vec![Command::Mark(topic.noting(wanted))]),
        (None, Some(view)) => Some(vec![
            Command::Mark(topic.noting(wanted)),
            Command::Announce(Announcement {
                reason: "TopicAdopted",
                subject: topic.topic.to_string(),
                note: format!(
                    "Topic {} was there already, with {} partitions: adopted it with its records",
                    topic.topic, view.description.partitions
                ),
                warning: false,
            }),
        ]),
    }
}

fn create(topic: &Topic, written: Option<&KafkaTopicStatus>) -> Command {
    Command::Create {
        topic: NewTopic {
            name: topic.topic.to_string(),
            partitions: topic.partitions_at_birth(),
            replication_factor: topic.replication_factor,
            config: topic.config.clone(),
        },
        former: written.and_then(|status| status.topic_id.clone()),
    }
}

/// Makes an existing topic what spec says. Each property is looked at by itself: one that cannot be
/// changed keeps no other from it.
fn converge(
    topic: &Topic,
    view: &TopicView,
    growth: Option<&Growth>,
    written: Option<&KafkaTopicStatus>,
    now: Timestamp,
) -> Plan {
    let mut commands: Vec<Command> = grow(topic, view, growth).into_iter().collect();
    let (set, reset) = differences(topic, view);
    if !set.is_empty() || !reset.is_empty() {
        commands.push(Command::Configure {
            topic: topic.topic.to_string(),
            set,
            reset,
        });
    }
    let wanted: BTreeSet<String> = topic.config.keys().cloned().collect();
    if commands.is_empty() && topic.marks.applied.as_ref() != Some(&wanted) {
        commands.push(Command::Mark(topic.noting(wanted)));
    }
    if !commands.is_empty() {
        return acting(commands);
    }
    let finding = refusals(topic, view).unwrap_or_else(ready);
    let mut status = status(topic.generation, Some(view), finding, written, now);
    status.partition_growth = growth.map(|growth| growth.status.clone());
    let news = growth.and_then(|growth| growth.news.clone());
    commands.extend(news.map(Command::Announce));
    if let Some(former) = written.and_then(|status| status.topic_id.as_ref())
        && Some(former) != status.topic_id.as_ref()
    {
        commands.push(Command::Announce(Announcement {
            reason: "TopicReplaced",
            subject: topic.topic.to_string(),
            note: format!(
                "Topic {} is another one than before: its id was {former}, it is {}. The records \
                 of the former are gone",
                topic.topic, view.description.id
            ),
            warning: true,
        }));
    }
    if written != Some(&status) {
        commands.push(Command::WriteStatus(Box::new(status)));
    }
    let requeue = Some(next_look(topic, growth, now));
    Plan { commands, requeue }
}

/// More partitions, where spec or the load asks for them.
fn grow(topic: &Topic, view: &TopicView, growth: Option<&Growth>) -> Option<Command> {
    let present = view.description.partitions;
    let by_spec = topic.partitions.map(|partitions| (partitions, None));
    let by_load = growth.and_then(|growth| growth.to.clone());
    let by_load = by_load.map(|(partitions, why)| (partitions, Some(why)));
    let mut wanted = by_spec.into_iter().chain(by_load);
    let (partitions, why) = wanted.find(|(partitions, _)| *partitions > present)?;
    Some(Command::Grow {
        topic: topic.topic.to_string(),
        partitions,
        why,
    })
}

/// When a topic that is as it should be is looked at again.
fn next_look(topic: &Topic, growth: Option<&Growth>, now: Timestamp) -> Duration {
    let Some(growth) = growth else {
        return REQUEUE_SETTLED + jitter(topic, SETTLED_JITTER_MS);
    };
    let at = growth.look_at.map(|at| now.duration_until(at));
    let due = at.and_then(|wait| Duration::try_from(wait).ok());
    let soon = REQUEUE_GROWING + jitter(topic, GROWING_JITTER_MS);
    due.map_or(soon, |due| due.clamp(REQUEUE_ACTED, soon))
}

/// Settings to set, and settings to take back.
fn differences(topic: &Topic, view: &TopicView) -> (BTreeMap<String, String>, BTreeSet<String>) {
    let differs = |(key, value): &(&String, &String)| view.config.get(*key) != Some(*value);
    let set = topic.config.iter().filter(differs);
    let set = set
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let applied = topic.marks.applied.iter().flatten();
    let left =
        applied.filter(|key| !topic.config.contains_key(*key) && view.config.contains_key(*key));
    (set, left.cloned().collect())
}

/// What spec asks for and is not done.
fn refusals(topic: &Topic, view: &TopicView) -> Option<Finding> {
    let has = &view.description;
    if let Some(wanted) = topic.partitions
        && wanted < has.partitions
        && topic.growth.is_none()
    {
        return Some(not_ready(
            "ShrinkRefused",
            format!(
                "topic {} has {} partitions and spec.partitions is {wanted}: Kafka cannot take \
                 partitions away. Set spec.partitions to {}, or move to a new topic",
                topic.topic, has.partitions, has.partitions
            ),
        ));
    }
    let wanted = i32::from(topic.replication_factor?);
    (wanted != has.replicas_min || wanted != has.replicas_max).then(|| {
        let present = match has.replicas_min == has.replicas_max {
            true => has.replicas_min.to_string(),
            false => format!("{} to {}", has.replicas_min, has.replicas_max),
        };
        not_ready(
            "ReplicationFactorDiffers",
            format!(
                "topic {} has {present} replicas a partition and spec.replicationFactor is \
                 {wanted}: this version of the operator does not move replicas. Change it with \
                 kafka-reassign-partitions, or set spec.replicationFactor to what is there; while \
                 partitions move, this passes by itself",
                topic.topic
            ),
        )
    })
}

/// The resource is going: the topic goes with it, or stays, and nothing holds the resource longer
/// than it takes to know which.
fn on_deletion(
    topic: &Topic,
    observed: &Observed,
    written: Option<&KafkaTopicStatus>,
    now: Timestamp,
) -> Plan {
    if !topic.is_held() {
        return Plan {
            commands: Vec::new(),
            requeue: None,
        };
    }
    let release = Command::Mark(topic.released());
    if let Some(why) = kept(topic, observed) {
        let announcement = Announcement {
            reason: "TopicKept",
            subject: topic.topic.to_string(),
            note: format!("Did not delete topic {}: {why}", topic.topic),
            warning: false,
        };
        return acting(vec![Command::Announce(announcement), release]);
    }
    let wait = |finding| waiting(topic, finding, written, now);
    if observed.cluster == (ClusterView::Present { paused: true }) {
        return wait(paused(topic));
    }
    match &observed.kafka {
        KafkaView::NotAsked => wait(unreachable(topic, "no broker was asked")),
        KafkaView::Silent(why) => wait(unreachable(topic, why)),
        KafkaView::Answered(view) => acting(vec![
            Command::Delete {
                topic: topic.topic.to_string(),
                id: view.as_ref().map(|view| view.description.id),
            },
            release,
        ]),
    }
}

/// Why the topic outlives the resource, if it does.
fn kept(topic: &Topic, observed: &Observed) -> Option<String> {
    if !topic.deletes {
        return Some("spec.deletionPolicy is Retain".to_owned());
    }
    if observed.cluster == ClusterView::Gone {
        let cluster = &topic.cluster;
        return Some(format!(
            "KafkaCluster {cluster} is gone, or is being deleted"
        ));
    }
    if let KafkaView::Answered(Some(view)) = &observed.kafka
        && view.description.is_internal
    {
        return Some("Kafka keeps it for itself".to_owned());
    }
    let mut rivals = observed.rivals.iter();
    let other = rivals.find(|rival| !rival.is_terminating || is_before(rival, topic));
    other.map(|other| format!("KafkaTopic {} names it too", other.name))
}

/// Whether the topic is the rival's: the older resource's, by uid where both are of one second.
fn is_before(rival: &Rival, topic: &Topic) -> bool {
    (rival.created, rival.uid.as_str()) < (topic.created, topic.uid.as_str())
}

fn acting(commands: Vec<Command>) -> Plan {
    Plan {
        commands,
        requeue: Some(REQUEUE_ACTED),
    }
}

/// Nothing to do but to say why.
fn waiting(
    topic: &Topic,
    finding: Finding,
    written: Option<&KafkaTopicStatus>,
    now: Timestamp,
) -> Plan {
    let mut status = status(topic.generation, None, finding, written, now);
    if topic.growth.is_none() {
        status.partition_growth = None;
    }
    let requeue = Some(backoff(&status, jitter(topic, BACKOFF_JITTER_MS), now));
    let commands = match written == Some(&status) {
        true => Vec::new(),
        false => vec![Command::WriteStatus(Box::new(status))],
    };
    Plan { commands, requeue }
}

/// A time below `max_ms` that is always the same for one resource.
fn jitter(topic: &Topic, max_ms: u64) -> Duration {
    let hash = u64::from_str_radix(&hash_text(&topic.uid), 16).unwrap_or(0);
    Duration::from_millis(hash % max_ms)
}

fn cluster_missing(topic: &Topic) -> Finding {
    not_ready(
        "ClusterMissing",
        format!(
            "there is no KafkaCluster {} in namespace {}, or it is being deleted: create it, or \
             correct spec.clusterName in a new KafkaTopic",
            topic.cluster, topic.namespace
        ),
    )
}

fn paused(topic: &Topic) -> Finding {
    let message = format!("KafkaCluster {} has spec.paused set", topic.cluster);
    not_ready("Paused", message)
}

fn unreachable(topic: &Topic, why: &str) -> Finding {
    not_ready(
        "ClusterUnreachable",
        format!("no broker of KafkaCluster {} answers: {why}", topic.cluster),
    )
}

fn name_taken(topic: &Topic, older: &Rival) -> Finding {
    not_ready(
        "NameTaken",
        format!(
            "KafkaTopic {} is older and names topic {} too: delete one of the two, the topic stays",
            older.name, topic.topic
        ),
    )
}

fn internal(topic: &Topic) -> Finding {
    let message = format!(
        "{} is a topic that Kafka keeps for itself: name another one in spec.topicName",
        topic.topic
    );
    not_ready("Internal", message)
}
