//! Command lists of a replica.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kintsugi_types::{BrokerEpoch, BrokerId, ErrorCode, LeaderEpoch, Offset, PartitionEpoch, Time};

use super::*;

const LAG_MAX: Duration = Duration::from_secs(5);

struct Brokers(BTreeMap<BrokerId, BrokerEpoch>);

impl Registry for Brokers {
    fn eligible_epoch(&self, broker: BrokerId) -> Option<BrokerEpoch> {
        self.0.get(&broker).copied()
    }

    fn registered_epoch(&self, broker: BrokerId) -> Option<BrokerEpoch> {
        Some(epoch_of(broker.0))
    }
}

/// Brokers 0, 1 and 2, registered with the epochs 100, 101 and 102.
fn brokers() -> Brokers {
    Brokers((0..3).map(|id| (BrokerId(id), epoch_of(id))).collect())
}

fn epoch_of(id: i32) -> BrokerEpoch {
    BrokerEpoch(100 + i64::from(id))
}

fn ids(ids: &[i32]) -> BTreeSet<BrokerId> {
    ids.iter().copied().map(BrokerId).collect()
}

fn assignment(leader: i32, epoch: i32, partition_epoch: i32, isr: &[i32]) -> Assignment {
    Assignment {
        replicas: ids(&[0, 1, 2]),
        replicas_in_force: 3,
        isr: ids(isr),
        leader: Some(BrokerId(leader)),
        leader_epoch: LeaderEpoch(epoch),
        partition_epoch: PartitionEpoch(partition_epoch),
    }
}

const fn all_counted(end: i64) -> LogEnds {
    LogEnds {
        log: Offset(end),
        counted: Offset(end),
    }
}

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

fn replica(local: i32) -> Replica {
    Replica::new(
        ReplicaConfig::new(BrokerId(local), 2, LAG_MAX),
        Offset::ZERO,
    )
}

fn acknowledged(ticket: u64, error: ErrorCode) -> Command {
    Command::Acknowledge {
        ticket: Ticket(ticket),
        error,
    }
}

fn proposal(epoch: i32, partition_epoch: i32, isr: &[i32]) -> Command {
    Command::ProposeIsr(IsrProposal {
        leader_epoch: LeaderEpoch(epoch),
        partition_epoch: PartitionEpoch(partition_epoch),
        isr: isr
            .iter()
            .map(|id| (BrokerId(*id), epoch_of(*id)))
            .collect(),
    })
}

/// A replica on broker 0, with shorthands that give the commands of one event.
struct Fixture {
    replica: Replica,
    brokers: Brokers,
}

impl Fixture {
    /// Leads since time zero in epoch 1 with an empty log.
    fn leading(isr: &[i32]) -> Self {
        let mut fixture = Self {
            replica: replica(0),
            brokers: brokers(),
        };
        assert_eq!(fixture.assign(0, &assignment(0, 1, 1, isr), 0), []);
        fixture
    }

    fn assign(&mut self, millis: u64, assignment: &Assignment, end: i64) -> Vec<Command> {
        self.assign_with(millis, assignment, all_counted(end))
    }

    fn assign_with(&mut self, millis: u64, to: &Assignment, ends: LogEnds) -> Vec<Command> {
        let mut out = Vec::new();
        self.replica
            .assign(at(millis), to, ends, &self.brokers, &mut out);
        out
    }

    fn append(&mut self, millis: u64, end: i64, ticket: Option<u64>) -> Vec<Command> {
        let mut out = Vec::new();
        let ticket = ticket.map(Ticket);
        self.replica
            .appended(at(millis), Offset(end), ticket, &self.brokers, &mut out);
        out
    }

    fn fetch(&mut self, millis: u64, follower: i32, end: i64) -> Vec<Command> {
        self.fetch_as(millis, follower, epoch_of(follower), end)
    }

    fn fetch_as(&mut self, millis: u64, id: i32, epoch: BrokerEpoch, end: i64) -> Vec<Command> {
        let mut out = Vec::new();
        let fetch = FollowerFetch {
            follower: BrokerId(id),
            broker_epoch: epoch,
            end: Offset(end),
        };
        self.replica
            .fetched(at(millis), fetch, &self.brokers, &mut out);
        out
    }

