use std::sync::Arc;

use kintsugi_metadata::{MetadataRecord, RecoveryState};
use kintsugi_types::{
    BootId, BrokerEpoch, BrokerId, LeaderEpoch, MetadataOffset, Offset, PartitionId,
};
use uuid::Uuid;

use super::harness::{Harness, create, incarnation, ms, registration, to};
use crate::message::controller::{Command, Event, LinkId};
use crate::message::link::{LOG_ENDS_MAX, LogEnd, ToBroker, ToController};

/// Three brokers on links 10, 11, 12, back after a loss of power each: nobody is in ISR or ELR of
/// their only partition. Those of `unfenced` serve again.
fn uncertain(unfenced: &[i32]) -> (Harness, PartitionId) {
    let mut harness = Harness::with_brokers(3);
    let request = create("t", 1, 3);
    harness.give(Event::Admin { token: 1, request });
    harness.all_apply();
    for broker in 0..3 {
        let link = link_of(broker);
        harness.open(link, incarnation(broker, 2));
        let mut registration = registration(broker, 2);
        registration.boot = BootId(Uuid::from_u128(99));
        let registration = Box::new(registration);
        let applied = MetadataOffset(0);
        let register = ToController::Register {
            registration,
            applied,
        };
        harness.hear(link, register);
    }
    harness.now = ms(900);
    for broker in unfenced {
        harness.heartbeat(link_of(*broker), *broker);
    }
    let (partition, state) = harness.controller.image().partitions().next().unwrap();
    assert_eq!((&state.isr, &state.elr), (&vec![], &vec![]));
    assert_eq!(state.leader, None);
    (harness, partition)
}

fn link_of(broker: i32) -> u64 {
    u64::try_from(broker).unwrap() + 10
}

fn only_questions(commands: Vec<Command>) -> Vec<Command> {
    let is_question = |command: &Command| {
        matches!(
            command,
            Command::ToBroker {
                message: ToBroker::AskLogEnds { .. },
                ..
            }
        )
    };
    commands.into_iter().filter(is_question).collect()
}

fn answer(harness: &Harness, partition: PartitionId, epoch: BrokerEpoch, end: i64) -> ToController {
    ToController::LogEnds {
        broker_epoch: epoch,
        ends: vec![LogEnd {
            partition,
            leader_epoch: harness.states()[0].leader_epoch,
            last_epoch: LeaderEpoch(0),
            log_end: Offset(end),
        }],
    }
}

fn tell(harness: &mut Harness, broker: i32, partition: PartitionId, end: i64) -> Vec<Command> {
    let message = answer(harness, partition, harness.epoch(broker), end);
    harness.hear(link_of(broker), message)
}

#[test]
fn when_every_replica_lives_and_has_told_its_log_end_the_furthest_one_leads_at_once() {
    let (mut harness, partition) = uncertain(&[0, 1, 2]);
    let before = harness.states()[0].clone();
    let asked = only_questions(harness.at(ms(1_001), Event::Wake));
    let partitions = vec![(partition, before.leader_epoch)];
    let question = |link| {
        let partitions = partitions.clone();
        to(link, ToBroker::AskLogEnds { partitions })
    };
    assert_eq!(asked, [question(10), question(11), question(12)]);
    harness.now = ms(1_010);
    assert_eq!(tell(&mut harness, 0, partition, 5), []);
    assert_eq!(tell(&mut harness, 1, partition, 9), []);
    let out = tell(&mut harness, 2, partition, 7);
    let mut after = before.clone();
    after.leader = Some(BrokerId(1));
    after.isr = vec![BrokerId(1)];
    after.last_known_leader = None;
    after.leader_epoch = before.leader_epoch.next();
    after.partition_epoch = before.partition_epoch.next();
    after.recovery = RecoveryState::Recovering;
    let record = MetadataRecord::Partition {
        partition,
        state: Arc::new(after),
    };
    let entries = vec![(harness.controller.image().offset, vec![record])];
    assert_eq!(out.last(), Some(&to(11, ToBroker::Delta { entries })));
    assert_eq!(harness.controller.partition_counts().recovering, 1);
}

#[test]
fn an_answer_under_an_older_broker_epoch_does_not_count_and_is_asked_for_again() {
    let (mut harness, partition) = uncertain(&[0, 1, 2]);
    harness.at(ms(1_001), Event::Wake);
    for broker in [0, 1] {
        tell(&mut harness, broker, partition, 5);
    }
    let message = answer(&harness, partition, BrokerEpoch(3), 9);
    harness.hear(link_of(2), message);
    assert_eq!(harness.states()[0].leader, None);
    let asked = only_questions(harness.at(ms(1_260), Event::Wake));
    let partitions = vec![(partition, harness.states()[0].leader_epoch)];
    assert_eq!(asked, [to(12, ToBroker::AskLogEnds { partitions })]);
    tell(&mut harness, 2, partition, 4);
    let last_known = harness.states()[0].leader;
    assert_ne!(last_known, Some(BrokerId(2)));
    assert!(last_known.is_some());
}

#[test]
fn a_fenced_replica_is_waited_for_only_for_a_time() {
    let (mut harness, partition) = uncertain(&[0, 1]);
    harness.at(ms(1_001), Event::Wake);
    for (broker, end) in [(0, 5), (1, 9)] {
        tell(&mut harness, broker, partition, end);
    }
    // Both beat on, so that neither is fenced; the wait began with the first scan.
    for at_ms in (1_200..=62_000).step_by(200) {
        assert_eq!(harness.states()[0].leader, None, "at {at_ms} ms");
        harness.now = ms(at_ms);
        for broker in [0, 1] {
            harness.heartbeat(link_of(broker), broker);
        }
        if harness.states()[0].leader.is_some() {
            assert!(at_ms > 61_000, "at {at_ms} ms");
            break;
        }
    }
    assert_eq!(harness.states()[0].leader, Some(BrokerId(1)));
}

#[test]
fn a_link_that_tells_of_more_log_ends_than_were_asked_for_is_closed() {
    let (mut harness, partition) = uncertain(&[0, 1, 2]);
    let end = LogEnd {
        partition,
        leader_epoch: LeaderEpoch(0),
        last_epoch: LeaderEpoch(0),
        log_end: Offset(0),
    };
    let message = ToController::LogEnds {
        broker_epoch: harness.epoch(0),
        ends: vec![end; LOG_ENDS_MAX + 1],
    };
    let link = LinkId(10);
    let out = harness.hear(10, message);
    assert_eq!(out.first(), Some(&Command::CloseLink { link }));
}

#[test]
fn nobody_is_asked_while_every_partition_has_somebody_who_holds_everything() {
    let mut harness = Harness::with_brokers(3);
    let request = create("t", 1, 3);
    harness.give(Event::Admin { token: 1, request });
    harness.all_apply();
    for at_ms in [1_001, 1_300, 2_001] {
        assert_eq!(
            only_questions(harness.at(ms(at_ms), Event::Wake)),
            [],
            "at {at_ms} ms"
        );
    }
}
