//! A cluster that is known exactly, sampled as brokers would tell it.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::{Age, PartitionRates, PartitionSample, RequestTimes};

/// A partition with a steady rate, as its brokers count it.
struct World {
    /// Bytes in that each broker has counted in its present run.
    counted: BTreeMap<i32, f64>,
    run: BTreeMap<i32, f64>,
    leader: i32,
    log_end: f64,
    bytes_per_second: f64,
    /// Bytes that followers are given for each that is appended.
    copied: f64,
    now: Millis,
    dead: Option<i32>,
}

const RECORD_BYTES: f64 = 100.0;

impl World {
    fn new(bytes_per_second: f64) -> Self {
        Self {
            counted: (0..3).map(|id| (id, 0.0)).collect(),
            run: (0..3).map(|id| (id, 1.0)).collect(),
            leader: 0,
            log_end: 0.0,
            bytes_per_second,
            copied: 2.0,
            now: 1_000,
            dead: None,
        }
    }

    fn pass(&mut self, millis: Millis) {
        let bytes = self.bytes_per_second * millis as f64 / 1_000.0;
        *self.counted.entry(self.leader).or_default() += bytes;
        self.log_end += bytes / RECORD_BYTES;
        self.now += millis;
    }

    fn restart(&mut self, id: i32) {
        self.counted.insert(id, 0.0);
        *self.run.entry(id).or_default() += 1.0;
    }

    fn sample(&self, id: i32, by_topic: bool) -> BrokerSample {
        let counters = Counters {
            bytes_in: self.counted[&id],
            messages_in: self.counted[&id] / RECORD_BYTES,
            replication_bytes_out: self.counted[&id] * self.copied,
            ..Counters::default()
        };
        BrokerSample {
            start_seconds: Some(self.run[&id]),
            cpu_seconds: Some(self.now as f64 / 10_000.0),
            network_in_bytes: Some(self.counted[&id]),
            topics: vec![TopicSample {
                name: Arc::from("t"),
                counters: by_topic.then_some(counters),
                partitions: vec![PartitionSample {
                    number: 0,
                    is_leader: self.leader == id,
                    size_bytes: self.log_end * RECORD_BYTES,
                    log_end: self.log_end,
                    high_watermark: self.log_end,
                    counters: (!by_topic).then_some(counters),
                }],
            }],
            ..BrokerSample::default()
        }
    }

    fn tell(&self, model: &mut LoadModel, by_topic: bool) {
        for id in (0..3).filter(|id| self.dead != Some(*id)) {
            model.take(id, self.now, &self.sample(id, by_topic));
        }
    }
}

fn key() -> TopicPartition {
    TopicPartition {
        topic: Arc::from("t"),
        number: 0,
    }
}

fn bytes_in(model: &LoadModel) -> f64 {
    model.rates(&key()).bytes_in
}

#[test]
fn rates_are_right_and_useful_fifteen_seconds_after_the_start() {
    let (mut world, mut model) = (World::new(5_000.0), LoadModel::default());
    world.pass(3_600_000);
    world.tell(&mut model, false);
    assert!(!model.is_useful());
    for _ in 0..3 {
        world.pass(5_000);
        world.tell(&mut model, false);
    }
    assert!(model.is_useful());
    assert!((bytes_in(&model) - 5_000.0).abs() < 1e-6);
    let partition = &model.partitions()[0];
    assert_eq!(
        (partition.leader, partition.brokers.clone()),
        (Some(0), vec![0, 1, 2])
    );
    // Three brokers use a tenth of a core each. A byte costs its leader 0.7, and 0.15 for each follower
    // that is given it; a follower 0.15.
    let of_all = |cores: f64| cores / 0.3 * (0.7 + 4.0 * 0.15);
    let leader = of_all(partition.leader_load.cpu);
    assert!((leader - 1.0).abs() < 1e-9, "{leader}");
    assert!((of_all(partition.follower_load.cpu) - 0.15).abs() < 1e-9);
    assert!((model.brokers()[0].load.network_in_bytes_per_second - 5_000.0).abs() < 1e-6);
}

#[test]
fn one_topic_is_told_with_when_its_leaders_answered() {
    let (mut world, mut model) = (World::new(5_000.0), LoadModel::default());
    for _ in 0..4 {
        world.pass(5_000);
        world.tell(&mut model, false);
    }
    let told = PartitionRates {
        number: 0,
        rates: model.rates(&key()),
        observed_ms: 15_000,
        told_at: Some(world.now),
    };
    assert_eq!(model.topic("t"), [told]);
    assert_eq!([model.topic("s"), model.topic("t2")], [vec![], vec![]]);
    world.dead = Some(0);
    world.pass(5_000);
    world.tell(&mut model, false);
    assert_eq!(model.topic("t"), [told], "its leader has not answered");
}

