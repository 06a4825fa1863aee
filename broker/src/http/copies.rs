//! What the cluster would miss without a broker: what the operator weighs before it stops or removes
//! one.

use std::collections::BTreeMap;

use kintsugi_metadata::{ClusterSettings, Image};
use kintsugi_types::BrokerId;
use serde::Serialize;

/// Counts of the partitions that one broker should hold a copy of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Copies {
    /// Partitions that name it as a replica, also while a move adds or removes it.
    pub replicas: u32,
    /// Its copy is not in sync.
    pub lagging: u32,
    /// Its copy is in sync, and without it less than the minimum would be, until others are again.
    pub needed: u32,
    /// The same, however long one waits: there are no more copies than the minimum.
    pub needed_always: u32,
}

/// [`Copies`] of every broker that holds a replica. Costs one pass over all replicas.
pub fn copies(image: &Image, settings: &ClusterSettings) -> BTreeMap<BrokerId, Copies> {
    let mut copies: BTreeMap<BrokerId, Copies> = BTreeMap::new();
    for (id, topic) in &image.topics {
        for state in topic.partitions.values() {
            let min_isr = settings.min_isr(image, *id, state);
            for replica in &state.replicas {
                let of_broker = copies.entry(*replica).or_default();
                of_broker.replicas += 1;
                if !state.isr.contains(replica) {
                    of_broker.lagging += 1;
                } else if state.replicas.len() <= min_isr {
                    of_broker.needed_always += 1;
                } else if state.isr.len() <= min_isr {
                    of_broker.needed += 1;
                }
            }
        }
    }
    copies
}

#[cfg(test)]
mod tests;
