//! Keys.

use bytes::{BufMut, Bytes, BytesMut};
use kintsugi_types::{PartitionIndex, TopicName};
use kintsugi_wire::primitive::{Decoding, Encoding, Reader};

use super::RecordError;
use crate::id::GroupId;

/// The version of a key that names an offset; version 0 has the same layout.
const OFFSET_COMMIT_KEY: i16 = 1;
/// The version of a key that names a group.
const GROUP_METADATA_KEY: i16 = 2;

/// What a record is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Key {
    /// A committed offset.
    Offset {
        /// Whose.
        group: GroupId,
        /// Of which topic.
        topic: TopicName,
        /// Of which partition.
        partition: PartitionIndex,
    },
    /// A group's members and assignments.
    Group(GroupId),
    /// Something of a later Kafka, by its version: not for this coordinator.
    Unknown(i16),
}

/// Reads the key of a record.
///
/// # Errors
/// [`RecordError`].
pub fn parse_key(key: &Bytes) -> Result<Key, RecordError> {
    let mut decoding = Decoding {
        reader: Reader::new(key),
        is_flexible: false,
    };
    let parsed = match decoding.reader.i16()? {
        0 | OFFSET_COMMIT_KEY => {
            let group = GroupId::of(&decoding.string()?);
            let topic = decoding.string()?;
            Key::Offset {
                group,
                topic: topic.parse().map_err(|_| RecordError::TopicName)?,
                partition: PartitionIndex(decoding.reader.i32()?),
            }
        }
        GROUP_METADATA_KEY => Key::Group(GroupId::of(&decoding.string()?)),
        version => return Ok(Key::Unknown(version)),
    };
    decoding.reader.finish()?;
    Ok(parsed)
}

pub(crate) fn offset_commit_key(
    group: &GroupId,
    topic: &TopicName,
    partition: PartitionIndex,
) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(OFFSET_COMMIT_KEY);
    let mut encoding = Encoding {
        out: &mut out,
        is_flexible: false,
    };
    encoding.string(Some(&group.0));
    encoding.string(Some(topic.as_str()));
    out.put_i32(partition.0);
    out.freeze()
}

pub(crate) fn group_metadata_key(group: &GroupId) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(GROUP_METADATA_KEY);
    let mut encoding = Encoding {
        out: &mut out,
        is_flexible: false,
    };
    encoding.string(Some(&group.0));
    out.freeze()
}