    fn tick(&mut self, millis: u64) -> Vec<Command> {
        let mut out = Vec::new();
        self.replica.tick(at(millis), &self.brokers, &mut out);
        out
    }
}

#[test]
fn a_produce_is_acknowledged_when_every_in_sync_replica_has_it() {
    let mut fixture = Fixture::leading(&[0, 1, 2]);
    assert_eq!(fixture.append(1, 10, Some(7)), []);
    assert_eq!(fixture.fetch(2, 1, 10), []);
    assert_eq!(
        fixture.fetch(3, 2, 10),
        [
            Command::HighWatermark(Offset(10)),
            acknowledged(7, ErrorCode::None)
        ]
    );
}

#[test]
fn the_high_watermark_waits_while_the_isr_is_below_its_minimum() {
    let mut fixture = Fixture::leading(&[0]);
    let refused = fixture.replica.check_produce(true);
    assert_eq!(refused, Err(ErrorCode::NotEnoughReplicas));
    assert_eq!(fixture.replica.check_produce(false), Ok(()));
    assert_eq!(fixture.append(1, 10, None), []);
    // Follower 1 has everything, but its membership is only proposed.
    assert_eq!(fixture.fetch(2, 1, 10), [proposal(1, 1, &[0, 1])]);
    assert_eq!(
        fixture.assign(3, &assignment(0, 1, 2, &[0, 1]), 10),
        [Command::HighWatermark(Offset(10))]
    );
}

#[test]
fn a_removal_counts_only_when_it_is_committed() {
    let mut fixture = Fixture::leading(&[0, 1, 2]);
    fixture.fetch(1, 1, 0);
    fixture.fetch(1, 2, 0);
    assert_eq!(fixture.append(100, 10, Some(1)), []);
    assert_eq!(fixture.fetch(101, 1, 10), []);
    assert_eq!(fixture.tick(5_100), []);
    assert_eq!(fixture.tick(5_101), [proposal(1, 1, &[0, 1])]);
    // Still waiting for broker 2; nothing is proposed twice.
    assert_eq!(fixture.tick(5_200), []);
    assert_eq!(
        fixture.assign(5_300, &assignment(0, 1, 2, &[0, 1]), 10),
        [
            Command::HighWatermark(Offset(10)),
            acknowledged(1, ErrorCode::None)
        ]
    );
}

#[test]
fn a_request_that_timed_out_is_sent_again_and_the_larger_isr_stays_in_force() {
    let mut fixture = Fixture::leading(&[0, 1]);
    fixture.append(1, 10, Some(1));
    fixture.fetch(2, 1, 10);
    assert_eq!(fixture.fetch(3, 2, 10), [proposal(1, 1, &[0, 1, 2])]);
    fixture.replica.isr_answered(ErrorCode::RequestTimedOut);
    // Broker 2 may be a member already, so its end holds the high watermark back.
    assert_eq!(fixture.append(4, 20, Some(2)), []);
    assert_eq!(fixture.fetch(5, 1, 20), []);
    assert_eq!(fixture.tick(6), [proposal(1, 1, &[0, 1, 2])]);
    // A refusal after the epochs were compared proves that it is none.
    fixture.brokers.0.remove(&BrokerId(2));
    fixture.replica.isr_answered(ErrorCode::IneligibleReplica);
    assert_eq!(
        fixture.tick(7),
        [
            Command::HighWatermark(Offset(20)),
            acknowledged(2, ErrorCode::None)
        ]
    );
}

#[test]
fn an_earlier_incarnation_and_a_fenced_broker_do_not_join_the_isr() {
    let mut fixture = Fixture::leading(&[0, 1]);
    assert_eq!(fixture.fetch_as(1, 2, BrokerEpoch(50), 0), []);
    fixture.brokers.0.remove(&BrokerId(2));
    assert_eq!(fixture.fetch(2, 2, 0), []);
    fixture.brokers = brokers();
    assert_eq!(fixture.tick(3), [proposal(1, 1, &[0, 1, 2])]);
}

