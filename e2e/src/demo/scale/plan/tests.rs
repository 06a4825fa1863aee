//! The plan and its history, and what the operator's real scaler decides by them.

use kintsugi_crds::Autoscaling;
use kintsugi_forecast::{Brokers, Direction, Loads, Reason, Resource, Sample, Scaler};
use kintsugi_operator::scale::history::{BYTES_MAX, parse};
use kintsugi_operator::scale::settings::{constraints, settings};
use kintsugi_operator::scale::training::{Shape, train};

use super::super::{LEAST, autoscaling};
use super::*;

/// How far a look is apart from the next, and after how many what is measured is half new.
const LOOK_MS: i64 = 15_000;
const HALF_LOOKS: f64 = 2.0;
const COPIES: f64 = 3.0;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

#[test]
fn the_load_rises_twice_and_falls_at_whole_minutes_that_leave_time_to_see_it_come() {
    let minute = 29_000_000 * 60;
    for second in [0, 1, 59] {
        let [rise, second_rise, fall] = Plan::at(at(minute + second)).moments();
        assert_eq!(rise, at(minute + 5 * 60));
        assert_eq!(second_rise, at(minute + 5 * 60 + SECOND_RISE * 60));
        assert_eq!(fall, at(minute + 5 * 60 + FALL * 60));
    }
}

#[test]
fn the_history_is_the_load_of_each_day_at_that_time_and_fits_a_config_map() {
    let now = at(29_000_000 * 60 + 30);
    let plan = Plan::at(now);
    let text = plan.history(now);
    assert!(text.len() < BYTES_MAX, "{}", text.len());
    let rows = parse(text.as_bytes()).unwrap();
    assert_eq!(rows.len() as i64, DAYS * MINUTES_PER_DAY);
    let newest = rows.last().unwrap();
    assert_eq!(newest.at_ms, (29_000_000 - 1) * 60_000);
    let base = BASE.appended_bytes_per_second();
    assert!(
        (newest.bytes_in / base - 1.0).abs() < 0.01,
        "today is as planned"
    );
    let all = base + MORE.appended_bytes_per_second() + MOST_LOAD.appended_bytes_per_second();
    for day in 1..DAYS {
        let peak = (plan.rise + SECOND_RISE - day * MINUTES_PER_DAY) * 60_000;
        let row = rows.iter().find(|row| row.at_ms == peak).unwrap();
        assert!(
            (row.bytes_in / all - 1.0).abs() < 0.11,
            "day {day}: {row:?}"
        );
    }
}

/// What a run is like: when it is planned, how long a broker takes to join and be filled, how far the
/// load that is measured lies from the planned one.
#[derive(Clone, Copy, Debug)]
struct Run {
    planned: Timestamp,
    join_seconds: i64,
    off: f64,
}

/// A decision: seconds after the first rise, the size, and whether the forecast decided.
#[derive(Debug)]
struct Decided {
    after: i64,
    size: u32,
    by_forecast: bool,
}

/// Twenty-five minutes of the demo, with or without the history.
fn decisions(run: Run, is_taught: bool) -> Vec<Decided> {
    let asked: Autoscaling = serde_json::from_value(autoscaling("any")).unwrap();
    let (plan, now) = (Plan::at(run.planned), run.planned);
    let mut scaler = Scaler::new(settings(&asked)).unwrap();
    if is_taught {
        let rows = parse(plan.history(now).as_bytes()).unwrap();
        let shape = Shape {
            copies: 3,
            brokers: 3,
        };
        let trained = train(&rows, shape, settings(&asked), now).unwrap();
        scaler.put_models(trained.models);
    }
    let (mut size, mut ready) = (3, 3);
    let mut under_way: Option<(i64, Direction, i64)> = None;
    // After the calm an average with a half-life of 30 s is at seven eighths.
    let mut measured = 0.875 * COPIES * BASE.appended_bytes_per_second() * run.off;
    let mut decided = Vec::new();
    // It is read some seconds after it was given.
    for look in 1..=100 {
        let at_ms = now.as_millisecond() + look * LOOK_MS;
        // A day's wave is none within half an hour of its highest point.
        let sent = COPIES * plan.bytes_in(at_ms.div_euclid(60_000)) * run.off;
        measured += (sent - measured) * (1.0 - 0.5_f64.powf(1.0 / HALF_LOOKS));
        let is_over = |(.., ends): &mut (i64, Direction, i64)| at_ms >= *ends;
        if let Some((began, direction, _)) = under_way.take_if(is_over) {
            scaler.scale_finished(direction, at_ms - began);
            ready = size;
        }
        // What is measured is not as even as what is sent.
        let wobbles = 1.0 + 0.01 * (look as f64 * 1.7).sin();
        let sample = Sample {
            loads: Loads::default().with(Resource::NetworkIn, measured * wobbles),
            brokers: Brokers {
                reporting: ready,
                missing: 0,
                unready: 0,
            },
            cpu_utilization: None,
        };
        scaler.observe(at_ms, sample).unwrap();
        let next = scaler.decide(at_ms, size, constraints(&asked)).unwrap();
        if next.size == size || under_way.is_some() {
            continue;
        }
        let (direction, seconds) = match next.size > size {
            true => (Direction::Up, run.join_seconds),
            false => (Direction::Down, 45),
        };
        scaler.scaled(at_ms, size, next.size);
        under_way = Some((at_ms, direction, at_ms + seconds * 1_000));
        size = next.size;
        decided.push(Decided {
            after: at_ms / 1_000 - plan.moments()[0].as_second(),
            size,
            by_forecast: matches!(next.reason, Reason::Forecast { .. }),
        });
    }
    decided
}

#[test]
fn with_the_history_the_forecast_decides_minutes_before_the_load_rises_and_both_brokers_leave_again()
 {
    let began = 29_512_345 * 60;
    // Other times of the week, seconds of the minute, delays, and loads than planned.
    let runs = (0..).zip([10, 15, 20, 30, 45, 60, 75, 90, 120, 10, 20, 30, 45, 90]);
    let runs = runs.map(|(run, join_seconds)| Run {
        planned: at(began + run * (31 * 3_600 + 7 * 60 + 13)),
        join_seconds,
        off: [1.0, 0.97, 1.03][run as usize % 3],
    });
    for run in runs {
        let decided = decisions(run, true);
        println!("{run:?}: {decided:?}");
        let sizes: Vec<u32> = decided.iter().map(|decided| decided.size).collect();
        assert!(sizes.starts_with(&[4, 5, 4, 3]), "{run:?}: {decided:?}");
        let [first, second, shrinks @ ..] = decided.as_slice() else {
            panic!("{decided:?}");
        };
        assert!(
            first.by_forecast && first.after < -180,
            "{run:?}: {first:?}"
        );
        // The sooner brokers join, the later one is asked for.
        let late = SECOND_RISE * 60 + 60;
        assert!(
            second.by_forecast && second.after < late,
            "{run:?}: {second:?}"
        );
        assert!(shrinks[0].after > FALL * 60, "{run:?}: {shrinks:?}");
        assert!(shrinks[1].after < FALL * 60 + 480, "{run:?}: {shrinks:?}");
    }
}

#[test]
fn without_the_history_the_rule_decides_after_the_load_has_risen() {
    let run = Run {
        planned: at(29_512_345 * 60),
        join_seconds: 75,
        off: 1.0,
    };
    let decided = decisions(run, false);
    println!("{decided:?}");
    assert!(decided.iter().all(|decided| !decided.by_forecast));
    assert!(decided[0].after >= 0, "{decided:?}");
    assert_eq!(decided.last().unwrap().size, LEAST as u32);
}
