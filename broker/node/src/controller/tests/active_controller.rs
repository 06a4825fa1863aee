use std::collections::{BTreeMap, BTreeSet};

use kintsugi_metadata::MetadataRecord;
use kintsugi_quorum as quorum;
use kintsugi_types::{
    BrokerEpoch, BrokerId, ErrorCode, Generation, LeaderEpoch, MetadataOffset, PartitionEpoch,
};

use super::harness::{Harness, cluster, config, deltas, endpoint, incarnation, ms, registration};
use crate::controller::Controller;
use crate::message::controller::{Command, DialId, DialOutcome, Event, LinkId};
use crate::message::link::{
    AdminAnswer, AdminRequest, AlterPartitionRequest, GenerationRefused, Heartbeat, IsrChange,
    NewTopic, ToBroker, ToController,
};

fn to(link: u64, message: ToBroker) -> Command {
    let link = LinkId(link);
    Command::ToBroker { link, message }
}

fn create(name: &str, partitions: i32, replication_factor: i16) -> AdminRequest {
    let topic = NewTopic {
        name: name.parse().unwrap(),
        partitions: Some(partitions),
        replication_factor: Some(replication_factor),
        assignments: BTreeMap::new(),
        configs: BTreeMap::new(),
    };
    AdminRequest::CreateTopics {
        topics: vec![topic],
        validate_only: false,
    }
}

/// Kills a broker: its link closes, and its control port refuses twice.
fn kill(harness: &mut Harness, broker: i32, at_ms: u64) -> Vec<Vec<Command>> {
    let link = LinkId(u64::try_from(broker).unwrap());
    let closed = harness.at(ms(at_ms), Event::LinkClosed { link });
    let refused = |dial| Event::Dialled {
        dial: DialId(dial),
        outcome: DialOutcome::Refused,
    };
    let first = harness.at(ms(at_ms + 1), refused(1));
    let second = harness.at(ms(at_ms + 11), Event::Wake);
    let dead = harness.at(ms(at_ms + 12), refused(2));
    vec![closed, first, second, dead]
}

#[test]
fn a_single_voter_forms_the_cluster_once() {
    let harness = Harness::active();
    assert!(harness.controller.is_active());
    let image = harness.controller.image();
    assert_eq!(image.cluster, Some(cluster()));
    // The first entry is the leader's no-op.
    assert_eq!(image.offset, MetadataOffset(2));
}

#[test]
fn a_controller_that_does_not_lead_sends_brokers_away() {
    let mut config = config();
    let other = kintsugi_types::ControllerId(1_001);
    config.quorum.voters.insert(other, None);
    let recovered = quorum::Recovered::fresh(true);
    let mut follower = Controller::open(config, recovered, ms(1), 7).unwrap();
    let mut out = Vec::new();
    let opened = Event::LinkOpened {
        link: LinkId(5),
        incarnation: incarnation(0, 1),
        cluster: cluster(),
    };
    follower.handle(ms(2), opened, &mut out);
    let link = LinkId(5);
    let expected = [
        to(5, ToBroker::NotActive { leader: None }),
        Command::CloseLink { link },
    ];
    assert_eq!(out, expected);
}

#[test]
fn a_broker_of_another_cluster_is_refused_for_good() {
    let mut harness = Harness::active();
    let out = harness.give(Event::LinkOpened {
        link: LinkId(5),
        incarnation: incarnation(0, 1),
        cluster: "other".parse().unwrap(),
    });
    let [
        Command::ToBroker {
            message: ToBroker::Refused { fatal: true, .. },
            ..
        },
        Command::CloseLink { .. },
    ] = out.as_slice()
    else {
        panic!("{out:?}");
    };
}

#[test]
fn a_registration_is_answered_when_committed_and_then_brought_up_to_date() {
    let mut harness = Harness::active();
    let out = harness.register(0, 0, 1);
    let broker_epoch = BrokerEpoch(3);
    let formed = MetadataRecord::ClusterFormed { cluster: cluster() };
    let registered = MetadataRecord::BrokerRegistered {
        registration: registration(0, 1).into(),
    };
    let entries = vec![
        (MetadataOffset(1), vec![]),
        (MetadataOffset(2), vec![formed]),
        (MetadataOffset(3), vec![registered]),
    ];
    let expected = [
        to(0, ToBroker::Registered { broker_epoch }),
        to(0, ToBroker::Delta { entries }),
    ];
    assert_eq!(out, expected);
    assert!(harness.controller.brokers()[0].fenced);
}

