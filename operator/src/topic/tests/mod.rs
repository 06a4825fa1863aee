//! Decisions about topics: whole command lists.

mod deletion;
mod growth;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kintsugi_crds::{Condition, ConditionStatus, KafkaTopic, KafkaTopicStatus};
use serde_json::{Value, json};
use uuid::Uuid;

use super::decide::{decide, on_refusal};
use super::observe::{ClusterView, KafkaView, Observed, Rival, TopicView};
use super::plan::{Command, Marks, Plan};
use super::reconcile::on_invalid;
use super::validate::{Topic, ValidateError, key, validate};
use crate::fixtures::at;
use crate::kafka::{NewTopic, TopicDescription};
use crate::names::TOPIC_FINALIZER;

const ID: Uuid = Uuid::from_u128(7);

fn resource(spec: &Value) -> KafkaTopic {
    let mut full = json!({"clusterName": "demo"});
    for (key, value) in spec.as_object().unwrap() {
        full[key] = value.clone();
    }
    let mut resource: KafkaTopic = serde_json::from_value(json!({
        "apiVersion": "kintsugi.dev/v1alpha1",
        "kind": "KafkaTopic",
        "metadata": {"name": "orders", "namespace": "kafka", "uid": "uid-b", "generation": 3},
        "spec": full,
    }))
    .unwrap();
    resource.metadata.creation_timestamp = Some(Time(at(-100)));
    resource
}

fn topic(spec: Value) -> Topic {
    validate(&resource(&spec)).unwrap()
}

/// A topic that was marked, with these settings noted as applied.
fn marked(spec: Value, applied: &[&str]) -> Topic {
    let mut topic = topic(spec);
    topic.marks = topic.marked();
    topic.marks.applied = Some(set(applied));
    topic
}

fn terminating(mut topic: Topic) -> Topic {
    topic.is_terminating = true;
    topic
}

fn set(keys: &[&str]) -> BTreeSet<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn view(partitions: i32, config: &[(&str, &str)]) -> TopicView {
    TopicView {
        description: TopicDescription {
            id: ID,
            is_internal: false,
            partitions,
            replicas_min: 3,
            replicas_max: 3,
        },
        config: map(config),
    }
}

fn observed(view: Option<TopicView>) -> Observed {
    Observed {
        cluster: ClusterView::Present { paused: false },
        rivals: Vec::new(),
        kafka: KafkaView::Answered(view),
    }
}

fn rival(age_seconds: i64, is_terminating: bool) -> Rival {
    Rival {
        name: "other".to_owned(),
        uid: "uid-a".to_owned(),
        created: Some(at(-age_seconds)),
        is_terminating,
    }
}

/// The plan for a topic without a status.
fn plan(topic: &Topic, observed: &Observed) -> Plan {
    decide(topic, observed, None, None, at(0))
}

fn ready(is: bool, reason: &str, message: &str) -> Vec<Condition> {
    vec![Condition {
        type_: "Ready".to_owned(),
        status: if is {
            ConditionStatus::True
        } else {
            ConditionStatus::False
        },
        reason: reason.to_owned(),
        message: message.to_owned(),
        last_transition_time: at(0).to_string(),
        observed_generation: 3,
    }]
}

/// The status of a topic as spec says, as it is written at second 0.
fn in_sync(partitions: i32) -> KafkaTopicStatus {
    KafkaTopicStatus {
        observed_generation: Some(3),
        topic_id: Some(ID.to_string()),
        partitions: Some(partitions),
        replication_factor: Some(3),
        partition_growth: None,
        conditions: ready(true, "InSync", "the topic is as spec says"),
    }
}

/// The reason and message that the plan's only command writes.
fn said(plan: &Plan) -> (String, String) {
    let [Command::WriteStatus(status)] = plan.commands.as_slice() else {
        panic!("expected one status, found {:?}", plan.commands)
    };
    let [condition] = status.conditions.as_slice() else {
        panic!("{status:?}")
    };
    assert_eq!(condition.status, ConditionStatus::False);
    (condition.reason.clone(), condition.message.clone())
}

fn refusal_of(plan: &Plan, reason: &str, part: &str) {
    let (found, message) = said(plan);
    assert_eq!(found, reason);
    assert!(message.contains(part), "{message}");
}

/// The marks that the plan's only command writes.
fn only_marks(plan: Plan) -> Marks {
    match <[Command; 1]>::try_from(plan.commands) {
        Ok([Command::Mark(marks)]) => marks,
        other => panic!("{other:?}"),
    }
}

