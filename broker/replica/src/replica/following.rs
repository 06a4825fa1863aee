//! What a replica does while it follows.

use kintsugi_types::Offset;

use super::{Replica, Role};
use crate::command::Command;

impl Replica {
    /// A follower appended what the leader sent, or had it all: both logs are the same up to `end`.
    pub fn followed(&mut self, leader_high_watermark: Offset, end: Offset, out: &mut Vec<Command>) {
        if let Role::Follower(_) = self.role {
            self.raise(leader_high_watermark.min(end), out);
        }
    }

    /// The log was cut and ends here now.
    pub fn truncated(&mut self, end: Offset) {
        self.high_watermark = self.high_watermark.min(end);
    }

    /// The log starts here now: everything before was committed, and is gone.
    pub fn log_start_moved(&mut self, log_start: Offset) {
        self.high_watermark = self.high_watermark.max(log_start);
    }
}
