//! Decisions about the balance of load, whole, and what keeps them from being made.

mod gates;
mod noise;
mod world;

use std::collections::BTreeMap;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kintsugi_crds::{BalanceState, BalanceStatus, RebalanceMode, RebalancePhase, RebalanceScope};
use kintsugi_planner::{Load, Resource};

use super::left::BACK_OFF;
use super::measure::{BrokerUse, Measured};
use super::step::{Act, Balancing, State, step};
use crate::cluster::Cluster;
use crate::fixtures::{at, cluster, formed};
use crate::observe::{Observed, ObservedRebalance};
use crate::plan::{Announcement, ObjectVersion};

/// The defaults, in seconds.
const HOLD: i64 = 600;
const COOLDOWN: i64 = 900;
/// How often a settled cluster is looked at, in milliseconds.
const LOOK_MS: i64 = 5_000;

/// One cluster of three brokers, the looks at it, and what became of its KafkaRebalance.
struct Looks {
    state: State,
    cluster: Cluster,
    observed: Observed,
    measured: Measured,
    now_ms: i64,
    /// What was done, and when, in seconds.
    done: Vec<(i64, Act)>,
}

/// Three brokers of which the second has so many times the traffic of the others.
fn measured(received: f64, sent: f64) -> Measured {
    let broker = |id: i32| {
        let times = |times: f64| if id == 1 { 1e7 * times } else { 1e7 };
        BrokerUse {
            id,
            takes_replicas: true,
            load: Load {
                network_in_bytes_per_second: times(received),
                network_out_bytes_per_second: times(sent),
                ..Load::default()
            },
            disk_bytes: Some(1e12),
        }
    };
    Measured {
        brokers: (0..3).map(broker).collect(),
        cpu_cores: Some(2.0),
    }
}

impl Looks {
    fn at(measured: Measured) -> Self {
        Self {
            state: State::default(),
            cluster: cluster(),
            observed: formed(),
            measured,
            now_ms: 0,
            done: Vec::new(),
        }
    }

    fn now(&self) -> Timestamp {
        let since = SignedDuration::from_millis(self.now_ms);
        at(0).checked_add(since).unwrap()
    }

    /// One look; its act is carried out.
    fn look(&mut self) -> Balancing {
        let (measured, now) = (Ok(&self.measured), self.now());
        let found = step(
            &mut self.state,
            &self.cluster,
            &self.observed,
            measured,
            now,
        );
        let found = found.unwrap();
        match &found.act {
            Some(Act::Create(scope)) => {
                assert_eq!(self.observed.rebalances, [], "one at a time");
                self.observed.rebalances.push(own(*scope));
            }
            Some(Act::Delete(one)) => {
                self.observed
                    .rebalances
                    .retain(|known| known.uid != one.uid);
            }
            None => {}
        }
        let act = found.act.clone();
        self.done.extend(act.map(|act| (self.now_ms / 1_000, act)));
        found
    }

    /// Looks as the operator does for so many seconds; a KafkaRebalance is complete within 10 s.
    fn run(&mut self, seconds: i64) {
        let end = self.now_ms + seconds * 1_000;
        while self.now_ms < end {
            let found = self.look();
            self.complete(10);
            let asked = found.look_at.map(|at| at.duration_since(self.now()));
            let asked = asked.map_or(LOOK_MS, |wait| i64::try_from(wait.as_millis()).unwrap());
            self.now_ms += asked.clamp(50, LOOK_MS);
        }
    }

    /// Has the KafkaRebalance complete, or go on, so many seconds after it came.
    fn complete(&mut self, seconds: i64) {
        let began = self.done.iter().rev();
        let mut began = began.filter(|(_, act)| matches!(act, Act::Create(_)));
        let began = began.next().map_or(0, |(began, _)| *began);
        let now = self.now();
        let is_over = self.now_ms / 1_000 >= began + seconds;
        for one in &mut self.observed.rebalances {
            let goes_on = matches!(one.phase, None | Some(RebalancePhase::Rebalancing));
            if goes_on && is_over {
                (one.phase, one.completed_since) = (Some(RebalancePhase::Completed), Some(now));
            } else if goes_on {
                one.phase = Some(RebalancePhase::Rebalancing);
            }
        }
    }