/// Events by reason, in order.
fn events(plan: &Plan) -> Vec<&'static str> {
    let announced = plan.commands.iter().filter_map(Command::announcement);
    announced.map(|announcement| announcement.reason).collect()
}

#[test]
fn labels_come_first_and_no_finalizer_where_the_topic_is_retained() {
    let plan = plan(&topic(json!({})), &observed(None));
    let marks = Marks {
        cluster: Some("demo".to_owned()),
        key: Some(key("demo", "orders")),
        finalizers: Vec::new(),
        applied: None,
    };
    assert_eq!(plan.commands, [Command::Mark(marks)]);
}

#[test]
fn the_finalizer_is_there_before_the_topic_and_goes_when_the_policy_becomes_retain() {
    let mut topic = topic(json!({"deletionPolicy": "Delete"}));
    topic.marks.finalizers = vec!["other/one".to_owned()];
    let marks = only_marks(plan(&topic, &observed(None)));
    assert_eq!(marks.finalizers, ["other/one", TOPIC_FINALIZER]);
    topic.marks = marks;
    topic.deletes = false;
    let marks = only_marks(plan(&topic, &observed(None)));
    assert_eq!(marks.finalizers, ["other/one"]);
}

#[test]
fn settings_are_noted_before_the_topic_is_created_with_them() {
    let spec = json!({"partitions": 6, "replicationFactor": 3, "config": {"retention.ms": "1"}});
    let mut topic = topic(spec);
    topic.marks = topic.marked();
    let noted = topic.noting(set(&["retention.ms"]));
    let first = plan(&topic, &observed(None));
    assert_eq!(first.commands, [Command::Mark(noted.clone())]);
    topic.marks = noted;
    let created = plan(&topic, &observed(None));
    let new = NewTopic {
        name: "orders".to_owned(),
        partitions: 6,
        replication_factor: Some(3),
        config: map(&[("retention.ms", "1")]),
    };
    let create = Command::Create {
        topic: new,
        former: None,
    };
    assert_eq!(created.commands, [create]);
    let view = view(6, &[("retention.ms", "1")]);
    let settled = plan(&topic, &observed(Some(view)));
    let status = Command::WriteStatus(Box::new(in_sync(6)));
    assert_eq!(settled.commands, [status]);
}

#[test]
fn a_topic_without_numbers_is_born_with_twelve_partitions_and_the_clusters_replication_factor() {
    let plan = plan(&marked(json!({}), &[]), &observed(None));
    let topic = NewTopic {
        name: "orders".to_owned(),
        partitions: 12,
        replication_factor: None,
        config: BTreeMap::new(),
    };
    let former = None;
    assert_eq!(plan.commands, [Command::Create { topic, former }]);
}

#[test]
fn nothing_is_written_while_nothing_changes_and_looks_are_spread() {
    let topic = marked(json!({"partitions": 6}), &[]);
    let mut other = topic.clone();
    other.uid = "uid-c".to_owned();
    let observed = observed(Some(view(6, &[])));
    let written = in_sync(6);
    let plan = decide(&topic, &observed, None, Some(&written), at(500));
    let of_other = decide(&other, &observed, None, Some(&written), at(500));
    assert_eq!(plan.commands, []);
    for plan in [&plan, &of_other] {
        let requeue = plan.requeue.unwrap();
        assert!((60..80).contains(&requeue.as_secs()), "{requeue:?}");
    }
    assert_ne!(plan.requeue, of_other.requeue);
}

#[test]
fn an_existing_topic_is_adopted_as_it_is_where_spec_names_no_numbers() {
    let mut topic = topic(json!({}));
    topic.marks = topic.marked();
    let observed = observed(Some(view(40, &[("segment.ms", "1")])));
    let first = plan(&topic, &observed);
    assert_eq!(
        first.commands[0],
        Command::Mark(topic.noting(BTreeSet::new()))
    );
    assert_eq!(events(&first), ["TopicAdopted"]);
    assert_eq!(first.commands.len(), 2);
    topic.marks.applied = Some(BTreeSet::new());
    let settled = plan(&topic, &observed);
    let status = Command::WriteStatus(Box::new(in_sync(40)));
    assert_eq!(
        settled.commands,
        [status],
        "segment.ms is not ours to touch"
    );
}

