//! Command lists of a broker's control.

mod life_signs;
mod listed;
mod log_ends;
mod producer_ids;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kintsugi_metadata::{BrokerRegistration, MetadataRecord, PartitionState, RecoveryState};
use kintsugi_types::{
    BootId, ControllerId, Endpoint, ErrorCode, Generation, Incarnation, LeaderEpoch,
    PartitionEpoch, PartitionId, PartitionIndex, StartCounter, TopicId, TopicName,
};
use uuid::Uuid;

use super::*;
use crate::message::controller::DialOutcome;
use crate::message::link::{AdminAnswer, AdminRequest, Heartbeat, IsrChange};

const TOPIC: TopicId = TopicId(Uuid::from_u128(1));

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

fn endpoint(port: u16) -> Endpoint {
    Endpoint {
        host: "127.0.0.1".to_owned(),
        port,
    }
}

fn incarnation(id: i32) -> Incarnation {
    Incarnation {
        broker: BrokerId(id),
        generation: Generation(1),
        start: StartCounter(1),
    }
}

fn registration(id: i32) -> BrokerRegistration {
    BrokerRegistration {
        incarnation: incarnation(id),
        directories: Vec::new(),
        boot: BootId(Uuid::nil()),
        rack: None,
        client_endpoint: endpoint(9092),
        replication_endpoint: endpoint(9091),
        control_endpoint: endpoint(9094),
        shards: 1,
        clean_stop_epoch: None,
        recovered_to_checkpoint: true,
    }
}

fn registered(id: i32) -> MetadataRecord {
    MetadataRecord::BrokerRegistered {
        registration: Arc::new(registration(id)),
    }
}

fn partition(index: i32) -> PartitionId {
    PartitionId {
        topic: TOPIC,
        index: PartitionIndex(index),
    }
}

fn led_by(index: i32, leader: i32, epoch: i32) -> MetadataRecord {
    MetadataRecord::Partition {
        partition: partition(index),
        state: Arc::new(PartitionState {
            replicas: vec![BrokerId(0), BrokerId(1)],
            isr: vec![BrokerId(0), BrokerId(1)],
            elr: Vec::new(),
            last_known_leader: None,
            leader: Some(BrokerId(leader)),
            leader_epoch: LeaderEpoch(epoch),
            partition_epoch: PartitionEpoch(epoch),
            recovery: RecoveryState::Recovered,
            reassignment: None,
        }),
    }
}

fn delta(offset: u64, records: Vec<MetadataRecord>) -> Event {
    let entries = vec![(MetadataOffset(offset), records)];
    Event::FromController(ToBroker::Delta { entries })
}

fn unfenced(id: i32, epoch: i64) -> MetadataRecord {
    MetadataRecord::BrokerUnfenced {
        broker: BrokerId(id),
        epoch: BrokerEpoch(epoch),
    }
}

/// Broker 0 of two, with two controllers to ask.
struct Fixture(Broker);

impl Fixture {
    fn new() -> Self {
        let config = BrokerConfig {
            registration: registration(0),
            controllers: vec![
                (ControllerId(1000), endpoint(1)),
                (ControllerId(1001), endpoint(2)),
            ],
            timeouts: Timeouts::default(),
        };
        Self(Broker::new(config, at(0)))
    }

    /// Registered with epoch 1 since time zero; brokers 0 and 1 are unfenced, broker 1 leads
    /// partition 0 of topic "t"; heartbeat 2, which
    /// became due when it was unfenced, was answered.
    fn serving() -> Self {
        let mut fixture = Self::new();
        fixture.on(0, Event::Wake);
        fixture.on(0, Event::LinkOpened);
        let broker_epoch = BrokerEpoch(1);
        fixture.on(
            0,
            Event::FromController(ToBroker::Registered { broker_epoch }),
        );
        fixture.on(0, delta(1, vec![registered(0)]));
        fixture.on(0, delta(2, vec![registered(1)]));
        let created = MetadataRecord::TopicCreated {
            topic: TOPIC,
            name: name(),
            configs: BTreeMap::new(),
        };
        let records = vec![unfenced(0, 1), unfenced(1, 2), created, led_by(0, 1, 1)];
        fixture.on(0, delta(3, records));
        let shard = 0;
        let offset = MetadataOffset(3);
        fixture.on(0, Event::ShardApplied { shard, offset });
        let commands = fixture.on(0, answer(2, false));
        let until = at(1_500);
        let ready = Command::Ready(true);
        assert_eq!(commands, [Command::ExtendLease { until }, ready]);
        fixture
    }