    /// When which were created.
    fn created(&self) -> Vec<(i64, RebalanceScope)> {
        let created = self.done.iter().filter_map(|(seconds, act)| match act {
            Act::Create(scope) => Some((*seconds, *scope)),
            Act::Delete(_) => None,
        });
        created.collect()
    }
}

/// The operator's own KafkaRebalance, just created.
fn own(scope: RebalanceScope) -> ObservedRebalance {
    ObservedRebalance {
        name: "demo-balance".to_owned(),
        uid: "uid-balance".to_owned(),
        resource_version: "7".to_owned(),
        owner: Some(cluster().uid),
        terminating: false,
        scope,
        adds: Vec::new(),
        word: None,
        phase: None,
        message: String::new(),
        failed_since: None,
        completed_since: None,
    }
}

fn of_people(phase: Option<RebalancePhase>) -> ObservedRebalance {
    ObservedRebalance {
        name: "by-hand".to_owned(),
        uid: "uid-by-hand".to_owned(),
        owner: None,
        phase,
        ..own(RebalanceScope::Full)
    }
}

fn deletion(why: &str) -> Act {
    Act::Delete(ObjectVersion {
        name: "demo-balance".to_owned(),
        uid: "uid-balance".to_owned(),
        resource_version: "7".to_owned(),
        why: why.to_owned(),
    })
}

#[test]
fn a_broker_out_of_its_band_for_the_hold_time_has_leaderships_moved_and_says_why() {
    let mut looks = Looks::at(measured(1.0, 2.0));
    let first = looks.look();
    let since = at(0).to_string();
    let excess = BTreeMap::from([(Resource::NetworkIn, 0.0), (Resource::NetworkOut, 0.5)]);
    let uneven = "broker 1 sends 20.00 MB/s, 50 % above the mean of 13.33 MB/s";
    let expected = Balancing {
        status: BalanceStatus {
            state: BalanceState::Uneven,
            since: Some(since.clone()),
            reason: format!(
                "{uneven}: if it stays so, KafkaRebalance demo-balance begins at {}",
                at(HOLD)
            ),
        },
        act: None,
        news: None,
        look_at: Some(at(HOLD)),
        excess: excess.clone(),
    };
    assert_eq!(first, expected);
    looks.now_ms = HOLD * 1_000 - 1;
    assert_eq!(looks.look().act, None, "not before");
    looks.now_ms = HOLD * 1_000;
    let note = format!(
        "{uneven}, out of the band of 20 % for 600 s: KafkaRebalance demo-balance moves leaderships"
    );
    let expected = Balancing {
        status: BalanceStatus {
            state: BalanceState::Uneven,
            since: Some(since),
            reason: note.clone(),
        },
        act: Some(Act::Create(RebalanceScope::Leaders)),
        news: Some(Announcement {
            reason: "LoadUneven",
            subject: "balance".to_owned(),
            note,
            warning: false,
        }),
        look_at: None,
        excess,
    };
    assert_eq!(looks.look(), expected);
    let under_way = looks.look();
    assert_eq!(under_way.status.state, BalanceState::Rebalancing);
    assert_eq!(under_way.act, None, "once");
}

#[test]
fn what_leaderships_cannot_even_out_has_everything_moved_and_the_first_move_is_not_late() {
    let mut looks = Looks::at(measured(1.5, 1.5));
    // A look that is not due falls anywhere.
    looks.now_ms = 3_217;
    looks.run(HOLD + 60);
    let (seconds, scope) = looks.created()[0];
    assert_eq!(scope, RebalanceScope::Full);
    assert!((HOLD + 3..=HOLD + 4).contains(&seconds), "{seconds}");
    assert_eq!(looks.created().len(), 1);
}

#[test]
fn load_that_is_back_within_half_of_the_band_waits_for_the_whole_hold_time_anew() {
    let mut looks = Looks::at(measured(1.5, 1.5));
    looks.run(HOLD - 60);
    // 1.1 / 1.033 is 6.5 % above the mean.
    looks.measured = measured(1.1, 1.1);
    let back = looks.look();
    assert_eq!(back.status.state, BalanceState::Even);
    assert_eq!(back.status.since, None);
    looks.measured = measured(1.5, 1.5);
    let again = looks.now_ms / 1_000;
    looks.run(HOLD - 10);
    assert_eq!(looks.created(), []);
    looks.run(60);
    assert_eq!(looks.created(), [(again + HOLD, RebalanceScope::Full)]);
}