#[test]
fn a_leader_that_brings_a_follower_up_to_date_uses_no_more() {
    let (mut world, mut model) = (World::new(5_000.0), LoadModel::default());
    world.copied = 40.0;
    for _ in 0..4 {
        world.pass(5_000);
        world.tell(&mut model, false);
    }
    let partition = &model.partitions()[0];
    assert!((partition.rates.replication_bytes_out - 200_000.0).abs() < 1e-6);
    let (leader, follower) = (partition.leader_load, partition.follower_load);
    assert!((leader.network_out_bytes_per_second - 10_000.0).abs() < 1e-6);
    assert!((follower.network_in_bytes_per_second - 5_000.0).abs() < 1e-6);
    assert!((leader.cpu / follower.cpu - 1.0 / 0.15).abs() < 1e-6);
}

#[test]
fn a_move_with_the_death_of_the_old_leader_leaves_the_rate_as_it_was() {
    let (mut world, mut model) = (World::new(5_000.0), LoadModel::default());
    for _ in 0..10 {
        world.pass(5_000);
        world.tell(&mut model, false);
    }
    world.pass(2_000);
    world.dead = Some(0);
    world.leader = 1;
    for _ in 0..10 {
        world.pass(5_000);
        world.tell(&mut model, false);
        assert!(
            (bytes_in(&model) - 5_000.0).abs() < 1e-6,
            "{}",
            bytes_in(&model)
        );
    }
    assert_eq!(model.partitions()[0].leader, Some(1));
}

#[test]
fn brokers_that_nobody_hears_of_are_forgotten_with_their_replicas() {
    let (mut world, mut model) = (World::new(5_000.0), LoadModel::default());
    world.tell(&mut model, false);
    world.dead = Some(2);
    for _ in 0..80 {
        world.pass(5_000);
        world.tell(&mut model, false);
    }
    assert_eq!(model.partitions()[0].brokers, [0, 1]);
    assert_eq!(model.brokers().len(), 2);
}

#[test]
fn clocks_that_jump_and_absurd_counters_change_no_rate() {
    let (mut world, mut model) = (World::new(5_000.0), LoadModel::default());
    for _ in 0..5 {
        world.pass(5_000);
        world.tell(&mut model, false);
    }
    let before = bytes_in(&model);
    // A counter that jumps to the greatest that is read at all.
    world.now += 5_000;
    let mut absurd = world.sample(0, false);
    absurd.topics[0].partitions[0].counters = Some(Counters::from_values([9e15; 6]));
    absurd.network_in_bytes = Some(9e15);
    model.take(0, world.now, &absurd);
    assert_eq!(bytes_in(&model), before);
    assert!(model.refused_intervals() > 0);
    // An hour without a sample: too long to mean anything.
    world.pass(3_600_000);
    world.tell(&mut model, false);
    assert_eq!(bytes_in(&model), before);
}

#[test]
fn the_brokers_own_clock_measures_the_interval_unless_it_is_far_off() {
    let mut model = LoadModel::default();
    let world = World::new(0.0);
    let told = |bytes: f64, uptime_ms: Millis| {
        let mut sample = world.sample(0, false);
        sample.uptime_ms = Some(uptime_ms);
        sample.topics[0].partitions[0].counters = Some(Counters {
            bytes_in: bytes,
            ..Counters::default()
        });
        sample
    };
    model.take(0, 10_000, &told(0.0, 1_000));
    // The answer came 400 ms late.
    model.take(0, 15_400, &told(5_000.0, 6_000));
    assert_eq!(bytes_in(&model), 1_000.0);
    model.take(0, 20_400, &told(1e9, 6_000_000));
    assert_eq!(bytes_in(&model), 1_000.0);
    assert_eq!(model.refused_intervals(), 1);
}

#[test]
fn producers_times_are_told_by_interval_and_not_over_a_restart() {
    let (mut world, mut model) = (World::new(0.0), LoadModel::default());
    let told = |world: &World, count: f64| BrokerSample {
        produce_times: Some(RequestTimes {
            bounds_ms: vec![10.0],
            counts: vec![count, 0.0],
        }),
        ..world.sample(0, false)
    };
    for count in [100.0, 130.0] {
        world.pass(5_000);
        model.take(0, world.now, &told(&world, count));
        model.take(1, world.now, &world.sample(1, false));
    }
    world.restart(0);
    world.pass(5_000);
    model.take(0, world.now, &told(&world, 150.0));
    let mut brokers = model.produce_times();
    let (id, intervals) = brokers.next().unwrap();
    let intervals: Vec<_> = intervals.unwrap().collect();
    assert_eq!((id, intervals.len()), (0, 1));
    assert_eq!((intervals[0].from, intervals[0].to), (6_000, 11_000));
    assert_eq!(intervals[0].times.counts, [30.0, 0.0]);
    let (id, silent) = brokers.next().unwrap();
    assert!(id == 1 && silent.is_none());
}

#[test]
fn an_unread_records_age_goes_on_over_a_leaders_move() {
    let (mut world, mut model) = (World::new(1_000.0), LoadModel::default());
    for step in 0..24 {
        world.pass(5_000);
        if step == 12 {
            world.leader = 2;
        }
        world.tell(&mut model, false);
    }
    // 10 records a second: the one 600 before the end is a minute old.
    let age = model.age(&key(), world.log_end - 600.0, world.now);
    let Some(Age::Milliseconds(age)) = age else {
        panic!("{age:?}");
    };
    assert!(age.abs_diff(60_000) <= 1, "{age}");
    assert_eq!(model.high_watermark(&key()), Some(world.log_end));
}