    fn on(&mut self, millis: u64, event: Event) -> Vec<Command> {
        let mut out = Vec::new();
        self.0.handle(at(millis), event, &mut out);
        out
    }

    /// What clients are told; both brokers are listed.
    fn view(&self, suspects: &[i32]) -> Arc<MetadataView> {
        let brokers = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect();
        Arc::new(MetadataView {
            image: Arc::clone(self.0.image()),
            suspects: brokers(suspects),
            listed: brokers(&[0, 1]),
        })
    }
}

fn name() -> TopicName {
    "t".parse().unwrap()
}

fn answer(sequence: u64, may_stop: bool) -> Event {
    Event::FromController(ToBroker::HeartbeatAnswer {
        sequence,
        fenced: false,
        may_stop,
    })
}

fn dial(id: i32, port: u16) -> Command {
    Command::DialController {
        controller: ControllerId(id),
        endpoint: endpoint(port),
    }
}

fn heartbeat(sequence: u64, applied: u64) -> Heartbeat {
    Heartbeat {
        sequence,
        broker_epoch: BrokerEpoch(1),
        applied: MetadataOffset(applied),
        shards_are_live: true,
        wants_to_stop: false,
        refused_by: BTreeSet::new(),
    }
}

fn sent(message: ToController) -> Command {
    Command::ToController(message)
}

fn metadata(token: u64) -> Event {
    let topics = Some(vec![name()]);
    Event::Metadata { token, topics }
}

/// Asks whether broker 1 lives.
fn look(look: u64) -> Command {
    let endpoint = endpoint(9094);
    Command::Look { look, endpoint }
}

fn looked(look: u64, outcome: DialOutcome) -> Event {
    Event::Looked { look, outcome }
}

fn evidence(evidence: Evidence) -> Event {
    let broker = BrokerId(1);
    Event::PeerConnection { broker, evidence }
}

#[test]
fn it_registers_with_the_controller_that_another_names_as_active() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.on(0, Event::Wake), [dial(1000, 1)]);
    let register = || {
        sent(ToController::Register {
            registration: Box::new(registration(0)),
            applied: MetadataOffset(0),
        })
    };
    assert_eq!(fixture.on(1, Event::LinkOpened), [register()]);
    let leader = Some((ControllerId(1002), endpoint(7)));
    assert_eq!(
        fixture.on(2, Event::FromController(ToBroker::NotActive { leader })),
        [Command::CloseLink, dial(1002, 7)]
    );
    assert_eq!(fixture.on(3, Event::LinkOpened), [register()]);
    let broker_epoch = BrokerEpoch(1);
    assert_eq!(
        fixture.on(
            4,
            Event::FromController(ToBroker::Registered { broker_epoch })
        ),
        [sent(ToController::Heartbeat(heartbeat(1, 0)))]
    );
}

#[test]
fn it_asks_one_controller_after_the_other_while_none_answers() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.on(0, Event::Wake), [dial(1000, 1)]);
    assert_eq!(fixture.on(1, Event::LinkClosed), []);
    assert_eq!(fixture.0.next_wake(), at(51));
    assert_eq!(fixture.on(51, Event::Wake), [dial(1001, 2)]);
    // The dial hangs.
    assert_eq!(
        fixture.on(351, Event::Wake),
        [Command::CloseLink, dial(1000, 1)]
    );
}

#[test]
fn a_fatal_refusal_ends_the_process() {
    let mut fixture = Fixture::new();
    fixture.on(0, Event::Wake);
    fixture.on(0, Event::LinkOpened);
    let reason = "an older incarnation".to_owned();
    let refused = ToBroker::Refused {
        reason: reason.clone(),
        fatal: true,
    };
    let commands = fixture.on(1, Event::FromController(refused));
    assert_eq!(commands, [Command::Fatal { reason }]);
}

