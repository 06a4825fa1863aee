//! What the appends that await their commit are about.

use std::collections::{BTreeMap, BTreeSet};

use super::PendingAppend;
use crate::group::OffsetKey;
use crate::id::GroupId;

/// What of one group has a record in the log that is not committed yet.
#[derive(Debug, Default)]
pub(super) struct InFlight<'a> {
    offsets: BTreeSet<&'a OffsetKey>,
    /// Its members.
    pub(super) has_group: bool,
    /// All of it.
    pub(super) has_all: bool,
}

impl InFlight<'_> {
    /// Whether an offset is written or deleted by such a record.
    pub(super) fn has_offset(&self, key: &OffsetKey) -> bool {
        self.has_all || self.offsets.contains(key)
    }
}

/// The groups that have such records.
pub(super) fn in_flight(
    appends: &BTreeMap<u64, PendingAppend>,
) -> BTreeMap<&GroupId, InFlight<'_>> {
    let mut groups: BTreeMap<&GroupId, InFlight<'_>> = BTreeMap::new();
    for append in appends.values() {
        let Some(group) = append.group() else {
            continue;
        };
        let found = groups.entry(group).or_default();
        match append {
            PendingAppend::Assignment { .. }
            | PendingAppend::Empty { .. }
            | PendingAppend::Replacement { .. } => found.has_group = true,
            PendingAppend::Offsets { commits, .. } => {
                found.offsets.extend(commits.iter().map(|(key, _)| key));
            }
            PendingAppend::Drop { keys, .. } => found.offsets.extend(keys),
            PendingAppend::Delete { .. } => (found.has_group, found.has_all) = (true, true),
            PendingAppend::Rewrite => {}
        }
    }
    groups
}
