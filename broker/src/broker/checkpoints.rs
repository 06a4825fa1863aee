//! The thread that writes the checkpoints of offsets, so that no shard waits for them.

use std::collections::BTreeMap;

use kintsugi_node::directory::Checkpoints;
use kintsugi_storage::RealFileSystem;
use kintsugi_storage::checkpoint::OffsetCheckpoints;

use crate::mailbox::{Letter, Letters};
use crate::thread::IDLE_MAX;

/// One shard's newest offsets.
#[derive(Debug)]
pub struct Checkpoint {
    /// Which shard.
    pub shard: u16,
    /// Of every partition of it.
    pub offsets: OffsetCheckpoints,
}

/// Runs until every sender is gone.
pub fn run(mut files: Checkpoints<RealFileSystem>, letters: &Letters<Checkpoint>) {
    loop {
        let first = match letters.wait(IDLE_MAX) {
            Letter::Event(checkpoint) => checkpoint,
            Letter::Nothing => continue,
            Letter::Closed => return,
        };
        // Of what has waited meanwhile only the newest of each shard matters.
        let mut newest = BTreeMap::from([(first.shard, first.offsets)]);
        while let Some(next) = letters.take() {
            newest.insert(next.shard, next.offsets);
        }
        for (shard, offsets) in newest {
            if let Err(cause) = files.write(shard, offsets) {
                // The file before still stands: a restart only looks further back.
                let cause = crate::thread::chain(&cause);
                tracing::warn!(cause, "failed to write the checkpoints of offsets");
            }
        }
    }
}
