//! Snapshots that another process goes on with, at once, later, or damaged.

use kintsugi_forecast::{
    Brokers, Constraints, Direction, Loads, Reason, Resource, ResourceSettings, RestoreError,
    Sample, Scaler, Settings,
};
use proptest::prelude::*;

const START_MS: i64 = 1_700_000_000_000;
const STEP_MS: i64 = 15_000;
const STEPS_PER_DAY: i64 = 86_400_000 / STEP_MS;
const LIMITS: Constraints = Constraints {
    min_replicas: 1,
    max_replicas: 100,
    dry_run: false,
};

fn settings() -> Settings {
    let resource = ResourceSettings {
        capacity_per_broker: 1.0,
        target: 0.7,
    };
    Settings {
        resources: [Some(resource), None, None],
        ..Settings::default()
    }
}

fn sample(load: f64, brokers: u32) -> Sample {
    Sample {
        loads: Loads::default().with(Resource::Cpu, load),
        brokers: Brokers {
            reporting: brokers,
            missing: 0,
            unready: 0,
        },
        cpu_utilization: None,
    }
}

fn daily(step: i64) -> f64 {
    let day = step as f64 / STEPS_PER_DAY as f64;
    10.0 + 5.0 * (std::f64::consts::TAU * day).sin()
}

fn at(step: i64) -> i64 {
    START_MS + step * STEP_MS
}

/// One step with the size that was decided last; gives the next, and why.
fn step(scaler: &mut Scaler, step: i64, load: f64, size: u32) -> (u32, Reason) {
    scaler
        .observe(at(step), sample(load, size))
        .expect("a sample");
    let decision = scaler.decide(at(step), size, LIMITS).expect("limits");
    scaler.scaled(at(step), size, decision.size);
    (decision.size, decision.reason)
}

fn follow(scaler: &mut Scaler, steps: std::ops::Range<i64>, mut size: u32) -> u32 {
    for number in steps {
        (size, _) = step(scaler, number, daily(number), size);
    }
    size
}

fn written(scaler: &Scaler) -> Scaler {
    let bytes = postcard::to_allocvec(scaler).expect("serialises");
    postcard::from_bytes(&bytes).expect("deserialises")
}

fn seasoned(days: i64) -> (Scaler, u32) {
    let mut scaler = Scaler::new(settings()).expect("settings");
    scaler.scale_finished(Direction::Up, 300_000);
    let size = follow(&mut scaler, 0..days * STEPS_PER_DAY, 15);
    (scaler, size)
}

#[test]
fn taken_up_within_a_minute_it_decides_as_if_nothing_had_been_between() {
    let (mut scaler, size) = seasoned(10);
    let from = 10 * STEPS_PER_DAY;
    let mut next = Scaler::resume(written(&scaler), settings(), at(from + 1)).expect("sound");
    assert_eq!(next.observed_since_ms(), Some(START_MS));
    assert_eq!(next.learned_since_ms(), Some(START_MS - START_MS % 60_000));
    for number in from + 1..from + 400 {
        let load = daily(number);
        let decided = step(&mut scaler, number, load, size);
        assert_eq!(step(&mut next, number, load, size), decided, "{number}");
    }
}

#[test]
fn taken_up_later_it_knows_the_load_and_does_not_shrink_before_a_window_was_observed() {
    let mut scaler = Scaler::new(settings()).expect("settings");
    for number in 0..100 {
        step(&mut scaler, number, 7.0, 10);
    }
    // The load falls while nobody looks.
    let from = 100 + 90_000 / STEP_MS;
    let mut next = Scaler::resume(written(&scaler), settings(), at(from)).expect("sound");
    assert_eq!(next.observed_since_ms(), None);
    assert_eq!(next.learned_since_ms(), scaler.learned_since_ms());
    let unseen = next.decide(at(from), 10, LIMITS).expect("limits");
    assert_eq!(
        (unseen.size, unseen.reason),
        (10, Reason::NoMetrics { newest_ms: None })
    );
    for number in from..from + 300_000 / STEP_MS {
        assert_eq!(step(&mut next, number, 1.0, 10).0, 10, "{number}");
    }
    let (size, _) = step(&mut next, from + 300_000 / STEP_MS, 1.0, 10);
    assert!(size < 10, "{size}");
}

#[test]
fn after_hours_away_the_sizes_are_soon_those_of_one_that_never_was() {
    let (mut scaler, size) = seasoned(16);
    let (from, back) = (16 * STEPS_PER_DAY, 16 * STEPS_PER_DAY + STEPS_PER_DAY / 3);
    let mut next = Scaler::resume(written(&scaler), settings(), at(back)).expect("sound");
    let mut stayed = follow(&mut scaler, from..back, size);
    let mut resumed = stayed;
    for number in back..back + STEPS_PER_DAY / 3 {
        (stayed, _) = step(&mut scaler, number, daily(number), stayed);
        (resumed, _) = step(&mut next, number, daily(number), resumed);
        // No size is below what the load fills: the level from before the pause is not gone by.
        assert!(f64::from(resumed) >= daily(number), "{number}: {resumed}");
        let since_back = number - back;
        if since_back > 240 {
            assert!(
                stayed.abs_diff(resumed) <= 2,
                "{number}: {stayed} {resumed}"
            );
        }
    }
    assert!(next.has_skill());
}

#[test]
fn a_snapshot_of_a_time_that_has_not_come_is_refused_unless_clocks_explain_it() {
    let (scaler, _) = seasoned(1);
    let newest = at(STEPS_PER_DAY - 1);
    let resume = |now_ms| Scaler::resume(written(&scaler), settings(), now_ms);
    assert!(resume(newest - 60_000).is_ok());
    let refused = resume(newest - 60_001).expect_err("too far ahead");
    assert!(matches!(refused, RestoreError::Ahead { .. }), "{refused}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_snapshot_is_refused_or_gives_sizes_within_the_limits(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut scaler = Scaler::new(settings()).expect("settings");
        for number in 0..300 {
            step(&mut scaler, number, 5.0, 8);
        }
        let mut bytes = postcard::to_allocvec(&scaler).expect("serialises");
        for (place, value) in flips {
            // The history is most of it, and any finite number is one; the rest is what matters.
            let at = place.index(bytes.len());
            bytes[at] = value;
        }
        let Ok(snapshot) = postcard::from_bytes::<Scaler>(&bytes) else {
            return Ok(());
        };
        let Ok(mut resumed) = Scaler::resume(snapshot, settings(), at(300)) else {
            return Ok(());
        };
        let mut size = 8;
        for number in 300..500 {
            if resumed.observe(at(number), sample(5.0, size)).is_err() {
                continue;
            }
            let decision = resumed.decide(at(number), size, LIMITS).expect("limits");
            prop_assert!((1..=100).contains(&decision.size));
            size = decision.size;
        }
    }
}
