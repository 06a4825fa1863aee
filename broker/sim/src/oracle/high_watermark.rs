//! A replica's high watermark never goes back within a leader epoch.
//!
//! Source: design.md, and Apache Kafka's own rule. A new leader may start with an older one, and a
//! restart begins from the checkpoint, so it holds within one epoch of one life. It may go back to
//! the end of what is still promised, where losses of power took the rest.

use std::collections::BTreeMap;

use kintsugi_types::{LeaderEpoch, Offset, PartitionId};

/// The last high watermark of each replica, and in which epoch it was seen.
#[derive(Default)]
pub(super) struct HighWatermarks {
    last: BTreeMap<((usize, u64), PartitionId), (LeaderEpoch, Offset)>,
}

impl HighWatermarks {
    pub(super) fn observe(
        &mut self,
        (broker, life): (usize, u64),
        partition: PartitionId,
        epoch: LeaderEpoch,
        high_watermark: Offset,
        promised: Offset,
    ) -> Result<(), String> {
        let key = ((broker, life), partition);
        match self.last.insert(key, (epoch, high_watermark)) {
            Some((seen_in, before)) if seen_in == epoch && before > high_watermark && high_watermark < promised => Err(format!(
                "high watermark: on broker {broker} that of {partition} went from {before} back to {high_watermark} in epoch {epoch}"
            )),
            _ => Ok(()),
        }
    }
}
