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

/// A change that is under way: since when, until when, how many brokers.
type Underway = VecDeque<(usize, usize, u32)>;

/// A cluster in the middle of its trace.
#[derive(Debug)]
pub struct Cluster {
    delay_steps: usize,
    serving: u32,
    starting: Underway,
    draining: Underway,
    paid: f64,
    oracle: f64,
    violations: f64,
    outcome: Outcome,
    scored_steps: usize,
}

impl Cluster {
    /// With exactly what the first load needs.
    pub fn new(first_load: f64, delay_seconds: i64) -> Self {
        Cluster {
            delay_steps: delay_seconds.div_euclid(STEP_SECONDS).max(1) as usize,
            serving: need(first_load).clamp(LIMITS.0, LIMITS.1),
            starting: VecDeque::new(),
            draining: VecDeque::new(),
            paid: 0.0,
            oracle: 0.0,
            violations: 0.0,
            outcome: Outcome::default(),
            scored_steps: 0,
        }
    }

    /// Goes through one step, at `now_ms`; gives the brokers that serve after it.
    pub fn step(
        &mut self,
        policy: &mut dyn Policy,
        (step, now_ms): (usize, i64),
        load: f64,
        scored: bool,
    ) -> Sizes {
        self.finish(policy, step);
        let waiting = count(&self.starting);
        let view = View {
            now_ms,
            load,
            serving: self.serving,
            starting: waiting,
        };
        if scored {
            self.violations += f64::from(load > f64::from(self.serving));
            self.oracle += f64::from(need(load));
        }
        let current = self.serving + waiting;
        let decided = policy.decide(view, current).clamp(LIMITS.0, LIMITS.1);
        let moved = self.change(step, current, decided);
        if scored {
            let paid = self.serving + count(&self.starting) + count(&self.draining);
            self.paid += f64::from(paid) + moved * self.delay_steps as f64;
            self.outcome.actions += f64::from(u8::from(decided != current));
            self.outcome.moved_shares += moved;
            self.scored_steps += 1;
        }
        Sizes {
            serving: self.serving,
        }
    }

    /// What it came to until now.
    pub fn outcome(&self) -> Outcome {
        Outcome {
            cost: self.paid / f64::max(self.oracle, 1.0),
            violation: self.violations / self.scored_steps.max(1) as f64,
            ..self.outcome
        }
    }

    /// Lets serve what was started a delay ago, and go what was drained since then.
    fn finish(&mut self, policy: &mut dyn Policy, step: usize) {
        let duration_ms = |since: usize| (step - since) as i64 * STEP_SECONDS * 1_000;
        while let Some((since, _, count)) =
            (self.starting).pop_front_if(|&mut (_, until, _)| until <= step)
        {
            self.serving += count;
            policy.finished(true, duration_ms(since));
        }
        while let Some((since, _, _)) =
            (self.draining).pop_front_if(|&mut (_, until, _)| until <= step)
        {
            policy.finished(false, duration_ms(since));
        }
    }

    /// Begins a change; gives the brokers whose share of the data moves.
    fn change(&mut self, step: usize, current: u32, decided: u32) -> f64 {
        let until = step + self.delay_steps;
        if decided >= current {
            if decided > current {
                self.starting.push_back((step, until, decided - current));
            }
            return f64::from(decided - current);
        }
        // Those that do not serve yet are given up first: what they had copied is lost.
        let mut surplus = current - decided;
        while surplus > 0 {
            let Some((_, _, count)) = self.starting.back_mut() else {
                break;
            };
            let dropped = surplus.min(*count);
            *count -= dropped;
            surplus -= dropped;
            if *count == 0 {
                self.starting.pop_back();
            }
        }
        if surplus > 0 {
            self.serving -= surplus;
            self.draining.push_back((step, until, surplus));
        }
        f64::from(surplus)
    }
}

fn count(underway: &Underway) -> u32 {
    underway.iter().map(|(_, _, count)| count).sum()
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
    let mut cluster = Cluster::new(loads[0], delay_seconds);
    for (step, &load) in loads.iter().enumerate() {
        let at = (step, start_ms + step as i64 * STEP_SECONDS * 1_000);
        record(cluster.step(policy, at, load, step >= score_from));
    }
    cluster.outcome()
}

/// Brokers that a load needs.
pub fn need(load: f64) -> u32 {
    (load.ceil() as u32).max(1)
}