#[test]
fn the_lease_counts_from_when_the_answered_heartbeat_was_sent() {
    let mut fixture = Fixture::serving();
    assert_eq!(fixture.0.next_wake(), at(150));
    assert_eq!(
        fixture.on(150, Event::Wake),
        [sent(ToController::Heartbeat(heartbeat(3, 3)))]
    );
    let until = at(1_650);
    assert_eq!(
        fixture.on(290, answer(3, false)),
        [Command::ExtendLease { until }]
    );
    // An answer that was overtaken extends nothing.
    assert_eq!(fixture.on(291, answer(2, false)), []);
    // After a freeze the expiry comes before anything else.
    let commands = fixture.on(1_650, Event::Wake);
    assert_eq!(commands[0], Command::LeaseExpired);
    assert!(commands.contains(&Command::Ready(false)));
}

#[test]
fn a_stuck_shard_fails_the_heartbeat_and_wins_no_lease() {
    let mut fixture = Fixture::serving();
    fixture.on(500, Event::Wake);
    fixture.on(501, answer(3, false));
    let mut failed = heartbeat(4, 3);
    failed.shards_are_live = false;
    let failed = sent(ToController::Heartbeat(failed));
    assert_eq!(fixture.on(1_050, Event::Wake), [failed]);
    // That the controller does not answer it is no reason to look for another one.
    let later = fixture.on(1_200, Event::Wake);
    assert!(!later.contains(&Command::CloseLink), "{later:?}");
    assert_eq!(fixture.on(1_051, answer(4, false)), []);
}

#[test]
fn metadata_that_would_name_a_dead_leader_waits_for_the_next_one() {
    let mut fixture = Fixture::serving();
    assert_eq!(
        fixture.on(10, evidence(Evidence::Reset)),
        [Command::Probe {
            expected: incarnation(1),
            endpoint: endpoint(9094)
        }]
    );
    assert_eq!(fixture.on(11, metadata(5)), [look(1)]);
    // The refusal is told to the controller at once.
    let mut accusing = heartbeat(3, 3);
    accusing.refused_by = BTreeSet::from([incarnation(1)]);
    assert_eq!(
        fixture.on(12, evidence(Evidence::Refused)),
        [sent(ToController::Heartbeat(accusing))]
    );
    let fenced = MetadataRecord::BrokerFenced {
        broker: BrokerId(1),
        epoch: BrokerEpoch(2),
    };
    let commands = fixture.on(60, delta(4, vec![fenced, led_by(0, 0, 2)]));
    assert!(
        matches!(commands[0], Command::Publish { .. }),
        "{commands:?}"
    );
    let view = fixture.view(&[]);
    assert_eq!(commands[1..], [Command::AnswerMetadata { token: 5, view }]);
}

#[test]
fn metadata_is_held_for_a_limited_time_and_then_names_no_suspect() {
    let mut fixture = Fixture::serving();
    let suspects = BTreeSet::from([incarnation(1)]);
    fixture.on(10, Event::FromController(ToBroker::Suspects { suspects }));
    assert_eq!(fixture.on(20, metadata(6)), [look(1)]);
    let lives = DialOutcome::Answered(incarnation(1));
    assert_eq!(fixture.on(21, looked(1, lives)), []);
    let view = fixture.view(&[1]);
    let answered = Command::AnswerMetadata { token: 6, view };
    assert!(!fixture.on(169, Event::Wake).contains(&answered));
    assert!(fixture.on(170, Event::Wake).contains(&answered));
}

#[test]
fn a_reset_connection_of_a_broker_that_lives_holds_nothing_up() {
    let mut fixture = Fixture::serving();
    fixture.on(10, evidence(Evidence::Reset));
    assert_eq!(fixture.on(11, metadata(7)), [look(1)]);
    let lives = DialOutcome::Answered(incarnation(1));
    assert_eq!(fixture.on(11, looked(1, lives)), []);
    let view = fixture.view(&[]);
    let answered = Command::AnswerMetadata { token: 7, view };
    assert_eq!(fixture.on(12, evidence(Evidence::Answered)), [answered]);
}

