//! What a shard counts: told every now and then, if there is anything to tell.

use kintsugi_storage::FileSystem;

use super::Shard;
use crate::message::shard::{Command, Counts};

impl<F: FileSystem> Shard<F> {
    /// Tells what was counted since the last time.
    pub(super) fn tell_counts(&mut self, out: &mut Vec<Command>) {
        let counts = std::mem::take(&mut self.counts);
        if counts != Counts::default() {
            out.push(Command::Counted(counts));
        }
    }
}
