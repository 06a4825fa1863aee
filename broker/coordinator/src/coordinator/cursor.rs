//! A place among all groups and their offsets.

use std::ops::Bound;

use crate::group::{Group, OffsetKey, StoredOffset};
use crate::id::GroupId;

/// The first group, and the first of its offsets, that have not been looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Cursor {
    pub(super) group: GroupId,
    /// None: all of the group.
    pub(super) offset: Option<OffsetKey>,
}

impl Cursor {
    /// Before everything.
    pub(super) fn start() -> Self {
        Self {
            group: GroupId::default(),
            offset: None,
        }
    }

    pub(super) fn at(group: &GroupId, offset: &OffsetKey) -> Self {
        Self {
            group: group.clone(),
            offset: Some(offset.clone()),
        }
    }

    /// The offsets of a group, which is this one or a later one, that lie behind.
    pub(super) fn offsets_of<'a>(
        &self,
        group: &'a Group,
    ) -> impl Iterator<Item = (&'a OffsetKey, &'a StoredOffset)> + use<'a> {
        let first = match &self.offset {
            Some(key) if group.id == self.group => Bound::Included(key.clone()),
            _ => Bound::Unbounded,
        };
        group.offsets.range((first, Bound::Unbounded))
    }
}