#[test]
fn load_between_the_two_bands_begins_nothing_and_load_about_the_edge_once() {
    // 1.25 / 1.083 is 15 % above the mean.
    let mut between = Looks::at(measured(1.25, 1.0));
    between.run(4 * 3_600);
    assert_eq!(between.done, []);
    // 18 % and 23 % above it, in turn, and no move helps.
    let mut flapping = Looks::at(measured(1.0, 1.0));
    for turn in 0..1_000 {
        let times = if turn % 2 == 0 { 1.38 } else { 1.30 };
        flapping.measured = measured(times, 1.0);
        flapping.run(10);
    }
    assert_eq!(flapping.created().len(), 1, "{:?}", flapping.done);
}

#[test]
fn load_too_little_to_hurt_anybody_is_left_alone_however_uneven() {
    let mut looks = Looks::at(measured(1.0, 1.0));
    for broker in &mut looks.measured.brokers {
        let times = if broker.id == 1 { 50.0 } else { 1.0 };
        broker.load = Load {
            disk_bytes: 1e9 * times,
            network_in_bytes_per_second: 19e3 * times,
            network_out_bytes_per_second: 19e3 * times,
            cpu: 0.007 * times,
        };
    }
    looks.run(3_600);
    assert_eq!(looks.done, []);
    assert_eq!(looks.look().status.state, BalanceState::Even);
}

#[test]
fn what_moves_do_not_even_out_is_tried_with_everything_once_and_then_left_for_long() {
    let mut looks = Looks::at(measured(1.0, 2.0));
    looks.run(BACK_OFF.as_secs());
    let second = HOLD + 10 + COOLDOWN;
    let scopes: Vec<RebalanceScope> = looks.created().iter().map(|(_, scope)| *scope).collect();
    assert_eq!(scopes, [RebalanceScope::Leaders, RebalanceScope::Full]);
    let began = looks.created()[1].0;
    assert!((second..second + 10).contains(&began), "{began}");
    let left = looks.look();
    assert!(
        left.status.reason.contains("moves have not evened it out"),
        "{left:?}"
    );
    looks.run(2_000);
    assert_eq!(looks.created().len(), 3, "tried again after the back-off");
}

#[test]
fn what_was_left_is_told_once_and_tried_again_when_it_has_changed_by_half_for_the_hold_time() {
    let mut looks = Looks::at(measured(2.0, 1.0));
    looks.run(HOLD + 60);
    let mut news = Vec::new();
    for _ in 0..200 {
        news.extend(looks.look().news.map(|news| news.reason));
        looks.complete(10);
        looks.now_ms += LOOK_MS;
    }
    assert_eq!(news, ["LoadLeftUneven"]);
    assert_eq!(looks.created().len(), 1);
    // A little more, or much more for a moment, is no other imbalance.
    looks.measured = measured(2.3, 1.0);
    looks.run(3_600);
    looks.measured = measured(6.0, 1.0);
    looks.run(60);
    looks.measured = measured(2.0, 1.0);
    looks.run(600);
    assert_eq!(looks.created().len(), 1);
    looks.measured = measured(6.0, 1.0);
    let changed = looks.now_ms / 1_000;
    looks.run(HOLD + 60);
    assert_eq!(looks.created().len(), 2);
    let began = looks.created()[1].0;
    assert!((HOLD..HOLD + 10).contains(&(began - changed)), "{began}");
}

#[test]
fn the_next_one_comes_after_the_cooldown_and_the_one_before_goes_first() {
    let mut looks = Looks::at(measured(2.0, 1.0));
    looks.run(HOLD + 15);
    // The moves helped, and then another broker gets more.
    looks.measured = measured(1.0, 1.0);
    looks.run(200);
    looks.measured = measured(0.2, 1.0);
    looks.run(2 * COOLDOWN);
    let ended = looks
        .done
        .iter()
        .position(|(_, act)| matches!(act, Act::Delete(_)));
    let (deleted, act) = looks.done[ended.unwrap()].clone();
    assert_eq!(act, deletion("it is complete, and the next may come"));
    assert!(
        (COOLDOWN..COOLDOWN + 10).contains(&(deleted - HOLD - 10)),
        "{deleted}"
    );
    let created = looks.created();
    assert!(created.len() >= 2 && created[1].0 >= deleted, "{created:?}");
}

