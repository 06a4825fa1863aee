//! Who counts as a voter: an id together with the directory that holds its promises.

use kintsugi_types::{ControllerId, DirectoryId};

use super::Engine;
use crate::membership::Membership;
use crate::message::Message;

/// What a sender is to this voter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// Its votes and acknowledgements count.
    Voter,
    /// It holds a voter's id but not its directory, or says itself that it may not vote: it is
    /// sent the log, and counts in no majority.
    NonVoting,
    /// It holds the id of a voter whose directory is not recorded yet, and is in another one than
    /// at first. Its votes count nowhere and it gets none: its first directory may have promised
    /// one.
    Unrecorded,
    /// It is none of the quorum, as far as this one knows.
    Stranger,
    /// It claims to be this very voter.
    Own,
}

impl Engine {
    /// Tells who sent this, and learns a voter's directory when it is first heard from.
    pub(super) fn standing(&mut self, from: ControllerId, message: &Message) -> Standing {
        if from == self.config.id {
            return Standing::Own;
        }
        let membership = self.memberships.current();
        let Some(member) = membership.voters.get(&from) else {
            let is_learner = membership.learners.contains_key(&from);
            return match is_learner {
                true => Standing::NonVoting,
                false => Standing::Stranger,
            };
        };
        if self.config.ignores_directories() {
            return Standing::Voter;
        }
        if let Some(recorded) = member.directory {
            return match recorded == message.directory {
                true => Standing::Voter,
                false => Standing::NonVoting,
            };
        }
        if !message.voting {
            return Standing::NonVoting;
        }
        match self.hard_state.directories.get(&from).copied() {
            Some(known) if known == message.directory => Standing::Voter,
            Some(_) => Standing::Unrecorded,
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
        let recorded = self.membership().member(voter).and_then(|m| m.directory);
        if recorded.is_none() && voter == self.config.id && self.may_vote {
            return Some(self.config.directory);
        }
        recorded.or_else(|| self.hard_state.directories.get(&voter).copied())
    }

    /// Whether this one is a voter by the configuration in force: whether what its disk holds, and
    /// its own vote, count.
    #[must_use]
    pub fn is_voter(&self) -> bool {
        self.is_voter_of(self.membership())
    }

    /// Whether this one stands for election. One whose removal is not known to be committed does
    /// (§4.2.2): its log may be the only one that the others cannot refuse.
    pub(super) fn may_stand(&self) -> bool {
        self.is_voter() || self.is_voter_of(self.memberships.at(self.commit))
    }

    fn is_voter_of(&self, membership: &Membership) -> bool {
        let own = membership.voters.get(&self.config.id);
        own.is_some_and(|member| match member.directory {
            Some(recorded) => {
                recorded == self.config.directory || self.config.ignores_directories()
            }
            None => self.may_vote,
        })
    }

    /// Whether this one grants votes. A directory that never belonged to the quorum does not. One
    /// that did does, whatever its own log says of it now: the candidate knows who counts.
    #[must_use]
    pub fn may_grant(&self) -> bool {
        let (id, directory) = (self.config.id, self.config.directory);
        self.may_vote || self.memberships.name(id, directory)
    }
}
