//! What a scaler knows by a history, beside one without.

use std::f64::consts::TAU;

use kintsugi_forecast::{Constraints, Decision, ResourceSettings};

use super::*;

const SHAPE: Shape = Shape {
    copies: 3,
    brokers: 3,
};
/// Begin of the minute in which a history is read.
const NOW_MINUTE: i64 = 29_700_000;
/// What one broker receives at most.
const RECEIVES: f64 = 100e6;

fn settings() -> Settings {
    let network_in = ResourceSettings {
        capacity_per_broker: RECEIVES,
        target: 0.7,
    };
    Settings {
        resources: [None, Some(network_in), None],
        ..Settings::default()
    }
}

fn at(minute: i64) -> Timestamp {
    Timestamp::from_millisecond(minute * MS_PER_MINUTE).unwrap()
}

/// What is appended a second: a day's wave, on days that differ by up to a tenth.
fn appended(minute: i64) -> f64 {
    let day = minute.div_euclid(MINUTES_PER_DAY);
    let level = [1.0, 0.95, 1.1, 1.0, 1.05, 0.9, 1.02, 0.97][day.rem_euclid(8) as usize];
    let angle = minute as f64 / MINUTES_PER_DAY as f64 * TAU;
    level * 60e6 * (1.0 + 0.5 * angle.sin())
}

/// A row each `step` minutes of the `days` before now.
fn rows(days: i64, step: i64) -> Vec<Row> {
    let minutes = NOW_MINUTE - days * MINUTES_PER_DAY..NOW_MINUTE;
    let minutes = minutes.filter(|minute| minute.rem_euclid(step) == 0);
    let row = |minute| Row {
        at_ms: minute * MS_PER_MINUTE,
        bytes_in: appended(minute),
        bytes_out: appended(minute),
        brokers: None,
    };
    minutes.map(row).collect()
}

/// Ten minutes of load as it is measured, and the last decision.
fn live(scaler: &mut Scaler) -> Decision {
    let constraints = Constraints {
        min_replicas: 3,
        max_replicas: 8,
        dry_run: false,
    };
    let mut decision = None;
    for step in 0..40 {
        let at_ms = NOW_MINUTE * MS_PER_MINUTE + step * 15_000;
        let bytes_in = appended(at_ms.div_euclid(MS_PER_MINUTE));
        let row = Row {
            at_ms,
            bytes_in,
            bytes_out: bytes_in,
            brokers: None,
        };
        scaler.observe(at_ms, sample(&row, SHAPE)).unwrap();
        decision = Some(scaler.decide(at_ms, 3, constraints).unwrap());
    }
    decision.unwrap()
}

fn taught(rows: &[Row]) -> (Scaler, String) {
    let trained = train(rows, SHAPE, settings(), at(NOW_MINUTE)).unwrap();
    let mut scaler = Scaler::new(settings()).unwrap();
    scaler.put_models(trained.models);
    (scaler, trained.words)
}

fn refused(rows: &[Row]) -> String {
    let refused = train(rows, SHAPE, settings(), at(NOW_MINUTE));
    refused.unwrap_err().to_string()
}

#[test]
fn with_three_weeks_the_forecast_decides_within_minutes_and_without_there_is_none() {
    let (mut scaler, words) = taught(&rows(21, 1));
    let decision = live(&mut scaler);
    assert!(scaler.has_skill(), "{decision:?}");
    assert!(decision.forecast.unwrap().skill > 0.1, "{decision:?}");
    assert!(!words.contains("decides once"), "{words}");
    let mut fresh = Scaler::new(settings()).unwrap();
    assert_eq!(live(&mut fresh).forecast, None);
    assert!(!fresh.has_skill());
}

