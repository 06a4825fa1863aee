//! KafkaRebalance: its own observe -> validate -> decide -> act.
//!
//! The moves in flight are the quorum's reassignments. What the operator began there, and the
//! throttles it set, stand in an annotation of the resource before they are made, so that whoever
//! comes later can take them back; the plan is held in memory only, and after a restart the rest is
//! planned anew from what is there then.
//!
//! Guarantees: no move begins without approval, nor past a closed gate; a stop, a deletion and a
//! withdrawn approval take back every move that was begun and every throttle that was set; moves in
//! flight are bounded in number and bytes a broker; wiping the status changes nothing.
//! Assumes: KafkaRebalances stand in the namespace of their KafkaCluster; whoever moves partitions
//! by other means does so by the same APIs, where it is seen.
//! Never does: change how many replicas a partition has, move partitions that another tool moves,
//! delete or fence a broker.

pub mod act;
pub mod decide;
mod disks;
mod execute;
mod gates;
pub mod held;
pub mod observe;
pub mod plan;
pub mod producers;
pub(crate) mod propose;
pub mod reconcile;
mod standing;
mod status;
mod take_over;
mod throttle;
pub mod validate;
mod wind_down;

pub use gates::Gate;

#[cfg(test)]
mod tests;