#[test]
fn a_broker_is_unfenced_by_the_heartbeat_that_shows_that_it_knows_its_registration() {
    let mut harness = Harness::active();
    harness.register(0, 0, 1);
    let heartbeat = |applied| {
        ToController::Heartbeat(Heartbeat {
            sequence: 9,
            broker_epoch: BrokerEpoch(3),
            applied: MetadataOffset(applied),
            shards_are_live: true,
            wants_to_stop: false,
            refused_by: BTreeSet::new(),
        })
    };
    let answer = ToBroker::HeartbeatAnswer {
        sequence: 9,
        fenced: true,
        may_stop: false,
    };
    assert_eq!(harness.hear(0, heartbeat(2)), [to(0, answer.clone())]);
    let unfenced = MetadataRecord::BrokerUnfenced {
        broker: BrokerId(0),
        epoch: BrokerEpoch(3),
    };
    let entries = vec![(MetadataOffset(4), vec![unfenced])];
    let expected = [to(0, answer), to(0, ToBroker::Delta { entries })];
    assert_eq!(harness.hear(0, heartbeat(3)), expected);
}

#[test]
fn the_same_incarnation_on_a_new_link_keeps_its_epoch_and_the_old_link_is_closed() {
    let mut harness = Harness::with_brokers(1);
    harness.open(7, incarnation(0, 1));
    let applied = harness.controller.image().offset;
    let registration = Box::new(registration(0, 1));
    let out = harness.hear(
        7,
        ToController::Register {
            registration,
            applied,
        },
    );
    let broker_epoch = BrokerEpoch(3);
    let expected = [
        Command::CloseLink { link: LinkId(0) },
        to(7, ToBroker::Registered { broker_epoch }),
    ];
    assert_eq!(out, expected);
    // The closing of the old link says nothing about the broker.
    assert_eq!(harness.give(Event::LinkClosed { link: LinkId(0) }), []);
}

#[test]
fn a_stale_incarnation_gets_a_fatal_answer_and_a_higher_one_replaces_at_once() {
    let mut harness = Harness::with_brokers(1);
    harness.register(1, 0, 2);
    assert_eq!(harness.epoch(0), BrokerEpoch(5));
    let out = harness.register(2, 0, 1);
    let [
        Command::ToBroker {
            link: LinkId(2),
            message: ToBroker::Refused { fatal: true, .. },
        },
        Command::CloseLink { link: LinkId(2) },
    ] = out.as_slice()
    else {
        panic!("{out:?}");
    };
    assert_eq!(harness.epoch(0), BrokerEpoch(5));
}

#[test]
fn a_killed_broker_is_fenced_in_one_append_and_the_new_leaders_hear_it_first() {
    let mut harness = Harness::with_brokers(3);
    let token = 1;
    let request = create("t", 3, 3);
    harness.give(Event::Admin { token, request });
    harness.all_apply();
    let before = harness.controller.image().offset;
    let steps = kill(&mut harness, 0, 100);
    let suspects = |brokers: &[i32]| ToBroker::Suspects {
        suspects: brokers.iter().map(|b| incarnation(*b, 1)).collect(),
    };
    let dial = |dial| Command::Dial {
        dial: DialId(dial),
        endpoint: endpoint(9_000),
    };
    let told = |message: &ToBroker| [to(1, message.clone()), to(2, message.clone())];
    let [first, second] = told(&suspects(&[0]));
    assert_eq!(steps[0], [dial(1), first, second]);
    assert_eq!(steps[1], []);
    assert_eq!(steps[2], [dial(2)]);
    assert_eq!(harness.controller.image().offset, before.next());
    // One partition is led by each; one of the others takes over what broker 0 led.
    let sent = deltas(&steps[3]);
    assert_eq!(sent.len(), 1, "{sent:?}");
    let (new_leader, records) = &sent[0];
    assert!(matches!(records[0], MetadataRecord::BrokerFenced { .. }));
    let MetadataRecord::Partition { state, .. } = &records[1] else {
        panic!("{records:?}");
    };
    assert_eq!(
        state.leader,
        Some(BrokerId(i32::try_from(*new_leader).unwrap()))
    );
    assert_eq!(state.leader_epoch, LeaderEpoch(1));
    assert_eq!(records.len(), 4);
    assert!(harness.states().iter().all(|s| s.isr.len() == 2));
    // The others get it when the new leader has applied it.
    let offset = before.next();
    let out = harness.hear(*new_leader, ToController::Applied { offset });
    let other = 3 - *new_leader;
    assert_eq!(deltas(&out), [(other, records.clone())]);
}

