//! Produces that wait for the in-sync replicas.

use std::collections::BTreeSet;

use kintsugi_types::{ErrorCode, Offset};

use crate::command::{Command, Ticket};

/// Waiting acks=all produces, by the high watermark that each needs.
#[derive(Debug, Default)]
pub(crate) struct Waits(BTreeSet<(Offset, Ticket)>);

impl Waits {
    pub fn insert(&mut self, required: Offset, ticket: Ticket) {
        self.0.insert((required, ticket));
    }

    pub fn remove(&mut self, ticket: Ticket) {
        self.0.retain(|(_, waiting)| *waiting != ticket);
    }

    /// Decides all that the high watermark has reached.
    pub fn reached(&mut self, high_watermark: Offset, error: ErrorCode, out: &mut Vec<Command>) {
        while let Some((required, ticket)) = self.0.first().copied() {
            if required > high_watermark {
                break;
            }
            self.0.pop_first();
            out.push(Command::Acknowledge { ticket, error });
        }
    }

    /// Decides all.
    pub fn fail_all(&mut self, error: ErrorCode, out: &mut Vec<Command>) {
        for (_, ticket) in std::mem::take(&mut self.0) {
            out.push(Command::Acknowledge { ticket, error });
        }
    }
}
