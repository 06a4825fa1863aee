use std::collections::BTreeMap;

use kintsugi_metadata::MetadataRecord;
use kintsugi_metadata::configs::{ConfigAlteration, ConfigChange, ConfigResource};
use kintsugi_types::{BrokerId, ErrorCode, LeaderEpoch, Offset, PartitionIndex};

use super::harness::{Harness, create, deltas, ms};
use crate::message::admin::{AdminResult, ElectionKind, MorePartitions, NamedPartition};
use crate::message::controller::{Command, DialOutcome, Event, LinkId};
use crate::message::link::{AdminAnswer, AdminRequest, LogEnd, ToBroker, ToController};

fn ask(harness: &mut Harness, request: AdminRequest) -> (Vec<Command>, AdminAnswer) {
    let request_id = 7;
    let admin = ToController::Admin {
        request_id,
        request,
    };
    let out = harness.hear(2, admin);
    let answers: Vec<AdminAnswer> = out
        .iter()
        .filter_map(|command| match command {
            Command::ToBroker {
                message: ToBroker::AdminAnswer { answer, .. },
                ..
            } => Some(answer.clone()),
            _ => None,
        })
        .collect();
    let [answer] = answers.as_slice() else {
        panic!("{out:?}");
    };
    (out, answer.clone())
}

fn set(resource: ConfigResource, name: &str, value: &str) -> ConfigAlteration {
    let change = ConfigChange::Set(value.to_owned());
    ConfigAlteration {
        resource,
        changes: BTreeMap::from([(name.to_owned(), change)]),
        replaces_all: false,
    }
}

fn alter(alterations: Vec<ConfigAlteration>, validate_only: bool) -> AdminRequest {
    AdminRequest::AlterConfigs {
        alterations,
        validate_only,
    }
}

fn with_topic(partitions: i32) -> Harness {
    let mut harness = Harness::with_brokers(3);
    let request = create("t", partitions, 3);
    harness.give(Event::Admin { token: 1, request });
    harness.all_apply();
    harness
}

#[test]
fn settings_are_changed_one_resource_at_a_time_and_told_to_brokers_before_the_answer() {
    let mut harness = with_topic(1);
    let topic = || ConfigResource::Topic("t".parse().unwrap());
    let alterations = vec![
        set(topic(), "retention.ms", "5"),
        set(ConfigResource::AllBrokers, "log.dirs", "/"),
        set(topic(), "retention.ms", "6"),
        set(ConfigResource::Broker(BrokerId(0)), "log.roll.ms", "7"),
        set(ConfigResource::Broker(BrokerId(1)), "log.roll.ms", "7"),
    ];
    let (out, answer) = ask(&mut harness, alter(alterations, false));
    let AdminAnswer::Results(results) = answer else {
        panic!("{answer:?}");
    };
    let errors: Vec<ErrorCode> = results.iter().map(|result| result.error).collect();
    let twice = ErrorCode::InvalidRequest;
    let [none, invalid] = [ErrorCode::None, ErrorCode::InvalidConfig];
    assert_eq!(errors, [twice, invalid, twice, none, none]);
    let changed = deltas(&out);
    let (_, records) = changed.iter().find(|(link, _)| *link == 2).unwrap();
    assert!(matches!(
        records.as_slice(),
        [
            MetadataRecord::BrokerConfigChanged { .. },
            MetadataRecord::BrokerConfigChanged { .. }
        ]
    ));
}

#[test]
fn committed_offsets_cannot_be_made_to_expire() {
    let mut harness = Harness::with_brokers(3);
    let request = create("__consumer_offsets", 1, 3);
    harness.give(Event::Admin { token: 1, request });
    harness.all_apply();
    let offsets = || ConfigResource::Topic("__consumer_offsets".parse().unwrap());
    let mut replacing = set(offsets(), "segment.ms", "5");
    replacing.replaces_all = true;
    for (alteration, error) in [
        (
            set(offsets(), "retention.ms", "5"),
            ErrorCode::InvalidConfig,
        ),
        (replacing, ErrorCode::InvalidConfig),
        (set(offsets(), "segment.ms", "5"), ErrorCode::None),
    ] {
        let (_, answer) = ask(&mut harness, alter(vec![alteration], false));
        let AdminAnswer::Results(results) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(results[0].error, error, "{results:?}");
    }
}

#[test]
fn a_request_that_only_checks_changes_nothing() {
    let mut harness = with_topic(1);
    let before = harness.controller.image().clone();
    let alteration = set(ConfigResource::AllBrokers, "log.roll.ms", "7");
    let (_, answer) = ask(&mut harness, alter(vec![alteration], true));
    assert_eq!(answer, AdminAnswer::Results(vec![AdminResult::DONE]));
    let more = |name: &str| MorePartitions {
        name: name.parse().unwrap(),
        count: 3,
        assignments: None,
    };
    let request = AdminRequest::CreatePartitions {
        topics: vec![more("t"), more("__consumer_offsets"), more("unknown")],
        validate_only: true,
    };
    let (_, answer) = ask(&mut harness, request);
    let AdminAnswer::Results(results) = answer else {
        panic!("{answer:?}");
    };
    let errors: Vec<ErrorCode> = results.iter().map(|result| result.error).collect();
    let unknown = ErrorCode::UnknownTopicOrPartition;
    assert_eq!(errors, [ErrorCode::None, ErrorCode::InvalidTopic, unknown]);
    assert_eq!(*harness.controller.image(), before);
}