#[test]
fn three_days_give_a_forecast_that_does_not_decide_and_the_words_say_so() {
    let (mut scaler, words) = taught(&rows(3, 1));
    let decision = live(&mut scaler);
    assert_eq!(decision.forecast.unwrap().skill, 0.0, "not proven yet");
    assert!(!scaler.has_skill());
    let since = seconds(at(NOW_MINUTE - 3 * MINUTES_PER_DAY));
    let expected = format!(
        "the load is known since {since}, by 4320 rows, none left out; a forecast decides once 14 days \
         are known"
    );
    assert_eq!(words, expected);
}

#[test]
fn a_history_is_no_observation() {
    let (scaler, _) = taught(&rows(2, 1));
    assert!(scaler.learned_since_ms().is_some());
    assert_eq!(scaler.observed_since_ms(), None);
}

#[test]
fn rows_stand_for_what_would_have_been_measured() {
    let row = Row {
        at_ms: 0,
        bytes_in: 1e6,
        bytes_out: 1e6,
        brokers: Some(4),
    };
    let sample = sample(&row, SHAPE);
    let expected = Loads::default()
        .with(Resource::Cpu, 2e6)
        .with(Resource::NetworkIn, 3e6)
        .with(Resource::NetworkOut, 3e6);
    assert_eq!((sample.loads, sample.brokers.reporting), (expected, 4));
    assert_eq!(
        sample.cpu_utilization, None,
        "capacity is learned from what is measured"
    );
}

#[test]
fn a_row_holds_until_the_next_one_and_not_over_a_longer_gap() {
    let told = |next_ms| moments(30_000, next_ms).collect::<Vec<_>>();
    assert_eq!(told(Some(180_000)), [30_000, 60_000, 120_000]);
    assert_eq!(told(Some(45_000)), [30_000]);
    assert_eq!(told(None), [30_000]);
    assert_eq!(told(Some(15 * MS_PER_MINUTE)).len(), 15);
    assert_eq!(told(Some(16 * MS_PER_MINUTE)), [30_000]);
}

#[test]
fn rows_five_minutes_apart_are_known_as_long_as_rows_of_each_minute() {
    let (sparse, _) = taught(&rows(3, 5));
    let (dense, _) = taught(&rows(3, 1));
    assert_eq!(sparse.learned_since_ms(), dense.learned_since_ms());
}

#[test]
fn rows_of_before_and_ahead_are_left_out_and_counted() {
    let mut rows = rows(23, 1);
    let ahead = |minute: i64| Row {
        at_ms: (NOW_MINUTE + minute) * MS_PER_MINUTE,
        ..rows[0]
    };
    let ahead: Vec<Row> = (1..4).map(ahead).collect();
    rows.extend(ahead);
    let (_, words) = taught(&rows);
    let expected =
        "by 30240 rows, 2880 left out as older than 21 days and 3 as of a time that has not come";
    assert!(words.contains(expected), "{words}");
}

#[test]
fn what_is_too_short_or_has_gaps_everywhere_is_refused_in_numbers() {
    let said = refused(&rows(1, 1));
    assert!(
        said.starts_with("it tells 1440 minutes of the last 21 days"),
        "{said}"
    );
    // Half an hour apart: nobody knows what was between.
    let said = refused(&rows(21, 30));
    assert!(said.starts_with("it tells 1008 minutes"), "{said}");
    let mut old = rows(3, 1);
    for row in &mut old {
        row.at_ms -= 30 * MINUTES_PER_DAY * MS_PER_MINUTE;
    }
    let said = refused(&old);
    assert!(
        said.contains("4320 left out as older than 21 days"),
        "{said}"
    );
}

#[test]
fn rates_that_no_scaler_takes_are_refused() {
    let mut rows = rows(2, 1);
    rows[100].bytes_in = super::super::history::RATE_MAX;
    let shape = Shape {
        copies: u32::MAX,
        ..SHAPE
    };
    let refused = train(&rows, shape, settings(), at(NOW_MINUTE));
    assert!(
        matches!(refused, Err(TrainingError::Refused(_))),
        "{refused:?}"
    );
}