#[test]
fn the_others_get_a_change_after_50_ms_even_if_its_new_leader_is_silent() {
    let mut harness = Harness::with_brokers(3);
    let request = create("t", 3, 3);
    harness.give(Event::Admin { token: 1, request });
    harness.all_apply();
    let steps = kill(&mut harness, 0, 100);
    let first = deltas(&steps[3]);
    assert_eq!(first.len(), 1);
    assert_eq!(deltas(&harness.at(ms(161), Event::Wake)), []);
    let later = deltas(&harness.at(ms(162), Event::Wake));
    assert_eq!(later, [(3 - first[0].0, first[0].1.clone())]);
}

#[test]
fn topics_are_created_once_and_the_answer_comes_when_committed() {
    let mut harness = Harness::with_brokers(3);
    let request = create("t", 120, 3);
    let request_id = 4;
    let admin = ToController::Admin {
        request_id,
        request: request.clone(),
    };
    let out = harness.hear(2, admin);
    let Some(Command::ToBroker {
        link: LinkId(2),
        message:
            ToBroker::AdminAnswer {
                request_id: 4,
                answer: AdminAnswer::Topics(results),
            },
    }) = out.last()
    else {
        panic!("{out:?}");
    };
    assert_eq!(results[0].error, ErrorCode::None);
    assert_eq!(results[0].partitions, 120);
    let counts = harness.controller.partition_counts();
    assert_eq!((counts.total, counts.leaderless), (120, 0));
    assert_eq!((counts.under_replicated, counts.under_min_isr), (0, 0));
    let out = harness.give(Event::Admin { token: 5, request });
    let [
        Command::Answer {
            token: 5,
            answer: AdminAnswer::Topics(results),
        },
    ] = out.as_slice()
    else {
        panic!("{out:?}");
    };
    assert_eq!(results[0].error, ErrorCode::TopicAlreadyExists);
}

#[test]
fn an_isr_change_is_answered_after_its_delta_and_a_duplicate_is_refused() {
    let mut harness = Harness::with_brokers(3);
    let request = create("t", 1, 3);
    harness.give(Event::Admin { token: 1, request });
    harness.all_apply();
    let (partition, state) = {
        let (partition, state) = harness.controller.image().partitions().next().unwrap();
        (partition, state.clone())
    };
    let leader = state.leader.unwrap();
    let isr: BTreeMap<_, _> = state.replicas[..2]
        .iter()
        .map(|broker| (*broker, harness.epoch(broker.0)))
        .collect();
    let change = IsrChange {
        partition,
        leader_epoch: LeaderEpoch(0),
        partition_epoch: PartitionEpoch(0),
        isr,
    };
    let request = AlterPartitionRequest {
        request_id: 8,
        broker_epoch: harness.epoch(leader.0),
        changes: vec![change],
    };
    let link = u64::try_from(leader.0).unwrap();
    let answer = |error| {
        let message = ToBroker::AlterPartitionAnswer {
            request_id: 8,
            error: ErrorCode::None,
            results: vec![(partition, error)],
        };
        to(link, message)
    };
    let alter = ToController::AlterPartition(request.clone());
    let out = harness.hear(link, alter);
    assert_eq!(deltas(&out).len(), 3);
    assert_eq!(out.last(), Some(&answer(ErrorCode::None)));
    let duplicate = ToController::AlterPartition(request.clone());
    let out = harness.hear(link, duplicate);
    assert_eq!(out, [answer(ErrorCode::InvalidUpdateVersion)]);
    let stale = AlterPartitionRequest {
        broker_epoch: BrokerEpoch(1),
        ..request
    };
    let out = harness.hear(link, ToController::AlterPartition(stale));
    let message = ToBroker::AlterPartitionAnswer {
        request_id: 8,
        error: ErrorCode::StaleBrokerEpoch,
        results: vec![],
    };
    assert_eq!(out, [to(link, message)]);
}

