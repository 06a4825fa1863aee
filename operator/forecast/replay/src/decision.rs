//! `decision`: how long one decision takes, and how large what is kept is.

use std::time::Instant;

use anyhow::Result;
use kintsugi_forecast::{Brokers, Constraints, Loads, ResourceSettings, Sample, Scaler, Settings};

use crate::trace::{STEP_SECONDS, Trace};

/// Measures one decision and the state.
///
/// # Errors
/// Settings out of range.
pub fn measure() -> Result<()> {
    let resource = ResourceSettings {
        capacity_per_broker: 1.0,
        target: 0.7,
    };
    let mut scaler = Scaler::new(Settings {
        resources: [Some(resource); 3],
        ..Settings::default()
    })?;
    let constraints = Constraints {
        min_replicas: 1,
        max_replicas: 1_000,
        dry_run: false,
    };
    let steps = Trace::steps_of_days(29.0);
    let (mut observing, mut deciding, mut slowest) = (0.0, 0.0, 0.0_f64);
    let mut times = Vec::with_capacity(steps);
    let mut current = 30;
    for step in 0..steps {
        let now_ms = 1_700_000_000_000 + step as i64 * STEP_SECONDS * 1_000;
        let day = step as f64 / Trace::steps_of_days(1.0) as f64 * std::f64::consts::TAU;
        let load = 30.0 + 15.0 * day.sin();
        let sample = Sample {
            loads: Loads([Some(load); 3]),
            brokers: Brokers {
                reporting: current,
                missing: 0,
                unready: 0,
            },
            cpu_utilization: None,
        };
        let began = Instant::now();
        scaler.observe(now_ms, sample)?;
        observing += began.elapsed().as_secs_f64();
        let began = Instant::now();
        let decision = scaler.decide(now_ms, current, constraints)?;
        let took = began.elapsed().as_secs_f64();
        deciding += took;
        slowest = slowest.max(took);
        times.push(took);
        scaler.scaled(now_ms, current, decision.size);
        current = decision.size;
    }
    times.sort_by(f64::total_cmp);
    let snapshot = postcard::to_allocvec(&scaler)?;
    println!(
        "one decision by three resources: mean {:.1} us, p99 {:.1} us, worst {:.1} us of {steps} (forecast decided at \
         the end: {}); one sample: mean {:.2} us; state as a snapshot: {} bytes, at most {}",
        1e6 * deciding / steps as f64,
        1e6 * times[steps * 99 / 100],
        1e6 * slowest,
        scaler.has_skill(),
        1e6 * observing / steps as f64,
        snapshot.len(),
        Scaler::MAX_STATE_BYTES
    );
    Ok(())
}