#[test]
fn a_follower_joins_only_at_the_high_watermark_and_at_the_start_of_the_epoch() {
    let mut fixture = Fixture {
        replica: replica(0),
        brokers: brokers(),
    };
    // It becomes leader with ten records, of which it does not know that any is committed.
    assert_eq!(fixture.assign(0, &assignment(0, 5, 9, &[0, 1]), 10), []);
    assert!(fixture.replica.is_end_unknown());
    assert_eq!(fixture.fetch(1, 2, 9), []);
    assert_eq!(fixture.fetch(2, 2, 10), [proposal(5, 9, &[0, 1, 2])]);
    let advanced = fixture.fetch(3, 1, 10);
    assert_eq!(advanced, [Command::HighWatermark(Offset(10))]);
    assert!(!fixture.replica.is_end_unknown());
}

#[test]
fn a_new_leader_gives_the_isr_a_whole_lag_time() {
    let mut fixture = Fixture::leading(&[0, 1, 2]);
    fixture.append(1, 5, None);
    assert_eq!(fixture.tick(5_000), []);
    assert_eq!(fixture.tick(5_001), [proposal(1, 1, &[0])]);
}

#[test]
fn an_idle_follower_is_not_taken_for_a_laggard_at_the_next_append() {
    let mut fixture = Fixture::leading(&[0, 1, 2]);
    fixture.fetch(1, 1, 0);
    fixture.fetch(1, 2, 0);
    assert_eq!(fixture.append(60_000, 5, None), []);
    assert_eq!(fixture.tick(60_001), []);
    assert_eq!(fixture.tick(65_001), [proposal(1, 1, &[0])]);
}

#[test]
fn a_leader_that_becomes_follower_never_acknowledges_with_success() {
    let mut fixture = Fixture::leading(&[0, 1, 2]);
    fixture.append(1, 10, Some(1));
    fixture.append(1, 20, Some(2));
    assert_eq!(
        fixture.assign(2, &assignment(1, 2, 2, &[1, 2]), 20),
        [
            acknowledged(1, ErrorCode::NotLeaderOrFollower),
            acknowledged(2, ErrorCode::NotLeaderOrFollower)
        ]
    );
    assert_eq!(fixture.fetch(3, 1, 20), []);
    assert_eq!(
        fixture.replica.check_produce(false),
        Err(ErrorCode::NotLeaderOrFollower)
    );
}

#[test]
fn a_follower_joins_only_with_what_the_leader_has_unsynced_of_earlier_epochs() {
    let mut fixture = Fixture {
        replica: replica(0),
        brokers: brokers(),
    };
    let ends = LogEnds {
        log: Offset(20),
        counted: Offset(12),
    };
    fixture.assign_with(0, &assignment(0, 3, 7, &[0]), ends);
    // Alone in the ISR, it may have committed up to 20 before it was started again.
    assert_eq!(fixture.fetch(1, 1, 12), []);
    assert_eq!(fixture.append(2, 20, None), []);
    assert_eq!(fixture.fetch(3, 1, 20), [proposal(3, 7, &[0, 1])]);
}

#[test]
fn an_isr_that_shrank_after_the_append_is_told_to_the_producer() {
    let mut fixture = Fixture::leading(&[0, 1]);
    fixture.append(1, 10, None);
    fixture.fetch(2, 1, 10);
    fixture.assign(3, &assignment(0, 1, 2, &[0]), 10);
    let mut out = Vec::new();
    fixture
        .replica
        .await_offset(Offset(10), Ticket(4), &mut out);
    let error = ErrorCode::NotEnoughReplicasAfterAppend;
    assert_eq!(out, [acknowledged(4, error)]);
}

#[test]
fn a_followers_high_watermark_goes_back_only_by_truncation() {
    let mut follower = replica(1);
    let mut out = Vec::new();
    follower.assign(
        at(0),
        &assignment(0, 1, 1, &[0, 1]),
        all_counted(0),
        &brokers(),
        &mut out,
    );
    follower.followed(Offset(8), Offset(10), &mut out);
    follower.followed(Offset(6), Offset(12), &mut out);
    follower.followed(Offset(20), Offset(12), &mut out);
    assert_eq!(
        out,
        [
            Command::HighWatermark(Offset(8)),
            Command::HighWatermark(Offset(12))
        ]
    );
    follower.truncated(Offset(11));
    assert_eq!(follower.high_watermark(), Offset(11));
}