#[test]
fn a_broker_that_wants_to_stop_hands_over_and_may_then_stop() {
    let mut harness = Harness::with_brokers(3);
    let request = create("t", 3, 3);
    harness.give(Event::Admin { token: 1, request });
    harness.all_apply();
    let wants_to_stop = |harness: &Harness| {
        ToController::Heartbeat(Heartbeat {
            sequence: 1,
            broker_epoch: harness.epoch(0),
            applied: harness.controller.image().offset,
            shards_are_live: true,
            wants_to_stop: true,
            refused_by: BTreeSet::new(),
        })
    };
    let answer = |may_stop| ToBroker::HeartbeatAnswer {
        sequence: 1,
        fenced: false,
        may_stop,
    };
    let message = wants_to_stop(&harness);
    let out = harness.hear(0, message);
    assert_eq!(out[0], to(0, answer(false)));
    let moved = harness.states();
    assert!(moved.iter().all(|s| s.leader != Some(BrokerId(0))));
    assert!(moved.iter().all(|s| !s.isr.contains(&BrokerId(0))));
    let message = wants_to_stop(&harness);
    let out = harness.hear(0, message);
    assert_eq!(out, [to(0, answer(true))]);
}

#[test]
fn a_generation_is_granted_only_when_the_broker_is_dead_and_holds_no_last_copy() {
    let mut harness = Harness::with_brokers(3);
    let request = create("t", 3, 1);
    harness.give(Event::Admin { token: 1, request });
    let grant = |harness: &mut Harness, broker, generation| {
        let request = AdminRequest::GrantGeneration {
            broker: BrokerId(broker),
            generation: Generation(generation),
        };
        let out = harness.give(Event::Admin { token: 2, request });
        match out.last() {
            Some(Command::Answer {
                answer: AdminAnswer::Generation(result),
                ..
            }) => result.clone(),
            other => panic!("{other:?}"),
        }
    };
    let live = GenerationRefused::BrokerIsLive(BrokerId(0));
    assert_eq!(grant(&mut harness, 0, 2), Err(live));
    kill(&mut harness, 0, 100);
    let refused = grant(&mut harness, 0, 2);
    assert!(
        matches!(
            refused,
            Err(GenerationRefused::LastCopy { partitions: 1, .. })
        ),
        "{refused:?}"
    );
    let delete = AdminRequest::DeleteTopics {
        topics: vec!["t".parse().unwrap()],
    };
    harness.give(Event::Admin {
        token: 3,
        request: delete,
    });
    assert_eq!(grant(&mut harness, 0, 2), Ok(Generation(2)));
    assert_eq!(grant(&mut harness, 0, 2), Ok(Generation(2)));
    let wrong = GenerationRefused::WrongGeneration(Generation(2));
    assert_eq!(grant(&mut harness, 0, 4), Err(wrong));
}

#[test]
fn a_broker_far_behind_gets_a_snapshot_and_then_deltas() {
    let mut harness = Harness::with_brokers(2);
    harness.controller.config.limits.tail_entries_max = 2;
    for number in 0..4 {
        let request = create(&format!("t{number}"), 1, 1);
        harness.give(Event::Admin { token: 1, request });
    }
    harness.all_apply();
    let out = harness.register(9, 2, 1);
    let snapshots = out.iter().filter(|command| {
        matches!(
            command,
            Command::ToBroker {
                message: ToBroker::Snapshot { .. },
                ..
            }
        )
    });
    assert_eq!(snapshots.count(), 1);
    assert_eq!(
        &harness.images[&LinkId(9)],
        harness.controller.image().as_ref()
    );
    harness.heartbeat(9, 2);
    assert_eq!(
        &harness.images[&LinkId(9)],
        harness.controller.image().as_ref()
    );
}
