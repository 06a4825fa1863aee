//! Who belongs to the quorum: voters and learners, each an id with a directory.
//!
//! Guarantees that the configuration in force is the latest one in the log, committed or not
//! (§4.1), and that taking entries away brings back the one before them. Every configuration
//! stands in the log whole, so that none depends on another.

use std::collections::BTreeMap;

use kintsugi_types::{ControllerId, DirectoryId, Endpoint, MetadataOffset};
use serde::{Deserialize, Serialize};

/// One controller of a quorum.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Member {
    /// The directory that holds its promises. `None`: the quorum was formed without knowing it,
    /// and it is not recorded yet.
    pub directory: Option<DirectoryId>,
    /// Where it listens, where that is not in everybody's settings.
    pub endpoint: Option<Endpoint>,
}

/// The configuration of a quorum.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Membership {
    /// Those whose votes and disks count.
    pub voters: BTreeMap<ControllerId, Member>,
    /// Those that are sent the log and become voters once they have caught up.
    pub learners: BTreeMap<ControllerId, Member>,
}

impl Membership {
    /// The configuration that a quorum is formed with.
    #[must_use]
    pub fn formed_by(voters: &BTreeMap<ControllerId, Option<DirectoryId>>) -> Self {
        let member = |directory: &Option<DirectoryId>| Member {
            directory: *directory,
            endpoint: None,
        };
        let voters = voters.iter().map(|(id, d)| (*id, member(d)));
        Self {
            voters: voters.collect(),
            learners: BTreeMap::new(),
        }
    }

    /// A voter or learner.
    #[must_use]
    pub fn member(&self, id: ControllerId) -> Option<&Member> {
        self.voters.get(&id).or_else(|| self.learners.get(&id))
    }

    /// How many voters a majority takes.
    #[must_use]
    pub fn majority(&self) -> usize {
        self.voters.len() / 2 + 1
    }

    /// Whether this id with this very directory is a voter or learner.
    pub(crate) fn names(&self, id: ControllerId, directory: DirectoryId) -> bool {
        self.member(id)
            .is_some_and(|member| member.directory == Some(directory))
    }

    /// What it counts against limits, in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        let all = self.voters.values().chain(self.learners.values());
        let sizes = all.map(|m| 64 + m.endpoint.as_ref().map_or(0, |e| e.host.len()));
        sizes.sum()
    }
}

/// One change of the configuration, as it is asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum MemberChange {
    /// Let this controller learn the log, and make it a voter when it has caught up
    /// (Kafka's AddRaftVoter, KIP-853).
    Add {
        /// Its id.
        id: ControllerId,
        /// Its directory.
        directory: DirectoryId,
        /// Where it listens, if not known from everybody's settings.
        endpoint: Option<Endpoint>,
    },
    /// Take this voter or learner away (Kafka's RemoveRaftVoter, KIP-853).
    Remove {
        /// Its id.
        id: ControllerId,
        /// Its directory, so that a voter that was added anew meanwhile stays.
        directory: DirectoryId,
    },
}

/// The configurations in a log.
#[derive(Debug)]
pub(crate) struct Memberships {
    /// The one in force at the log's base.
    base: Membership,
    /// Where it stands in the log; zero: it is the one that the quorum was formed with.
    base_index: MetadataOffset,
    changes: BTreeMap<MetadataOffset, Membership>,
    /// Counts changes of what is in force.
    version: u64,
}

impl Memberships {
    pub(crate) const fn new(base: Membership, base_index: MetadataOffset) -> Self {
        Self {
            base,
            base_index,
            changes: BTreeMap::new(),
            version: 0,
        }
    }

    /// The configuration in force.
    pub(crate) fn current(&self) -> &Membership {
        self.changes.values().next_back().unwrap_or(&self.base)
    }

    /// The entry that holds the configuration in force.
    pub(crate) fn current_index(&self) -> MetadataOffset {
        let last = self.changes.keys().next_back();
        last.copied().unwrap_or(self.base_index)
    }

    /// The configuration in force after the entry at `index`.
    pub(crate) fn at(&self, index: MetadataOffset) -> &Membership {
        let upto = self.changes.range(..=index).next_back();
        upto.map_or(&self.base, |(_, membership)| membership)
    }

    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    /// Whether any configuration in the log names this member.
    pub(crate) fn name(&self, id: ControllerId, directory: DirectoryId) -> bool {
        let mut all = self.changes.values().chain([&self.base]);
        all.any(|membership| membership.names(id, directory))
    }

    /// The log has a configuration at `index`, which is its end.
    pub(crate) fn push(&mut self, index: MetadataOffset, membership: Membership) {
        self.version += u64::from(membership != *self.current());
        self.changes.insert(index, membership);
    }

    /// Entries at or after `index` left the log.
    pub(crate) fn truncate_from(&mut self, index: MetadataOffset) {
        if !self.changes.split_off(&index).is_empty() {
            self.version += 1;
        }
    }

    /// The log's base is now at `index`.
    pub(crate) fn forget_to(&mut self, index: MetadataOffset) {
        while let Some(first) = self.changes.first_entry().filter(|e| *e.key() <= index) {
            (self.base_index, self.base) = first.remove_entry();
        }
    }

    /// The log was replaced by a snapshot that ends at `index`.
    pub(crate) fn replace(&mut self, membership: Membership, index: MetadataOffset) {
        let version = self.version + u64::from(membership != *self.current());
        *self = Self::new(membership, index);
        self.version = version;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ids: &[i32]) -> Membership {
        let voters = ids.iter().map(|id| (ControllerId(*id), None)).collect();
        Membership::formed_by(&voters)
    }

    #[test]
    fn the_latest_in_the_log_is_in_force_and_truncation_brings_back_the_one_before() {
        let at = MetadataOffset;
        let mut memberships = Memberships::new(of(&[1]), at(0));
        memberships.push(at(5), of(&[1, 2]));
        memberships.push(at(9), of(&[1, 2, 3]));
        assert_eq!(memberships.current(), &of(&[1, 2, 3]));
        assert_eq!(memberships.at(at(8)), &of(&[1, 2]));
        assert_eq!(memberships.at(at(4)), &of(&[1]));
        memberships.truncate_from(at(9));
        assert_eq!(memberships.current(), &of(&[1, 2]));
        memberships.forget_to(at(7));
        assert_eq!(memberships.current_index(), at(5));
        memberships.push(at(9), of(&[2]));
        memberships.replace(of(&[1, 2, 3]), at(20));
        assert_eq!(memberships.current(), &of(&[1, 2, 3]));
        assert_eq!(memberships.current_index(), at(20));
    }
}
