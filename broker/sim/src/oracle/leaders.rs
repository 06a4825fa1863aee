//! At most one life of one broker leads a partition in one leader epoch.
//!
//! Source: Raft's Election Safety (§5.2) for partitions; design.md, "one (broker, incarnation) a
//! leader epoch": a restarted leader gets a new epoch even where it is the only replica.

use std::collections::BTreeMap;

use kintsugi_types::{Incarnation, LeaderEpoch, PartitionId};

/// Who led which epoch.
#[derive(Default)]
pub(super) struct Leaders {
    led: BTreeMap<(PartitionId, LeaderEpoch), (Incarnation, u64)>,
}

impl Leaders {
    /// True if this is the first that is seen of this leadership.
    pub(super) fn observe(
        &mut self,
        partition: PartitionId,
        epoch: LeaderEpoch,
        who: (Incarnation, u64),
    ) -> Result<bool, String> {
        let first = self.led.insert((partition, epoch), who);
        match first {
            Some(first) if first != who => Err(format!(
                "one leader an epoch: epoch {epoch} of {partition} is led by {} and by {}",
                first.0, who.0
            )),
            first => Ok(first.is_none()),
        }
    }
}
