//! What came of a run.

use std::fmt;

/// What happened in a run, counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(missing_docs, reason = "each name says what is counted")]
pub struct Counts {
    pub kills: u64,
    pub power_losses: u64,
    pub freezes: u64,
    pub cuts: u64,
    pub stops: u64,
    pub clean_stops: u64,
    pub lies: u64,
    pub dial_backs: u64,
    pub streams_reset: u64,
    pub leases_expired: u64,
    pub batches_sent: u64,
    pub acknowledged: u64,
    pub produce_errors: u64,
    pub client_timeouts: u64,
    pub topics_created: u64,
    /// Moves of partitions that were begun, replaced or cancelled.
    pub moves: u64,
    pub elections: u64,
    pub truncations: u64,
    pub snapshots: u64,
    pub isr_changes: u64,
    pub excused: u64,
    pub lossy: u64,
}

impl Counts {
    /// Adds another run's.
    pub fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.kills, other.kills),
            (&mut self.power_losses, other.power_losses),
            (&mut self.freezes, other.freezes),
            (&mut self.cuts, other.cuts),
            (&mut self.stops, other.stops),
            (&mut self.clean_stops, other.clean_stops),
            (&mut self.lies, other.lies),
            (&mut self.dial_backs, other.dial_backs),
            (&mut self.streams_reset, other.streams_reset),
            (&mut self.leases_expired, other.leases_expired),
            (&mut self.batches_sent, other.batches_sent),
            (&mut self.acknowledged, other.acknowledged),
            (&mut self.produce_errors, other.produce_errors),
            (&mut self.client_timeouts, other.client_timeouts),
            (&mut self.topics_created, other.topics_created),
            (&mut self.moves, other.moves),
            (&mut self.elections, other.elections),
            (&mut self.truncations, other.truncations),
            (&mut self.snapshots, other.snapshots),
            (&mut self.isr_changes, other.isr_changes),
            (&mut self.excused, other.excused),
            (&mut self.lossy, other.lossy),
        ];
        for (mine, others) in pairs {
            *mine += others;
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "kills {} power losses {} freezes {} cuts {} stops {} ({} clean) lies {} of {} resets {} leases expired {} | sent {} acked {} errors {} timeouts {} | elections {} truncations {} snapshots {} ISR changes {} moves {} | batches excused {} lost by elections while replicas were down {}",
            self.kills,
            self.power_losses,
            self.freezes,
            self.cuts,
            self.stops,
            self.clean_stops,
            self.lies,
            self.dial_backs,
            self.streams_reset,
            self.leases_expired,
            self.batches_sent,
            self.acknowledged,
            self.produce_errors,
            self.client_timeouts,
            self.elections,
            self.truncations,
            self.snapshots,
            self.isr_changes,
            self.moves,
            self.excused,
            self.lossy,
        )
    }
}

/// What came of one run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What was violated, if anything was.
    pub violation: Option<String>,
    /// What happened.
    pub counts: Counts,
    /// How many things happened.
    pub steps: u64,
    /// A hash of all of them and of every log.
    pub trace: u64,
    /// How long it took, in simulated seconds.
    pub simulated_seconds: f64,
    /// How long healing took after the last fault, in simulated seconds.
    pub healing_seconds: f64,
    /// The last of what happened, if asked for.
    pub last: Vec<String>,
}
