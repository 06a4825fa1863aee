//! Leaders change ISRs: compare-and-set on both epochs (KIP-497), with the epoch of each member
//! (KIP-903).

use std::collections::BTreeMap;

use kintsugi_types::bug::{Bug, is_on};
use kintsugi_types::{BrokerEpoch, BrokerId, ErrorCode, LeaderEpoch, PartitionEpoch, PartitionId};

use super::election::Candidates;
use super::partition_change::PartitionChange;
use crate::image::Image;
use crate::record::{MetadataRecord, PartitionState};
use crate::settings::ClusterSettings;

/// The most partitions of one request.
pub const CHANGES_MAX: usize = 10_000;

/// What a leader wants of one partition.
#[derive(Clone, Copy, Debug)]
pub struct IsrProposal<'a> {
    /// Which partition.
    pub partition: PartitionId,
    /// The epoch in which the sender leads it.
    pub leader_epoch: LeaderEpoch,
    /// The state that this was decided from.
    pub partition_epoch: PartitionEpoch,
    /// The new ISR, with the broker epoch that the leader saw of each member.
    pub isr: &'a BTreeMap<BrokerId, BrokerEpoch>,
}

/// Decides one change. `Ok(None)`: it is in force already.
///
/// # Errors
/// - `UnknownTopicOrPartition`: there is no such partition.
/// - `FencedLeaderEpoch`: the sender leads it no more.
/// - `InvalidUpdateVersion`: the state has changed since.
/// - `NotController`: the sender knows a later state than this controller.
/// - `InvalidRequest`: the sender does not lead it, the ISR names a broker that is no replica, or
///   lacks the leader and is not the rest of the ISR with somebody who can lead.
/// - `IneligibleReplica`: a member is fenced, stopping, or another incarnation than the leader saw.
pub fn alter(
    image: &Image,
    settings: &ClusterSettings,
    sender: BrokerId,
    proposal: &IsrProposal<'_>,
) -> Result<Option<MetadataRecord>, ErrorCode> {
    let partition = proposal.partition;
    let state = image
        .partition(partition)
        .ok_or(ErrorCode::UnknownTopicOrPartition)?;
    check_epochs(state, proposal)?;
    let is_member = |broker: &BrokerId| proposal.isr.contains_key(broker);
    let all_are_replicas = proposal.isr.keys().all(|b| state.replicas.contains(b));
    if state.leader != Some(sender) || !all_are_replicas {
        return Err(ErrorCode::InvalidRequest);
    }
    let is_resigning = !is_member(&sender);
    if is_resigning && !can_resign(image, state, proposal) {
        return Err(ErrorCode::InvalidRequest);
    }
    for (member, epoch) in proposal.isr {
        if !is_eligible(image, state, *member, *epoch) {
            return Err(ErrorCode::IneligibleReplica);
        }
    }
    let isr = state.replicas.iter().copied().filter(is_member).collect();
    let min_isr = settings.min_isr(image, partition.topic, state);
    let change = PartitionChange::of(state, min_isr).isr(isr).recovered();
    if is_resigning {
        let others = Candidates {
            image,
            without: Some(sender),
            with: None,
        };
        return Ok(change.lost(sender).record(partition, &others));
    }
    Ok(change.record(partition, &Candidates::of(image)))
}

/// A leader that cannot read what it has not committed yet leaves leadership, ISR and ELR to the rest
/// of the ISR, whose members hold all that is committed; one of them must be able to lead.
fn can_resign(image: &Image, state: &PartitionState, proposal: &IsrProposal<'_>) -> bool {
    let mut members = proposal.isr.keys();
    members.all(|member| state.isr.contains(member))
        && proposal.isr.keys().any(|member| image.is_active(*member))
}

fn check_epochs(state: &PartitionState, proposal: &IsrProposal<'_>) -> Result<(), ErrorCode> {
    if proposal.leader_epoch < state.leader_epoch {
        return Err(ErrorCode::FencedLeaderEpoch);
    }
    if proposal.leader_epoch > state.leader_epoch
        || proposal.partition_epoch > state.partition_epoch
    {
        return Err(ErrorCode::NotController);
    }
    if proposal.partition_epoch < state.partition_epoch {
        return Err(ErrorCode::InvalidUpdateVersion);
    }
    Ok(())
}

/// Whether this broker may be in the new ISR. A stopping one may not join, but what it alone can
/// lead stays with it.
fn is_eligible(
    image: &Image,
    state: &PartitionState,
    member: BrokerId,
    epoch: BrokerEpoch,
) -> bool {
    image.brokers.get(&member).is_some_and(|broker| {
        let may_be_stopping = state.isr.contains(&member);
        let is_in_force = broker.epoch == epoch || is_on(Bug::OldIncarnationInIsr);
        !broker.fenced && is_in_force && (may_be_stopping || !broker.stopping)
    })
}