#[test]
fn older_metadata_changes_nothing() {
    let mut fixture = Fixture::leading(&[0, 1, 2]);
    assert_eq!(fixture.assign(1, &assignment(1, 0, 0, &[1]), 0), []);
    assert!(fixture.replica.is_leader());
}

#[test]
fn a_leader_resigns_by_proposing_the_rest_of_the_isr_once() {
    let mut fixture = Fixture::leading(&[0, 1, 2]);
    fixture.append(1, 10, Some(1));
    let mut out = Vec::new();
    fixture.replica.resign(&fixture.brokers, &mut out);
    fixture.replica.resign(&fixture.brokers, &mut out);
    assert_eq!(out, [proposal(1, 1, &[1, 2])]);
    // It counts itself until that is committed; then whoever waits is told to ask the next leader.
    assert_eq!(
        fixture.assign(2, &assignment(1, 2, 2, &[1, 2]), 10),
        [acknowledged(1, ErrorCode::NotLeaderOrFollower)]
    );
    let mut alone = Fixture::leading(&[0]);
    let mut out = Vec::new();
    alone.replica.resign(&alone.brokers, &mut out);
    assert_eq!(out, []);
}

/// Whether a leader says that it is settled, which must be true.
fn settled(fixture: &mut Fixture, millis: u64) -> bool {
    let is_settled = fixture.replica.is_settled(at(millis));
    for later in [0, 1, 4_000, 6_000, 600_000] {
        assert!(!is_settled || fixture.tick(millis + later).is_empty());
    }
    is_settled
}

#[test]
fn a_leader_is_settled_when_time_alone_changes_nothing_any_more() {
    let mut fixture = Fixture::leading(&[0, 1, 2]);
    // Members that have not shown themselves may yet prove to lag.
    assert!(!settled(&mut fixture, 0));
    fixture.fetch(1, 1, 0);
    fixture.fetch(1, 2, 0);
    assert!(settled(&mut fixture, 2));
    fixture.append(100, 10, None);
    fixture.fetch(101, 1, 10);
    assert!(!settled(&mut fixture, 102));
    assert_eq!(fixture.tick(5_101), [proposal(1, 1, &[0, 1])]);
    assert!(!settled(&mut fixture, 5_101));
    fixture.assign(5_200, &assignment(0, 1, 2, &[0, 1]), 10);
    assert!(settled(&mut fixture, 5_200));
}

#[test]
fn a_leader_is_not_settled_while_a_replica_that_may_join_holds_its_high_watermark_back() {
    let mut fixture = Fixture::leading(&[0, 1]);
    fixture.brokers.0.remove(&BrokerId(2));
    fixture.fetch(1, 1, 0);
    fixture.fetch(1, 2, 0);
    assert!(settled(&mut fixture, 2));
    fixture.append(100, 10, None);
    let advanced = fixture.fetch(101, 1, 10);
    assert_eq!(advanced, [Command::HighWatermark(Offset(10))]);
    // It counts as caught up for a while, and so holds up what is appended once it may join.
    fixture.brokers = brokers();
    fixture.append(102, 20, None);
    assert_eq!(fixture.fetch(103, 1, 20), []);
    assert!(!settled(&mut fixture, 104));
    let advanced = fixture.tick(5_101);
    assert_eq!(advanced, [Command::HighWatermark(Offset(20))]);
    assert!(settled(&mut fixture, 5_101));
}

#[test]
fn the_deliberate_faults_do_what_they_say() {
    let mut config = ReplicaConfig::new(BrokerId(0), 2, LAG_MAX);
    config.bugs.acknowledge_before_isr = true;
    config.bugs.truncate_to_high_watermark = true;
    let mut fixture = Fixture {
        replica: Replica::new(config, Offset(3)),
        brokers: brokers(),
    };
    fixture.assign(0, &assignment(0, 1, 1, &[0, 1]), 5);
    let early = fixture.append(1, 10, Some(1));
    assert_eq!(early, [acknowledged(1, ErrorCode::None)]);
    assert_eq!(
        fixture.assign(2, &assignment(1, 2, 2, &[0, 1]), 10),
        [Command::Truncate(Offset(3))]
    );
}
