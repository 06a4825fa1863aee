//! Telling clients who leads now (KIP-951).

use std::collections::BTreeSet;

use kintsugi_node::message::shard;
use kintsugi_types::BrokerId;
use kintsugi_wire::{CurrentLeader, NodeEndpoint};

use crate::broker::Published;

/// A shard's hint in the form of the wire; `None` where nobody leads.
pub fn current_leader(hint: Option<shard::CurrentLeader>) -> Option<CurrentLeader> {
    let hint = hint?;
    Some(CurrentLeader {
        leader: hint.leader?,
        epoch: hint.epoch,
    })
}

/// Where the leaders that were hinted at listen.
pub fn node_endpoints(published: &Published, leaders: &BTreeSet<BrokerId>) -> Vec<NodeEndpoint> {
    let known = leaders.iter().filter_map(|id| {
        let registration = &published.image.brokers.get(id)?.registration;
        Some(NodeEndpoint {
            broker: *id,
            endpoint: registration.client_endpoint.clone(),
            rack: registration.rack.clone(),
        })
    });
    known.collect()
}
