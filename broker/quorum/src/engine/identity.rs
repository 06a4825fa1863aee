//! Who counts as a voter: an id together with the directory that holds its promises.

use kintsugi_types::bug::{Bug, is_on};
use kintsugi_types::{ControllerId, DirectoryId};

use super::Engine;
use crate::message::Message;

/// What a sender is to this voter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// Its votes and acknowledgements count.
    Voter,
    /// It holds a voter's id but not its directory, or says itself that it may not vote: it is
    /// sent the log, and counts in no majority.
    NonVoting,
    /// It is none of the quorum.
    Stranger,
}

impl Engine {
    /// Tells who sent this, and learns a voter's directory when it is first heard from.
    pub(super) fn standing(&mut self, from: ControllerId, message: &Message) -> Standing {
        let Some(configured) = self.config.voters.get(&from).copied() else {
            return Standing::Stranger;
        };
        if from == self.config.id {
            return Standing::Stranger;
        }
        if is_on(Bug::EmptyVoterVotes) {
            return Standing::Voter;
        }
        if !message.voting {
            return Standing::NonVoting;
        }
        let learned = || self.hard_state.directories.get(&from).copied();
        match configured.or_else(learned) {
            Some(known) if known == message.directory => Standing::Voter,
            Some(_) => Standing::NonVoting,
            None => {
                let directories = &mut self.hard_state.directories;
                directories.insert(from, message.directory);
                self.disk.hard_state_changed();
                Standing::Voter
            }
        }
    }

    /// The directory that a voter's promises are in, if known.
    #[must_use]
    pub fn directory_of(&self, voter: ControllerId) -> Option<DirectoryId> {
        if voter == self.config.id {
            return Some(self.config.directory);
        }
        let configured = self.config.voters.get(&voter).copied().flatten();
        configured.or_else(|| self.hard_state.directories.get(&voter).copied())
    }
}
