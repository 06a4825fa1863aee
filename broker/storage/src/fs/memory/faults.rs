//! Faults that a test asks for.

use std::io;
use std::path::Path;

/// The faults to come. The default has none. Each countdown counts the acts that still succeed;
/// the one after them fails, once, and the countdown is over.
#[derive(Clone, Debug, Default)]
pub struct FaultPlan {
    /// Count, and fail, only acts on paths that contain this text.
    pub path_contains: Option<String>,
    /// A write fails after a drawn part of it was done.
    pub write_error_after: Option<u64>,
    /// A sync of a file or directory fails; what it should have made durable is lost with power,
    /// even if a later sync succeeds.
    pub sync_error_after: Option<u64>,
    /// A read fails.
    pub read_error_after: Option<u64>,
    /// The bytes of all files together above which writes fail with "no space left".
    pub capacity_bytes: Option<u64>,
    /// Reads give fewer bytes than asked for, by a draw.
    pub short_reads: bool,
    /// After so many changes (writes, lengths, syncs, creations, renames, removals) every act
    /// fails, as if the process had been stopped there, until the next crash or loss of power.
    /// Counts all paths.
    pub stop_after_mutations: Option<u64>,
}

pub(super) enum Act {
    Read,
    Write,
    Sync,
}

impl FaultPlan {
    /// Whether this act fails; counts it.
    pub(super) fn strikes(&mut self, act: &Act, path: &Path) -> bool {
        if let Some(text) = &self.path_contains
            && !path.to_string_lossy().contains(text.as_str())
        {
            return false;
        }
        let countdown = match act {
            Act::Read => &mut self.read_error_after,
            Act::Write => &mut self.write_error_after,
            Act::Sync => &mut self.sync_error_after,
        };
        match countdown {
            None => false,
            Some(0) => {
                *countdown = None;
                true
            }
            Some(left) => {
                *left -= 1;
                false
            }
        }
    }
}

pub(super) fn input_output_error() -> io::Error {
    io::Error::other("input/output error (injected)")
}
