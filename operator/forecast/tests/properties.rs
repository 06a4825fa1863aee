//! What holds for any samples, any times and any limits.

use kintsugi_forecast::{
    Brokers, Constraints, DecideError, Decision, Direction, Loads, Reason, Resource,
    ResourceSettings, RestoreError, Sample, SampleError, Scaler, Settings, SettingsError,
    hpa::{Behavior, ScalingRules},
};
use proptest::prelude::*;

const START_MS: i64 = 1_700_000_000_000;
const STEP_MS: i64 = 15_000;
const STEPS_PER_DAY: i64 = 86_400_000 / STEP_MS;

fn settings() -> Settings {
    Settings {
        resources: [
            Some(ResourceSettings {
                capacity_per_broker: 1.0,
                target: 0.7,
            }),
            None,
            None,
        ],
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

fn limits(min_replicas: u32, max_replicas: u32) -> Constraints {
    Constraints {
        min_replicas,
        max_replicas,
        dry_run: false,
    }
}

/// Runs a scaler over a load, scaling at once; gives the sizes after each step.
fn follow(
    scaler: &mut Scaler,
    steps: std::ops::Range<i64>,
    load: impl Fn(i64) -> f64,
    mut size: u32,
) -> Vec<u32> {
    steps
        .map(|step| {
            let now_ms = START_MS + step * STEP_MS;
            scaler
                .observe(now_ms, sample(load(step), size))
                .expect("a sample");
            let decision = scaler.decide(now_ms, size, limits(1, 100)).expect("limits");
            scaler.scaled(now_ms, size, decision.size);
            size = decision.size;
            size
        })
        .collect()
}

fn daily(step: i64) -> f64 {
    let day = step as f64 / STEPS_PER_DAY as f64;
    10.0 + 5.0 * (std::f64::consts::TAU * day).sin()
}

/// A scaler that has seen sixteen days of a daily wave.
fn seasoned() -> (Scaler, u32) {
    let mut scaler = Scaler::new(settings()).expect("settings");
    scaler.scale_finished(Direction::Up, 300_000);
    scaler.scale_finished(Direction::Down, 300_000);
    let sizes = follow(&mut scaler, 0..16 * STEPS_PER_DAY, daily, 15);
    let size = sizes.last().copied().expect("steps");
    (scaler, size)
}

fn changes(sizes: &[u32]) -> usize {
    sizes.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

/// Times that the direction of change turned.
fn turns(sizes: &[u32]) -> usize {
    let steps: Vec<bool> = (sizes.windows(2))
        .filter(|pair| pair[0] != pair[1])
        .map(|pair| pair[1] > pair[0])
        .collect();
    steps.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

#[test]
fn with_a_daily_wave_the_forecast_decides_and_turns_once_a_swing() {
    let (mut scaler, size) = seasoned();
    assert!(scaler.has_skill());
    let sizes = follow(
        &mut scaler,
        16 * STEPS_PER_DAY..20 * STEPS_PER_DAY,
        daily,
        size,
    );
    // Four days have eight swings; a turn more may lie at either end.
    assert!(turns(&sizes) <= 9, "{} turns", turns(&sizes));
    // A swing is ten brokers high, and each broker comes and goes once.
    assert!(changes(&sizes) <= 4 * 2 * 11, "{} changes", changes(&sizes));
}

#[test]
fn with_skill_the_size_follows_the_load_closer_than_the_rule_and_never_fails_it() {
    let (mut scaler, size) = seasoned();
    let steps = 16 * STEPS_PER_DAY..20 * STEPS_PER_DAY;
    let sizes = follow(&mut scaler, steps.clone(), daily, size);
    let paid: f64 = sizes.iter().copied().map(f64::from).sum();
    let by_rule: f64 = steps.clone().map(|step| (daily(step) / 0.7).ceil()).sum();
    assert!(paid < 0.9 * by_rule, "{paid} {by_rule}");
    let short = sizes
        .iter()
        .zip(steps)
        .filter(|(size, step)| daily(step + 1) > f64::from(**size))
        .count();
    assert_eq!(short, 0);
}

#[test]
fn a_load_that_is_known_for_minutes_and_not_for_an_hour_is_decided_by_forecast() {
    // A walk with a new value each half hour, on a straight line from the one before.
    let mut state = 1_u32;
    let mut level = 10.0_f64;
    let levels: Vec<f64> = (0..16 * 48 + 2)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            level += 2.0 * (f64::from(state >> 8) / f64::from(1_u32 << 24) - 0.5);
            level = level.clamp(4.0, 16.0);
            level
        })
        .collect();
    let walk = |step: i64| {
        let (row, share) = ((step / 120) as usize, (step % 120) as f64 / 120.0);
        levels[row] + share * (levels[row + 1] - levels[row])
    };
    let mut scaler = Scaler::new(settings()).expect("settings");
    scaler.scale_finished(Direction::Up, 300_000);
    scaler.scale_finished(Direction::Down, 300_000);
    follow(&mut scaler, 0..16 * STEPS_PER_DAY, walk, 15);
    assert!(scaler.has_skill());
}

#[test]
fn a_reason_is_a_sentence_with_its_numbers() {
    let (mut scaler, size) = seasoned();
    let now_ms = START_MS + 16 * STEPS_PER_DAY * STEP_MS;
    scaler
        .observe(now_ms, sample(10.0, size))
        .expect("a sample");
    let decision = scaler.decide(now_ms, size, limits(1, 100)).expect("limits");
    assert!(
        matches!(decision.reason, Reason::Forecast { .. }),
        "{:?}",
        decision.reason
    );
    let sentence = decision.reason.to_string();
    assert!(
        sentence.starts_with("in 300 s, when a change takes effect, the load is expected to fill"),
        "{sentence}"
    );

    let mut young = Scaler::new(settings()).expect("settings");
    young.observe(START_MS, sample(9.0, 10)).expect("a sample");
    let decision = young.decide(START_MS, 10, limits(1, 100)).expect("limits");
    assert_eq!(decision.size, 13);
    assert_eq!(
        decision.reason.to_string(),
        "cpu is at 90 % of what the brokers carry, the target is 70 %, which asks for 13"
    );
}

#[test]
fn a_dry_run_says_what_it_would_do_and_does_nothing() {
    let mut scaler = Scaler::new(settings()).expect("settings");
    scaler.observe(START_MS, sample(9.0, 10)).expect("a sample");
    let constraints = Constraints {
        dry_run: true,
        ..limits(1, 100)
    };
    let decision = scaler.decide(START_MS, 10, constraints).expect("limits");
    assert_eq!((decision.size, decision.wanted), (10, 13));
}

#[test]
fn lost_state_grows_at_once_but_shrinks_only_after_a_full_window() {
    let mut scaler = Scaler::new(settings()).expect("settings");
    let sizes = follow(&mut scaler, 0..40, |_| 2.0, 10);
    // 300 s are 20 steps.
    assert_eq!(sizes[..20], [10; 20]);
    assert_eq!(sizes[39], 3);
    let mut scaler = Scaler::new(settings()).expect("settings");
    assert_eq!(follow(&mut scaler, 0..1, |_| 20.0, 10), [20]);
}

#[test]
fn a_window_of_no_time_does_not_let_lost_state_shrink() {
    let mut settings = settings();
    settings.behavior.scale_down.stabilization_window_seconds = 0;
    let mut scaler = Scaler::new(settings).expect("settings");
    let now = |step: i64| START_MS + step * STEP_MS;
    scaler.observe(now(0), sample(2.0, 10)).expect("a sample");
    let decision = scaler.decide(now(0), 10, limits(1, 100)).expect("limits");
    assert_eq!(decision.size, 10);
    assert!(
        matches!(decision.reason, Reason::TooYoung { wanted: 3, .. }),
        "{:?}",
        decision.reason
    );
}

#[test]
fn an_unforeseen_step_is_answered_by_one_decision() {
    let (mut scaler, size) = seasoned();
    let at = 16 * STEPS_PER_DAY;
    let doubled = |step: i64| 2.0 * daily(step);
    let sizes = follow(&mut scaler, at..at + 1, doubled, size);
    assert!(f64::from(sizes[0]) >= doubled(at), "{sizes:?}");
}

/// Fourteen brokers' load by day and seven's by night; it changes over twenty minutes.
fn by_day(step: i64) -> f64 {
    let minute = step.rem_euclid(STEPS_PER_DAY) as f64 / 4.0;
    let rise = ((minute - 480.0) / 20.0).clamp(0.0, 1.0);
    let fall = ((minute - 1_080.0) / 20.0).clamp(0.0, 1.0);
    7.2 + 7.0 * (rise - fall)
}

#[test]
fn no_broker_is_let_go_before_the_load_has_fallen() {
    let wanted = Settings {
        emergency_target: 1.2,
        violation_price: 10.0,
        behavior: Behavior {
            scale_down: ScalingRules {
                stabilization_window_seconds: 0,
                ..Behavior::default().scale_down
            },
            ..Behavior::default()
        },
        ..settings()
    };
    let mut scaler = Scaler::new(wanted).expect("settings");
    scaler.scale_finished(Direction::Up, 300_000);
    scaler.scale_finished(Direction::Down, 300_000);
    let learned = follow(&mut scaler, 0..17 * STEPS_PER_DAY, by_day, 15);
    assert!(scaler.has_skill());
    let size = learned.last().copied().expect("steps");
    let day = 17 * STEPS_PER_DAY..18 * STEPS_PER_DAY;
    let sizes = follow(&mut scaler, day.clone(), by_day, size);
    let falls = (day.zip(sizes)).filter(|(step, _)| by_day(*step + 3) < by_day(*step));
    let early: Vec<_> =
        (falls.filter(|(step, size)| f64::from(*size) < by_day(step + 3))).collect();
    assert!(early.is_empty(), "{early:?}");
}

#[test]
fn stale_samples_keep_the_size() {
    let mut scaler = Scaler::new(settings()).expect("settings");
    let decision = scaler.decide(START_MS, 5, limits(1, 9)).expect("limits");
    assert_eq!(
        (decision.size, decision.reason),
        (5, Reason::NoMetrics { newest_ms: None })
    );
    scaler.observe(START_MS, sample(90.0, 5)).expect("a sample");
    let later = START_MS + 300_001;
    let decision = scaler.decide(later, 5, limits(1, 9)).expect("limits");
    assert_eq!(decision.size, 5);
    assert!(matches!(
        decision.reason,
        Reason::NoMetrics {
            newest_ms: Some(START_MS)
        }
    ));
}

#[test]
fn brokers_that_do_not_report_forbid_to_shrink() {
    let mut scaler = Scaler::new(settings()).expect("settings");
    let mut partial = sample(1.0, 5);
    partial.brokers.missing = 5;
    for step in 0..100 {
        let now_ms = START_MS + step * STEP_MS;
        scaler.observe(now_ms, partial).expect("a sample");
        let size = scaler
            .decide(now_ms, 10, limits(1, 100))
            .expect("limits")
            .size;
        assert!(size >= 9, "{size}");
    }
}

#[test]
fn a_snapshot_goes_on_where_it_was_and_fits_its_limit() {
    let resource = settings().resources[0];
    let all = Settings {
        resources: [resource; 3],
        ..settings()
    };
    let mut scaler = Scaler::new(all.clone()).expect("settings");
    let whole = |step: i64| Sample {
        loads: Loads([Some(daily(step)); 3]),
        ..sample(0.0, 15)
    };
    for step in 0..10 * STEPS_PER_DAY {
        scaler
            .observe(START_MS + step * STEP_MS, whole(step))
            .expect("a sample");
    }
    let bytes = postcard::to_allocvec(&scaler).expect("serialises");
    assert!(
        bytes.len() <= Scaler::MAX_STATE_BYTES,
        "{} bytes",
        bytes.len()
    );
    let snapshot: Scaler = postcard::from_bytes(&bytes).expect("deserialises");
    let mut restored = Scaler::restore(snapshot, all).expect("it is sound");
    for step in 10 * STEPS_PER_DAY..10 * STEPS_PER_DAY + 400 {
        let now_ms = START_MS + step * STEP_MS;
        let decide = |scaler: &mut Scaler| -> Decision {
            scaler.observe(now_ms, whole(step)).expect("a sample");
            scaler.decide(now_ms, 15, limits(1, 100)).expect("limits")
        };
        assert_eq!(decide(&mut scaler), decide(&mut restored), "{step}");
    }
}

#[test]
fn settings_that_contradict_themselves_are_named() {
    let scaler = Scaler::new(settings());
    let mut scaler = scaler.expect("settings");
    assert!(matches!(
        scaler.decide(START_MS, 5, limits(9, 3)),
        Err(DecideError::Settings(SettingsError::MinAboveMax {
            min: 9,
            max: 3
        }))
    ));
    assert!(matches!(
        scaler.decide(START_MS, 5, limits(0, 3)),
        Err(DecideError::Settings(_))
    ));
    let mut none = settings();
    none.resources = [None; 3];
    assert_eq!(Scaler::new(none).err(), Some(SettingsError::NoResource));
    let mut wild = settings();
    wild.emergency_target = f64::NAN;
    let message = Scaler::new(wild).expect_err("not a number").to_string();
    assert!(message.contains("the emergency target is NaN"), "{message}");
    let mut endless = settings();
    endless.behavior.scale_up.policies.clear();
    let message = Scaler::new(endless).expect_err("no policy").to_string();
    assert!(message.contains("behavior.scaleUp.policies"), "{message}");
}

/// Any number that a float can be.
fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        0.0..100.0_f64,
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(-1.0),
        Just(0.0),
        Just(1e20),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_number_and_no_time_makes_it_panic_and_sizes_stay_within_their_limits(
        steps in prop::collection::vec(
            (any_number(), any_number(), any::<u32>(), 0_u32..40, any::<u32>(), -100_000_i64..10_000_000),
            1..120,
        ),
        min in 1_u32..20,
        span in 0_u32..200,
    ) {
        let resource = settings().resources[0];
        let mut scaler = Scaler::new(Settings { resources: [resource; 3], ..settings() }).expect("settings");
        let mut now_ms = START_MS;
        let mut size = min;
        for (load, used, missing, reporting, unready, pause_ms) in steps {
            now_ms += pause_ms;
            let seen = Sample {
                loads: Loads([Some(load), None, Some(used)]),
                brokers: Brokers { reporting, missing, unready },
                cpu_utilization: Some(used),
            };
            let _ = scaler.observe(now_ms, seen);
            match scaler.decide(now_ms, size, limits(min, min + span)) {
                Ok(decision) => {
                    prop_assert!((min..=min + span).contains(&decision.size));
                    let _ = decision.reason.to_string();
                    scaler.scaled(now_ms, size, decision.size);
                    size = decision.size;
                }
                Err(error) => prop_assert!(matches!(error, DecideError::Time(_)), "{error}"),
            }
        }
        let bytes = postcard::to_allocvec(&scaler).expect("serialises");
        prop_assert!(bytes.len() <= Scaler::MAX_STATE_BYTES);
    }

    #[test]
    fn times_that_go_back_and_numbers_that_are_no_loads_leave_the_state_as_it_was(
        load in any_number(),
        back_ms in 1_i64..1_000_000,
    ) {
        let mut scaler = Scaler::new(settings()).expect("settings");
        scaler.observe(START_MS, sample(5.0, 5)).expect("a sample");
        let before = postcard::to_allocvec(&scaler).expect("serialises");
        let refused = scaler.observe(START_MS - back_ms, sample(5.0, 5));
        let went_back = matches!(refused, Err(SampleError::TimeWentBack { .. }));
        prop_assert!(went_back);
        if !(0.0..=1e21).contains(&load) {
            let refused = scaler.observe(START_MS + 1, sample(load, 5));
            let not_a_load = matches!(refused, Err(SampleError::NotALoad { field: "cpu", .. }));
            prop_assert!(not_a_load);
        }
        if !(0.0..=1e21).contains(&load) {
            prop_assert_eq!(before, postcard::to_allocvec(&scaler).expect("serialises"));
        }
    }

    #[test]
    fn damaged_snapshots_are_refused_or_harmless(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
    ) {
        let mut scaler = Scaler::new(settings()).expect("settings");
        for step in 0..200 {
            scaler.observe(START_MS + step * STEP_MS, sample(5.0, 5)).expect("a sample");
        }
        let mut bytes = postcard::to_allocvec(&scaler).expect("serialises");
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let Ok(snapshot) = postcard::from_bytes::<Scaler>(&bytes) else {
            return Ok(());
        };
        match Scaler::restore(snapshot, settings()) {
            Ok(mut restored) => {
                let now_ms = 250_000_000_000_000;
                let _ = restored.observe(now_ms, sample(5.0, 5));
                let decision = restored.decide(now_ms, 5, limits(1, 10)).expect("limits");
                prop_assert!((1..=10).contains(&decision.size));
            }
            Err(RestoreError::NotSound(_) | RestoreError::Ahead { .. }) => {}
            Err(error @ RestoreError::Settings(_)) => prop_assert!(false, "{error}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_trace_of_steps_makes_no_oscillation(
        levels in prop::collection::vec((1.0..60.0_f64, 30_i64..200), 1..6),
    ) {
        let mut scaler = Scaler::new(settings()).expect("settings");
        let mut size = 10;
        let mut from = 0;
        for (level, length) in levels {
            let sizes = follow(&mut scaler, from..from + length, |_| level, size);
            // Between two steps of the load the size goes one way.
            let mut all = vec![size];
            all.extend(&sizes);
            prop_assert!(turns(&all) <= 1, "{:?}", all);
            // And where it goes up, it goes in one decision, but for the policies' limit.
            size = sizes.last().copied().unwrap_or(size);
            from += length;
        }
    }
}
