//! What a replica wants done.

use std::collections::BTreeMap;

use kintsugi_types::{BrokerEpoch, BrokerId, ErrorCode, LeaderEpoch, Offset, PartitionEpoch};

/// One waiting acks=all produce; chosen by the caller, never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Ticket(pub u64);

/// What a replica wants done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// The high watermark advanced to here: consumers may read up to it, followers want to know.
    HighWatermark(Offset),
    /// A waiting produce is decided; `ErrorCode::None` means that every in-sync replica has it.
    Acknowledge {
        /// Which one.
        ticket: Ticket,
        /// What to answer.
        error: ErrorCode,
    },
    /// Ask the controller for this ISR. Answer with `Replica::isr_answered`.
    ProposeIsr(IsrProposal),
    /// Cut the log so that it ends here. Only given by a deliberate fault: truncation otherwise
    /// follows from a leader's answer.
    Truncate(Offset),
}

/// A compare-and-set change of the ISR (KIP-497).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IsrProposal {
    /// The epoch in which the proposer leads.
    pub leader_epoch: LeaderEpoch,
    /// The state that the proposal was decided from.
    pub partition_epoch: PartitionEpoch,
    /// The members, each with the broker epoch that the leader saw in its fetches, or that it is
    /// registered with if it has not fetched from this leader yet.
    pub isr: BTreeMap<BrokerId, BrokerEpoch>,
}