#[test]
fn one_that_failed_is_deleted_after_a_while_and_not_made_again_for_the_same() {
    let mut looks = Looks::at(measured(1.5, 1.0));
    looks.run(HOLD + 4);
    let failed = looks.now();
    let one = &mut looks.observed.rebalances[0];
    (one.phase, one.failed_since) = (Some(RebalancePhase::Failed), Some(failed));
    one.message = "goal RackAware would be broken".to_owned();
    let found = looks.look();
    assert_eq!(
        (found.status.state, found.act.clone()),
        (BalanceState::Stopped, None)
    );
    assert!(found.status.reason.contains("RackAware"), "{found:?}");
    looks.run(4 * 3_600);
    assert_eq!(looks.created().len(), 1, "{:?}", looks.done);
    let act = deletion("it failed: the next one plans anew");
    assert_eq!(looks.done.last().unwrap().1, act);
}

#[test]
fn an_operator_that_restarts_waits_for_the_hold_time_anew_and_keeps_to_the_cooldown() {
    let mut looks = Looks::at(measured(2.0, 1.0));
    // One that restarts again and again never gets there.
    for _ in 0..20 {
        looks.run(HOLD - 10);
        looks.state = State::default();
    }
    assert_eq!(looks.created(), []);
    looks.run(HOLD + 60);
    let first = looks.created()[0].0;
    looks.state = State::default();
    looks.run(COOLDOWN);
    looks.state = State::default();
    looks.run(2 * 3_600);
    let created = looks.created();
    assert!(created.len() <= 2, "{created:?}");
    assert!(created[1..].iter().all(|(at, _)| at - first >= COOLDOWN));
}

#[test]
fn a_wiped_status_of_the_kafka_rebalance_begins_no_other_one() {
    let mut looks = Looks::at(measured(2.0, 1.0));
    looks.run(HOLD + 60);
    for _ in 0..100 {
        let one = looks.observed.rebalances.iter_mut();
        one.for_each(|one| (one.phase, one.completed_since) = (None, None));
        looks.run(300);
    }
    assert_eq!(looks.created().len(), 1, "{:?}", looks.done);
}

#[test]
fn where_people_do_it_nothing_is_said_or_done() {
    let mut looks = Looks::at(measured(9.0, 9.0));
    looks.cluster.rebalance.mode = RebalanceMode::Manual;
    for _ in 0..1_000 {
        looks.now_ms += LOOK_MS;
        let (measured, now) = (Ok(&looks.measured), looks.now());
        let found = step(
            &mut looks.state,
            &looks.cluster,
            &looks.observed,
            measured,
            now,
        );
        assert_eq!(found, None);
    }
}

#[test]
fn a_cordoned_broker_is_given_nothing_and_counts_in_no_mean() {
    let mut measured = measured(1.0, 1.0);
    measured.brokers[2].takes_replicas = false;
    let uses = measured.uses();
    let received = uses
        .iter()
        .find(|one| one.place.resource == Resource::NetworkIn);
    assert_eq!(received.unwrap().mean, 1.5e7, "what three use, over two");
}

#[test]
fn disks_of_other_sizes_are_compared_by_how_full_they_are() {
    let mut measured = measured(1.0, 1.0);
    for (broker, bytes) in measured.brokers.iter_mut().zip([4e11, 8e11, 8e11]) {
        broker.load.disk_bytes = bytes;
        broker.disk_bytes = Some(2.0 * bytes);
    }
    let excess = |measured: &Measured| -> f64 {
        let disks = measured.uses().into_iter();
        let disks = disks.filter(|one| one.place.resource == Resource::Disk);
        disks.map(|one| one.excess()).fold(0.0, f64::max)
    };
    assert!(excess(&measured) < 1e-9);
    measured.brokers[0].disk_bytes = None;
    assert!(excess(&measured) > 0.19, "bytes, where one is not known");
}