#[test]
fn a_topic_grows_and_takes_settings_in_one_look() {
    let topic = marked(
        json!({"partitions": 8, "config": {"retention.ms": "2", "segment.ms": "3"}}),
        &["retention.ms", "segment.ms", "flush.ms", "segment.bytes"],
    );
    let present = [
        ("retention.ms", "1"),
        ("segment.ms", "3"),
        ("flush.ms", "4"),
        ("by.hand", "5"),
    ];
    let plan = plan(&topic, &observed(Some(view(6, &present))));
    let name = "orders".to_owned();
    let grow = Command::Grow {
        topic: name.clone(),
        partitions: 8,
        why: None,
    };
    let configure = Command::Configure {
        topic: name,
        set: map(&[("retention.ms", "2")]),
        reset: set(&["flush.ms"]),
    };
    assert_eq!(plan.commands, [grow, configure]);
}

#[test]
fn a_setting_that_left_spec_is_forgotten_once_it_is_gone_from_kafka() {
    let topic = marked(json!({}), &["flush.ms"]);
    let forgotten = plan(&topic, &observed(Some(view(12, &[]))));
    assert_eq!(
        forgotten.commands,
        [Command::Mark(topic.noting(BTreeSet::new()))]
    );
}

#[test]
fn a_setting_that_joins_spec_is_noted_with_those_that_leave() {
    let topic = marked(json!({"config": {"retention.ms": "1"}}), &["flush.ms"]);
    let plan = plan(&topic, &observed(Some(view(12, &[("flush.ms", "1")]))));
    let noted = topic.noting(set(&["flush.ms", "retention.ms"]));
    assert_eq!(plan.commands, [Command::Mark(noted)]);
}

#[test]
fn a_shrink_is_refused_in_words_and_settings_still_follow() {
    let spec = json!({"partitions": 4, "config": {"retention.ms": "1"}});
    let topic = marked(spec, &["retention.ms"]);
    let first = plan(&topic, &observed(Some(view(6, &[]))));
    assert_eq!(events(&first), ["SettingsChanged"]);
    let settled = plan(&topic, &observed(Some(view(6, &[("retention.ms", "1")]))));
    refusal_of(&settled, "ShrinkRefused", "Set spec.partitions to 6");
}

#[test]
fn another_replication_factor_is_refused_in_words_also_of_a_few_partitions() {
    let topic = marked(json!({"replicationFactor": 2}), &[]);
    let mut view = view(6, &[]);
    let differs = plan(&topic, &observed(Some(view.clone())));
    refusal_of(&differs, "ReplicationFactorDiffers", "has 3 replicas");
    view.description.replicas_min = 2;
    let mixed = plan(&topic, &observed(Some(view)));
    refusal_of(&mixed, "ReplicationFactorDiffers", "has 2 to 3 replicas");
}

#[test]
fn of_two_resources_that_name_one_topic_the_older_wins() {
    let topic = marked(json!({}), &[]);
    let mut observed = observed(None);
    observed.rivals = vec![rival(200, false)];
    refusal_of(
        &plan(&topic, &observed),
        "NameTaken",
        "KafkaTopic other is older",
    );
    observed.rivals = vec![rival(50, false)];
    assert_eq!(events(&plan(&topic, &observed)), ["TopicCreated"]);
    // Of one second: the lower uid.
    observed.rivals = vec![rival(100, false)];
    refusal_of(&plan(&topic, &observed), "NameTaken", "orders");
}

#[test]
fn a_topic_that_was_deleted_by_hand_is_created_again_with_a_warning() {
    let topic = marked(json!({"partitions": 6}), &[]);
    let plan = decide(&topic, &observed(None), None, Some(&in_sync(6)), at(0));
    let announced = plan.commands[0].announcement().unwrap();
    assert_eq!(
        (announced.reason, announced.warning),
        ("TopicRecreated", true)
    );
    assert_eq!(plan.commands.len(), 1);
}

#[test]
fn a_topic_that_became_another_one_is_told_once() {
    let topic = marked(json!({"partitions": 6}), &[]);
    let mut former = in_sync(6);
    former.topic_id = Some(Uuid::from_u128(1).to_string());
    let observed = observed(Some(view(6, &[])));
    let plan = decide(&topic, &observed, None, Some(&former), at(0));
    assert_eq!(events(&plan), ["TopicReplaced"]);
    assert_eq!(
        plan.commands[1..],
        [Command::WriteStatus(Box::new(in_sync(6)))]
    );
}

