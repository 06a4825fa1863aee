//! The thread that writes the checkpoint of high watermarks, so that no shard waits for it.

use std::collections::BTreeMap;

use kintsugi_node::directory::HighWatermarks;
use kintsugi_storage::RealFileSystem;
use kintsugi_storage::checkpoint::OffsetCheckpoint;

use crate::mailbox::{Letter, Letters};
use crate::thread::IDLE_MAX;

/// One shard's newest high watermarks.
#[derive(Debug)]
pub struct Checkpoint {
    /// Which shard.
    pub shard: u16,
    /// Of every partition of it.
    pub high_watermarks: OffsetCheckpoint,
}

/// Runs until every sender is gone.
pub fn run(mut file: HighWatermarks<RealFileSystem>, letters: &Letters<Checkpoint>) {
    loop {
        let first = match letters.wait(IDLE_MAX) {
            Letter::Event(checkpoint) => checkpoint,
            Letter::Nothing => continue,
            Letter::Closed => return,
        };
        // Of what has waited meanwhile only the newest of each shard matters.
        let mut newest = BTreeMap::from([(first.shard, first.high_watermarks)]);
        while let Some(next) = letters.take() {
            newest.insert(next.shard, next.high_watermarks);
        }
        for (shard, high_watermarks) in newest {
            if let Err(cause) = file.write(shard, high_watermarks) {
                // The file before still stands: a restart only looks further back.
                let cause = crate::thread::chain(&cause);
                tracing::warn!(cause, "failed to write the checkpoint of high watermarks");
            }
        }
    }
}
