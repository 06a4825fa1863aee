//! Proposals of the application.

use bytes::Bytes;
use kintsugi_types::Time;

use super::{Engine, Role};
use crate::command::Command;
use crate::entry::Entry;
use crate::error::ProposeError;

impl Engine {
    pub(super) fn propose(&mut self, now: Time, commands: Vec<Bytes>, ticket: u64) {
        if let Err(reason) = self.admit(&commands) {
            self.out.push(Command::ProposalDropped { ticket, reason });
            return;
        }
        let (first, last) = self.append_commands(now, commands);
        self.out.push(Command::ProposalAccepted {
            ticket,
            term: self.hard_state.term,
            first,
            last,
        });
    }

    fn admit(&self, commands: &[Bytes]) -> Result<(), ProposeError> {
        if self.role != Role::Leader {
            let leader = self.leader;
            return Err(ProposeError::NotLeader { leader });
        }
        if let Some(transfer) = &self.transfer {
            return Err(ProposeError::Transferring { to: transfer.to });
        }
        let limits = &self.config.limits;
        let max_bytes = limits.command_bytes_max;
        let Some(size_bytes) = commands.iter().map(Bytes::len).max() else {
            return Err(ProposeError::Empty);
        };
        if size_bytes > max_bytes {
            return Err(ProposeError::CommandTooLarge {
                size_bytes,
                max_bytes,
            });
        }
        let size = |command: &Bytes| Entry::OVERHEAD_BYTES.saturating_add(command.len());
        let added = commands.iter().map(size).fold(0, usize::saturating_add);
        let waiting_bytes = self.uncommitted_bytes;
        let max_bytes = limits.uncommitted_bytes_max;
        // With nothing waiting any admissible proposal gets through, however small the limit.
        if waiting_bytes > 0 && waiting_bytes.saturating_add(added) > max_bytes {
            return Err(ProposeError::UncommittedFull {
                waiting_bytes,
                max_bytes,
            });
        }
        let log_bytes = self.log.size_bytes();
        let max_bytes = limits.log_bytes_max;
        if log_bytes.saturating_add(added) > max_bytes {
            return Err(ProposeError::LogFull {
                log_bytes,
                max_bytes,
            });
        }
        Ok(())
    }
}
