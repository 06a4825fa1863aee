//! A replica's high watermark never goes back within a leader epoch.
//!
//! Source: design.md, and Apache Kafka's own rule. A new leader may start with an older one, and a
//! restart begins from the checkpoint, so it holds within one epoch of one life. It goes back
//! with a log that is cut, which losses of power may force; `committed` judges what was cut.

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
        replica: ((usize, u64), PartitionId),
        epoch: LeaderEpoch,
        high_watermark: Offset,
        was_cut: bool,
    ) -> Result<(), String> {
        let ((broker, _), partition) = replica;
        match self.last.insert(replica, (epoch, high_watermark)) {
            Some((seen_in, before)) if seen_in == epoch && before > high_watermark && !was_cut => {
                Err(format!(
                    "high watermark: on broker {broker} that of {partition} went from {before} back to {high_watermark} in epoch {epoch}"
                ))
            }
            _ => Ok(()),
        }
    }
}