#[test]
fn the_quorum_is_described_without_a_decision() {
    let mut harness = with_topic(1);
    let (out, answer) = ask(&mut harness, AdminRequest::DescribeQuorum);
    assert_eq!(out.len(), 1, "{out:?}");
    let AdminAnswer::Quorum(view) = answer else {
        panic!("{answer:?}");
    };
    let offset = harness.controller.image().offset.0;
    assert_eq!(
        view.high_watermark,
        Offset(i64::try_from(offset).unwrap() + 1)
    );
    assert_eq!(view.voters.len(), 1);
    assert_eq!(
        (view.voters[0].id, view.voters[0].log_end),
        (view.leader.0, view.high_watermark)
    );
    let observers: Vec<i32> = view.observers.iter().map(|observer| observer.id).collect();
    assert_eq!(observers, [0, 1, 2]);
}

#[test]
fn preferred_leaders_are_elected_only_where_that_changes_something() {
    let mut harness = with_topic(3);
    let elect = |partitions| AdminRequest::ElectLeaders {
        kind: ElectionKind::Preferred,
        partitions,
    };
    let (_, answer) = ask(&mut harness, elect(None));
    assert_eq!(answer, AdminAnswer::Elected(Vec::new()));
    let named = |index| NamedPartition {
        topic: "t".parse().unwrap(),
        index: PartitionIndex(index),
    };
    let (_, answer) = ask(&mut harness, elect(Some(vec![named(0), named(9)])));
    let AdminAnswer::Elected(results) = answer else {
        panic!("{answer:?}");
    };
    let errors: Vec<ErrorCode> = results.iter().map(|(_, result)| result.error).collect();
    let unknown = ErrorCode::UnknownTopicOrPartition;
    assert_eq!(errors, [ErrorCode::ElectionNotNeeded, unknown]);
}

/// Kills a broker: its link closes, and its control port refuses twice.
fn kill(harness: &mut Harness, broker: BrokerId, at_ms: u64) {
    let link = LinkId(u64::try_from(broker.0).unwrap());
    let mut out = harness.at(ms(at_ms), Event::LinkClosed { link });
    for at_ms in [at_ms + 1, at_ms + 12] {
        let dials = out.iter().filter_map(|command| match command {
            Command::Dial { dial, .. } => Some(*dial),
            _ => None,
        });
        let dial = dials.last().unwrap();
        let outcome = DialOutcome::Refused;
        harness.at(ms(at_ms), Event::Dialled { dial, outcome });
        out = harness.at(ms(at_ms + 10), Event::Wake);
    }
    assert!(!harness.controller.image().is_unfenced(broker));
}

/// A partition whose replicas are all fenced, its first leader before the others; that one lives
/// again.
fn without_leader() -> (Harness, BrokerId) {
    let mut harness = with_topic(1);
    let replicas = harness.states()[0].replicas.clone();
    let first = replicas[0];
    kill(&mut harness, first, 100);
    // The others fall silent, and their sessions end.
    for at_ms in (200..10_000).step_by(100) {
        harness.at(ms(at_ms), Event::Wake);
    }
    assert_eq!(harness.states()[0].leader, None);
    harness.register(20, first.0, 2);
    harness.heartbeat(20, first.0);
    assert!(harness.controller.image().is_unfenced(first));
    assert_eq!(
        harness.states()[0].leader,
        None,
        "an eligible one is waited for"
    );
    (harness, first)
}

fn tell_log_end(harness: &mut Harness, broker: BrokerId) {
    let (partition, state) = harness.controller.image().partitions().next().unwrap();
    let end = LogEnd {
        partition,
        leader_epoch: state.leader_epoch,
        last_epoch: LeaderEpoch(0),
        log_end: Offset(3),
    };
    let message = ToController::LogEnds {
        broker_epoch: harness.epoch(broker.0),
        ends: vec![end],
    };
    harness.hear(20, message);
}

#[test]
fn an_unclean_election_that_is_asked_for_goes_by_what_live_replicas_hold() {
    let (mut harness, first) = without_leader();
    tell_log_end(&mut harness, first);
    assert_eq!(harness.states()[0].leader, None, "nobody asked for it");
    let request = AdminRequest::ElectLeaders {
        kind: ElectionKind::Unclean,
        partitions: None,
    };
    let request_id = 7;
    let admin = ToController::Admin {
        request_id,
        request,
    };
    let out = harness.hear(20, admin);
    let is_question = |command: &Command| {
        let message = ToBroker::AskLogEnds {
            partitions: vec![(
                harness.controller.image().partitions().next().unwrap().0,
                harness.states()[0].leader_epoch,
            )],
        };
        matches!(command, Command::ToBroker { message: found, .. } if *found == message)
    };
    assert!(out.iter().any(is_question), "{out:?}");
    tell_log_end(&mut harness, first);
    let state = &harness.states()[0];
    assert_eq!((state.leader, &state.isr), (Some(first), &vec![first]));
}

#[test]
fn a_topic_that_allows_it_gets_a_leader_that_may_lack_records_without_being_asked() {
    let (mut harness, first) = without_leader();
    let topic = ConfigResource::Topic("t".parse().unwrap());
    let request = alter(
        vec![set(topic, "unclean.leader.election.enable", "true")],
        false,
    );
    harness.give(Event::Admin { token: 3, request });
    let now = harness.now.as_millis();
    harness.at(ms(now + 1_001), Event::Wake);
    tell_log_end(&mut harness, first);
    assert_eq!(harness.states()[0].leader, Some(first));
}
