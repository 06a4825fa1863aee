//! Offsets in partitions and in the metadata log.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::integer_id;

integer_id! {
    /// The offset of a record in a partition. An "end offset" is that of the next record to come.
    Offset(i64)
}

integer_id! {
    /// The index of an entry in the metadata quorum's log (Raft's index). Zero: before any entry.
    MetadataOffset(u64)
}

impl Offset {
    /// The first offset of a partition.
    pub const ZERO: Self = Self(0);

    /// This offset plus a number of records.
    #[must_use]
    pub const fn plus(self, records: i64) -> Self {
        Self(self.0.saturating_add(records))
    }

    /// How many records lie from `earlier` up to here; negative if this is the earlier one.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl MetadataOffset {
    /// The offset after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}
