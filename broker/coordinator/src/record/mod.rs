//! The records of `__consumer_offsets`, in Kafka's own layout (OffsetCommitKey 1, OffsetCommitValue
//! 3 and 1, GroupMetadataKey 2, GroupMetadataValue 3), so that Kafka's tools can read them.
//!
//! Guarantees: what is written is read back; any bytes are read or refused without a panic, and
//! without allocating more than they hold.

mod group_metadata;
mod key;
mod offset_commit;
#[cfg(test)]
mod tests;

pub(crate) use group_metadata::{GroupMetadata, MemberMetadata};
pub use key::{Key, parse_key};
pub(crate) use key::{group_metadata_key, offset_commit_key};
pub(crate) use offset_commit::OffsetCommit;

use kintsugi_wire::primitive::CodecError;

/// Why a record could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The bytes are not of the layout that their version says.
    #[error("failed to read group record")]
    Malformed(#[from] CodecError),
    /// The value has a version that is not read here.
    #[error(
        "failed to read group record: value version {0} is not supported, only 3 is (and 1 for offsets)"
    )]
    ValueVersion(i16),
    /// The key names a topic that cannot exist.
    #[error("failed to read group record: invalid topic name")]
    TopicName,
}

/// The version of both values, but for offsets that have a time of their own to expire at.
const VALUE_VERSION: i16 = 3;
