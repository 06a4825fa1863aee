//! Processor time by partition, which no broker measures.

use crate::Rates;

/// What a byte of each kind costs beside the others: Cruise Control's
/// `leader.network.inbound.weight.for.cpu.util`, `leader.network.outbound.weight.for.cpu.util` and
/// `follower.network.inbound.weight.for.cpu.util` (its `MonitorConfig`). They are its estimates, not
/// measurements of these brokers.
const LEADER_IN: f64 = 0.7;
const OUT: f64 = 0.15;
const FOLLOWER_IN: f64 = 0.15;

/// A request costs as much as so many bytes in: its head, its wake-ups, its answer. An estimate.
const REQUEST_BYTES: f64 = 1_024.0;

/// The work of leading a partition, in weighted bytes a second, where followers are given
/// `copied_bytes` a second.
pub fn leader_work(rates: &Rates, copied_bytes: f64) -> f64 {
    let requests = rates.produce_requests + rates.fetch_requests;
    LEADER_IN * (rates.bytes_in + requests * REQUEST_BYTES) + OUT * (rates.bytes_out + copied_bytes)
}

/// The work of following it, in the same unit.
pub fn follower_work(rates: &Rates) -> f64 {
    FOLLOWER_IN * rates.bytes_in
}

/// Cores for a unit of work, from what all brokers use and all replicas do. One value for the cluster,
/// so that a partition costs the same wherever it is moved. 0 while there is no work.
pub fn cores_per_work(cores: f64, work: f64) -> f64 {
    if work > 0.0 { cores / work } else { 0.0 }
}
