//! A cluster that follows a policy through a trace.
//!
//! A broker that is asked for is paid at once and serves after the delay; one that is let go
//! stops serving at once and is paid until it is drained, after the same delay; each of them
//! moves its share of the data, charged as the delay once more in broker time. A violation is a
//! step in which the load is above what the serving brokers carry. The oracle has exactly the
//! brokers that each step's load needs, and moves them for nothing.

use std::collections::VecDeque;

use crate::trace::STEP_SECONDS;

/// What a policy sees at one step.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Milliseconds since the Unix epoch.
    pub now_ms: i64,
    /// The load, in what one broker carries.
    pub load: f64,
    /// Brokers that serve.
    pub serving: u32,
    /// Brokers that were asked for and do not serve yet.
    pub starting: u32,
}

/// Decides sizes.
pub trait Policy {
    /// The size from now on; `current` is the last one that was decided.
    fn decide(&mut self, view: View, current: u32) -> u32;
    /// Brokers that were asked for serve, or drained ones are gone, after so long.
    fn finished(&mut self, _grew: bool, _duration_ms: i64) {}
}

/// What it came to, over the scored steps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Broker-seconds that were paid, over the oracle's.
    pub cost: f64,
    /// The part of the time in violation.
    pub violation: f64,
    /// Changes of size.
    pub actions: f64,
    /// Brokers whose share of the data moved.
    pub moved_shares: f64,
}

/// The largest and smallest size.
pub const LIMITS: (u32, u32) = (1, 1_000);

/// One step's sizes, for plots.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Brokers that serve.
    pub serving: u32,
}

/// Runs a policy over `loads`; the steps before `score_from` are not scored. Each step's sizes go
/// to `record`.
pub fn run(
    policy: &mut dyn Policy,
    start_ms: i64,
    loads: &[f64],
    score_from: usize,
    delay_seconds: i64,
    mut record: impl FnMut(Sizes),
) -> Outcome {
    let delay_steps = delay_seconds.div_euclid(STEP_SECONDS).max(1) as usize;
    let mut serving = need(loads[0]).clamp(LIMITS.0, LIMITS.1);
    let mut starting: VecDeque<(usize, usize, u32)> = VecDeque::new();
    let mut draining: VecDeque<(usize, usize, u32)> = VecDeque::new();
    let (mut paid, mut oracle, mut violations) = (0.0, 0.0, 0.0);
    let mut outcome = Outcome::default();
    for (step, &load) in loads.iter().enumerate() {
        while let Some((since, _, count)) =
            starting.pop_front_if(|&mut (_, until, _)| until <= step)
        {
            serving += count;
            policy.finished(true, (step - since) as i64 * STEP_SECONDS * 1_000);
        }
        while let Some((since, _, _)) = draining.pop_front_if(|&mut (_, until, _)| until <= step) {
            policy.finished(false, (step - since) as i64 * STEP_SECONDS * 1_000);
        }
        let waiting: u32 = starting.iter().map(|(_, _, count)| count).sum();
        let view = View {
            now_ms: start_ms + step as i64 * STEP_SECONDS * 1_000,
            load,
            serving,
            starting: waiting,
        };
        let scored = step >= score_from;
        if scored {
            violations += f64::from(load > f64::from(serving));
            oracle += f64::from(need(load));
        }
        let current = serving + waiting;
        let decided = policy.decide(view, current).clamp(LIMITS.0, LIMITS.1);
        let mut moved = 0.0;
        if decided > current {
            starting.push_back((step, step + delay_steps, decided - current));
            moved = f64::from(decided - current);
        }
        if decided < current {
            // Those that do not serve yet are given up first: what they had copied is lost.
            let mut surplus = current - decided;
            while surplus > 0 {
                let Some((_, _, count)) = starting.back_mut() else {
                    break;
                };
                let dropped = surplus.min(*count);
                *count -= dropped;
                surplus -= dropped;
                if *count == 0 {
                    starting.pop_back();
                }
            }
            if surplus > 0 {
                serving -= surplus;
                draining.push_back((step, step + delay_steps, surplus));
                moved = f64::from(surplus);
            }
        }
        if scored {
            let waiting: u32 = starting.iter().map(|(_, _, count)| count).sum();
            let leaving: u32 = draining.iter().map(|(_, _, count)| count).sum();
            paid += f64::from(serving + waiting + leaving) + moved * delay_steps as f64;
            outcome.actions += f64::from(u8::from(decided != current));
            outcome.moved_shares += moved;
        }
        record(Sizes { serving });
    }
    let steps = loads.len().saturating_sub(score_from).max(1) as f64;
    outcome.cost = paid / f64::max(oracle, 1.0);
    outcome.violation = violations / steps;
    outcome
}

/// Brokers that a load needs.
pub fn need(load: f64) -> u32 {
    (load.ceil() as u32).max(1)
}
