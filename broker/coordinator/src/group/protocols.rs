//! Which protocol (assignor) a group uses.

use std::collections::{BTreeMap, BTreeSet};

use super::{Group, GroupState};

impl Group {
    /// Whether a member that offers these would leave the group with a protocol that all know.
    pub(crate) fn accepts(&self, protocol_type: &str, offered: &BTreeSet<&str>) -> bool {
        if self.state == GroupState::Empty || self.members.is_empty() {
            return !protocol_type.is_empty() && !offered.is_empty();
        }
        self.protocol_type.as_deref() == Some(protocol_type)
            && self
                .common_protocols()
                .iter()
                .any(|name| offered.contains(name))
    }

    /// The protocol that most members prefer among those that all know; of several the first by
    /// name.
    pub(crate) fn select_protocol(&self) -> Option<String> {
        let common = self.common_protocols();
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            let mut preferred = member.protocols.iter().map(|(name, _)| name.as_str());
            if let Some(vote) = preferred.find(|name| common.contains(name)) {
                *votes.entry(vote).or_default() += 1;
            }
        }
        let most = votes.values().copied().max()?;
        let winner = votes.into_iter().find(|(_, count)| *count == most);
        winner.map(|(name, _)| name.to_owned())
    }

    fn common_protocols(&self) -> BTreeSet<&str> {
        let mut members = self.members.values();
        let Some(first) = members.next() else {
            return BTreeSet::new();
        };
        let first = first.protocols.iter().map(|(name, _)| name.as_str());
        let mut common: BTreeSet<&str> = first.collect();
        for member in members {
            common.retain(|name| member.protocols.iter().any(|(offered, _)| offered == name));
        }
        common
    }
}