#[test]
fn without_its_cluster_or_an_answer_nothing_is_done_but_to_say_so() {
    let topic = topic(json!({"deletionPolicy": "Delete"}));
    let mut observed = observed(None);
    observed.cluster = ClusterView::Gone;
    observed.kafka = KafkaView::NotAsked;
    refusal_of(
        &plan(&topic, &observed),
        "ClusterMissing",
        "no KafkaCluster demo",
    );
    observed.cluster = ClusterView::Present { paused: true };
    observed.kafka = KafkaView::Answered(None);
    refusal_of(&plan(&topic, &observed), "Paused", "spec.paused");
    observed.cluster = ClusterView::Present { paused: false };
    observed.kafka = KafkaView::Silent("refused".to_owned());
    let marked = marked(json!({}), &[]);
    refusal_of(
        &plan(&marked, &observed),
        "ClusterUnreachable",
        "answers: refused",
    );
}

#[test]
fn waits_grow_with_the_time_that_a_topic_is_not_ready() {
    let topic = marked(json!({}), &[]);
    let mut observed = observed(None);
    observed.kafka = KafkaView::Silent("refused".to_owned());
    let Some(Command::WriteStatus(written)) = plan(&topic, &observed).commands.pop() else {
        panic!("no status")
    };
    let waits = [0, 20, 1_000].map(|seconds| {
        let plan = decide(&topic, &observed, None, Some(&written), at(seconds));
        assert_eq!(plan.commands, [], "{seconds}");
        plan.requeue.unwrap()
    });
    let jitter = waits[0] - Duration::from_secs(1);
    assert!(jitter < Duration::from_secs(1), "{jitter:?}");
    assert_eq!(
        waits[1..],
        [10, 60].map(|seconds| Duration::from_secs(seconds) + jitter)
    );
}

#[test]
fn what_the_broker_refuses_stands_in_the_condition_in_its_own_words_and_is_told_once() {
    let topic = marked(
        json!({"config": {"retention.ms": "soon"}}),
        &["retention.ms"],
    );
    let observed = observed(Some(view(12, &[])));
    let message = "Invalid value soon for configuration retention.ms";
    let first = on_refusal(&topic, &observed, message.to_owned(), None, at(0));
    assert_eq!(events(&first), ["ActFailed"]);
    let Command::WriteStatus(status) = &first.commands[1] else {
        panic!("{:?}", first.commands)
    };
    assert_eq!(status.conditions, ready(false, "Refused", message));
    assert_eq!(status.partitions, Some(12));
    let again = on_refusal(&topic, &observed, message.to_owned(), Some(status), at(9));
    assert_eq!(again.commands, []);
}

#[test]
fn an_internal_topic_is_refused() {
    let named = resource(&json!({"topicName": "__consumer_offsets"}));
    let error = validate(&named).unwrap_err();
    assert_eq!(
        error,
        ValidateError::Internal("__consumer_offsets".to_owned())
    );
    let mut view = view(12, &[]);
    view.description.is_internal = true;
    let plan = plan(&marked(json!({}), &[]), &observed(Some(view)));
    refusal_of(&plan, "Internal", "keeps for itself");
}

#[test]
fn a_name_that_kafka_does_not_take_is_refused_and_never_holds_a_deletion() {
    let mut resource = resource(&json!({"topicName": "a b"}));
    let error = validate(&resource).unwrap_err();
    refusal_of(
        &on_invalid(&resource, &error, at(0)),
        "Invalid",
        "is no name for a topic",
    );
    resource.metadata.finalizers = Some(vec![TOPIC_FINALIZER.to_owned(), "other/one".to_owned()]);
    resource.metadata.deletion_timestamp = Some(Time(at(0)));
    let marks = only_marks(on_invalid(&resource, &error, at(0)));
    assert_eq!(marks.finalizers, ["other/one"]);
}

#[test]
fn marks_are_read_back_as_they_were_written() {
    let mut resource = resource(&json!({}));
    let annotation = ("kintsugi.dev/applied-settings".to_owned(), "a,b".to_owned());
    resource.metadata.annotations = Some([annotation].into());
    assert_eq!(
        validate(&resource).unwrap().marks.applied,
        Some(set(&["a", "b"]))
    );
    let annotation = ("kintsugi.dev/applied-settings".to_owned(), String::new());
    resource.metadata.annotations = Some([annotation].into());
    assert_eq!(
        validate(&resource).unwrap().marks.applied,
        Some(BTreeSet::new())
    );
}
