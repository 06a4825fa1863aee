//! Changes of the quorum's members: asked for over HTTP, answered when they are committed.

use std::collections::BTreeMap;

use kintsugi_quorum::{ChangeError, Entry, EntryId, Member, Membership};
use kintsugi_types::{ControllerId, DirectoryId, Endpoint};

use super::Controller;
use crate::message::controller::Command;

/// The most changes that wait to be committed: the quorum takes one at a time, and what an earlier
/// leader took is lost or committed soon.
const CHANGES_WAITING_MAX: usize = 16;

/// The most controllers whose address is kept.
const ENDPOINTS_MAX: usize = 64;

/// The changes that stand in the log and are not committed yet, by whoever asked.
#[derive(Debug, Default)]
pub(super) struct Changes {
    waiting: BTreeMap<u64, EntryId>,
}

impl Changes {
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= CHANGES_WAITING_MAX
    }

    pub(super) fn accepted(&mut self, token: u64, at: EntryId) {
        self.waiting.insert(token, at);
    }

    /// An entry was committed: the change that it holds is made, one that it replaced is lost.
    pub(super) fn applied(&mut self, entry: &Entry, out: &mut Vec<Command>) {
        let index = entry.index;
        let decided = self.waiting.extract_if(.., |_, at| at.index <= index);
        for (token, at) in decided {
            let answer = match at == entry.id() {
                true => Ok(()),
                false => Err(ChangeError::NotLeader { leader: None }),
            };
            out.push(Command::ChangeAnswer { token, answer });
        }
    }

    /// What was committed meanwhile is not known one by one.
    pub(super) fn forget(&mut self, out: &mut Vec<Command>) {
        for token in std::mem::take(&mut self.waiting).into_keys() {
            let answer = Err(ChangeError::NotLeader { leader: None });
            out.push(Command::ChangeAnswer { token, answer });
        }
    }
}

impl Controller {
    /// The directory that this controller's promises are in.
    #[must_use]
    pub const fn directory(&self) -> DirectoryId {
        self.config.quorum.directory
    }

    /// The quorum's voters and learners.
    #[must_use]
    pub fn membership(&self) -> &Membership {
        self.engine.membership()
    }

    /// Where the other members listen, as far as known: whom to be connected to. What a controller
    /// said of itself comes last: one that lost its directory is silent in its new place until it
    /// is sent something, and its old word would hide the steady address for good.
    #[must_use]
    pub fn peers(&self) -> BTreeMap<ControllerId, Endpoint> {
        let membership = self.engine.membership();
        let members = membership.voters.iter().chain(&membership.learners);
        let others = members.filter(|(id, _)| **id != self.config.quorum.id);
        let endpoint = |id: &ControllerId, member: &Member| {
            let recorded = member.endpoint.as_ref();
            let steady = recorded.or_else(|| self.config.endpoints.get(id));
            steady.or_else(|| self.endpoints.get(id)).cloned()
        };
        others
            .filter_map(|(id, member)| Some((*id, endpoint(id, member)?)))
            .collect()
    }

    /// Learns where members listen from the quorum's configuration.
    pub(super) fn learn_members(&mut self, membership: &Membership) {
        let members = membership.voters.iter().chain(&membership.learners);
        for (id, member) in members {
            if let Some(endpoint) = &member.endpoint {
                self.endpoints.insert(*id, endpoint.clone());
            }
        }
    }

    /// Learns where a controller listens from its own word.
    pub(super) fn learn_endpoint(&mut self, id: ControllerId, endpoint: Endpoint) {
        let is_known = self.endpoints.contains_key(&id);
        if is_known || self.endpoints.len() < ENDPOINTS_MAX {
            self.endpoints.insert(id, endpoint);
        }
    }
}
