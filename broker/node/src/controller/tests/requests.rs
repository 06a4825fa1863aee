use std::collections::{BTreeMap, BTreeSet};

use kintsugi_types::{
    BrokerEpoch, BrokerId, ErrorCode, Generation, LeaderEpoch, PartitionEpoch, ProducerId,
};

use super::harness::{Harness, create, deltas, kill, ms, to};
use crate::message::controller::{Command, Event, LinkId};
use crate::message::link::{
    AdminAnswer, AdminRequest, AlterPartitionRequest, GenerationRefused, Heartbeat, IsrChange,
    ProducerIdBlock, ToBroker, ToController,
};

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

#[test]
fn admin_requests_beyond_the_limit_are_told_to_come_back_and_the_link_stays() {
    let mut harness = Harness::with_brokers(1);
    harness.controller.config.limits.requests_a_link_max = 2;
    let mut out = Vec::new();
    // Nothing is answered while the first proposal waits for the disk.
    for request_id in 0..5 {
        let request = create(&format!("t{request_id}"), 1, 1);
        let message = ToController::Admin {
            request_id,
            request,
        };
        let link = LinkId(0);
        let event = Event::FromBroker { link, message };
        harness.controller.handle(ms(2), event, &mut out);
    }
    let throttled = |request_id| {
        let answer = AdminAnswer::NotDecided(ErrorCode::ThrottlingQuotaExceeded);
        to(0, ToBroker::AdminAnswer { request_id, answer })
    };
    out.retain(|command| !matches!(command, Command::Persist(_)));
    assert_eq!(out, [throttled(3), throttled(4)]);
}

#[test]
fn each_block_of_producer_ids_is_given_once() {
    let mut harness = Harness::with_brokers(2);
    let mut first = 0;
    for link in [0, 1, 0] {
        let request_id = 0;
        let request = AdminRequest::AllocateProducerIds;
        let message = ToController::Admin {
            request_id,
            request,
        };
        let out = harness.hear(link, message);
        let block = ProducerIdBlock {
            first: ProducerId(first),
            count: 1_000,
        };
        let answer = AdminAnswer::ProducerIds(block);
        let answer = to(link, ToBroker::AdminAnswer { request_id, answer });
        assert_eq!(out.last(), Some(&answer), "{out:?}");
        first += 1_000;
        assert_eq!(harness.controller.image().next_producer_id.0, first);
    }
}
