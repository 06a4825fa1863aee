//! The thread that writes the checkpoints of offsets, so that no shard waits for them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kintsugi_node::directory::Checkpoints;
use kintsugi_storage::RealFileSystem;
use kintsugi_storage::checkpoint::{CheckpointError, OffsetCheckpoints};

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

/// How long after a failure the files are written again. 5 s: as often as a shard gives new offsets.
const RETRY: Duration = Duration::from_secs(5);

/// Runs until every sender is gone.
pub fn run(mut files: Checkpoints<RealFileSystem>, letters: &Letters<Checkpoint>) {
    let mut retry_at = None;
    loop {
        let first = match letters.wait(IDLE_MAX) {
            Letter::Event(checkpoint) => checkpoint,
            Letter::Nothing => {
                if retry_at.is_some_and(|at| Instant::now() >= at) {
                    retry_at = retry_after(files.write_newest());
                }
                continue;
            }
            Letter::Closed => return,
        };
        // Of what has waited meanwhile only the newest of each shard matters.
        let mut newest = BTreeMap::from([(first.shard, first.offsets)]);
        while let Some(next) = letters.take() {
            newest.insert(next.shard, next.offsets);
        }
        for (shard, offsets) in newest {
            retry_at = retry_after(files.write(shard, offsets));
        }
    }
}

/// When to write again: never where it succeeded. After a failure the file before still stands: a
/// restart only looks further back.
fn retry_after(written: Result<(), CheckpointError>) -> Option<Instant> {
    let cause = crate::thread::chain(&written.err()?);
    tracing::warn!(cause, "failed to write the checkpoints of offsets");
    Some(Instant::now() + RETRY)
}