/// A model that has measured for a while, and the world it is of.
fn measured() -> (World, LoadModel) {
    let (mut world, mut model) = (World::new(5_000.0), LoadModel::default());
    for _ in 0..200 {
        world.pass(5_000);
        world.tell(&mut model, false);
    }
    (world, model)
}

#[test]
fn rates_that_were_kept_are_useful_with_the_first_answers_and_age_by_the_pause() {
    let (mut world, before) = measured();
    let kept = before.keep(100);
    assert_eq!(kept.partitions(), 1);
    // The next process looks half a minute later, when everything is twice as much.
    world.pass(30_000);
    world.bytes_per_second = 10_000.0;
    let mut model = LoadModel::default();
    assert!(model.resume(kept, world.now, 30_000));
    assert!(!model.is_useful(), "nobody has answered yet");
    for id in 0..2 {
        model.take(id, world.now, &world.sample(id, false));
    }
    assert!(!model.is_useful(), "one has not answered yet");
    world.tell(&mut model, false);
    assert!(model.is_useful());
    assert!((bytes_in(&model) - 5_000.0).abs() < 1.0);
    world.pass(30_000);
    world.tell(&mut model, false);
    // Half of the weight was lost in the pause, and half of the rest since: a quarter beside a half.
    assert!(
        (bytes_in(&model) - 8_333.3).abs() < 10.0,
        "{}",
        bytes_in(&model)
    );
}

#[test]
fn a_broker_that_is_gone_since_delays_no_longer_than_the_warm_up() {
    let (mut world, before) = measured();
    let mut model = LoadModel::default();
    world.dead = Some(2);
    assert!(model.resume(before.keep(100), world.now, 0));
    world.tell(&mut model, false);
    assert!(!model.is_useful());
    world.pass(WARM_UP_MS);
    world.tell(&mut model, false);
    assert!(model.is_useful());
}

#[test]
fn rates_of_long_ago_are_not_taken_up_and_newer_ones_stay() {
    let (world, before) = measured();
    let mut model = LoadModel::default();
    assert!(!model.resume(before.keep(100), world.now, FORGET_AFTER_MS));
    assert!(model.partitions().is_empty());
    let (mut world, mut newer) = measured();
    world.bytes_per_second = 500.0;
    let mut other = LoadModel::default();
    for _ in 0..20 {
        world.pass(5_000);
        world.tell(&mut other, false);
    }
    assert!(newer.resume(other.keep(100), world.now, 0));
    assert!((bytes_in(&newer) - 5_000.0).abs() < 1.0);
}

#[test]
fn the_busiest_partitions_are_kept_and_rates_that_cannot_be_are_not_taken_up() {
    let (world, before) = measured();
    assert_eq!(before.keep(0).partitions(), 0);
    for absurd in ["1e13", "-1.0"] {
        let text = serde_json::to_string(&before.keep(100)).unwrap();
        assert!(text.contains("5000.0"), "{text}");
        let kept = serde_json::from_str(&text.replace("5000.0", absurd)).unwrap();
        let mut model = LoadModel::default();
        model.resume(kept, world.now, 0);
        world.tell(&mut model, false);
        assert_eq!(bytes_in(&model), 0.0, "{absurd}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Pass(Millis),
    Move(i32),
    Restart(i32),
    Silent(Option<i32>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (600..20_000_u64).prop_map(Step::Pass),
        1 => (0..3).prop_map(Step::Move),
        1 => (0..3).prop_map(Step::Restart),
        1 => prop::option::of(0..3).prop_map(Step::Silent),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #[test]
    fn a_steady_rate_stays_through_moves_restarts_and_silence_and_is_never_more(
        steps in steps(), by_topic in any::<bool>()
    ) {
        let (mut world, mut model) = (World::new(5_000.0), LoadModel::default());
        world.tell(&mut model, by_topic);
        for step in steps {
            match step {
                Step::Pass(millis) => world.pass(millis),
                Step::Move(leader) => {
                    // A clean move at a sample, so that all that was counted is told.
                    world.tell(&mut model, by_topic);
                    world.leader = leader;
                }
                Step::Restart(id) => world.restart(id),
                Step::Silent(id) => world.dead = id,
            }
            world.tell(&mut model, by_topic);
            let found = bytes_in(&model);
            // Counters that begin anew hide what came before in that interval, so that less may be
            // seen where the run of the process tells it not; here it does, so that none is.
            prop_assert!(found == 0.0 || (found - 5_000.0).abs() < 1e-6, "{found}");
        }
        for _ in 0..4 {
            world.dead = None;
            world.pass(5_000);
            world.tell(&mut model, by_topic);
        }
        let found = bytes_in(&model);
        prop_assert!((found - 5_000.0).abs() < 1e-6, "{found}");
    }
}