#[test]
fn isr_changes_go_one_request_at_a_time_and_time_out() {
    let mut fixture = Fixture::serving();
    let change = |index| IsrChange {
        partition: partition(index),
        leader_epoch: LeaderEpoch(1),
        partition_epoch: PartitionEpoch(1),
        isr: BTreeMap::from([(BrokerId(0), BrokerEpoch(1))]),
    };
    let ask = |index| Event::AlterPartition {
        shard: 0,
        changes: vec![change(index)],
    };
    let request = |request_id, index| {
        sent(ToController::AlterPartition(
            crate::message::link::AlterPartitionRequest {
                request_id,
                broker_epoch: BrokerEpoch(1),
                changes: vec![change(index)],
            },
        ))
    };
    assert_eq!(fixture.on(1, ask(3)), [request(1, 3)]);
    assert_eq!(fixture.on(2, ask(4)), []);
    let answered = ToBroker::AlterPartitionAnswer {
        request_id: 1,
        error: ErrorCode::None,
        results: vec![(partition(3), ErrorCode::None)],
    };
    let results = |index, error| Command::AlterPartitionAnswered {
        shard: 0,
        results: vec![(partition(index), error)],
    };
    assert_eq!(
        fixture.on(3, Event::FromController(answered)),
        [results(3, ErrorCode::None), request(2, 4)]
    );
    let lost = fixture.on(4, Event::LinkClosed);
    assert_eq!(lost, [results(4, ErrorCode::RequestTimedOut)]);
}

#[test]
fn a_request_for_the_controller_is_answered_at_its_deadline_at_the_latest() {
    let mut fixture = Fixture::new();
    fixture.on(0, Event::Wake);
    let request = AdminRequest::DeleteTopics {
        topics: vec![name()],
    };
    let deadline = at(100);
    assert_eq!(
        fixture.on(
            1,
            Event::Admin {
                token: 9,
                request,
                deadline
            }
        ),
        []
    );
    let answer = AdminAnswer::NotDecided(ErrorCode::RequestTimedOut);
    assert_eq!(
        fixture.on(100, Event::Wake),
        [Command::AnswerAdmin { token: 9, answer }]
    );
}

#[test]
fn a_planned_stop_hands_over_drains_and_ends() {
    let mut fixture = Fixture::serving();
    let mut stopping = heartbeat(3, 3);
    stopping.wants_to_stop = true;
    assert_eq!(
        fixture.on(5, Event::Stop),
        [sent(ToController::Heartbeat(stopping))]
    );
    let until = at(1_505);
    let lease = Command::ExtendLease { until };
    assert_eq!(
        fixture.on(30, answer(3, true)),
        [lease, Command::Drain, Command::Ready(false)]
    );
    // Clients that ask meanwhile are told that others lead; only then their connections end.
    assert_eq!(fixture.on(40, Event::ShardDrained { shard: 0 }), []);
    let mut stopping = heartbeat(4, 3);
    stopping.wants_to_stop = true;
    assert_eq!(
        fixture.on(155, Event::Wake),
        [sent(ToController::Heartbeat(stopping))]
    );
    assert_eq!(fixture.0.next_wake(), at(230));
    let broker_epoch = BrokerEpoch(1);
    assert_eq!(
        fixture.on(230, Event::Wake),
        [Command::StopNow { broker_epoch }]
    );
    assert_eq!(fixture.0.next_wake(), Time::NEVER);
}

#[test]
fn a_broker_that_was_never_registered_stops_at_once() {
    let mut fixture = Fixture::new();
    fixture.on(0, Event::Wake);
    assert_eq!(fixture.on(1, Event::Stop), [Command::Drain]);
    let broker_epoch = BrokerEpoch(-1);
    assert_eq!(
        fixture.on(2, Event::ShardDrained { shard: 0 }),
        [Command::StopNow { broker_epoch }]
    );
}
