//! OffsetCommit and OffsetFetch requests, whose version 10 names topics by id (KIP-848) and is not
//! known to the protocol crate. Earlier versions go through it.
//!
//! Guarantees: what is decoded has each topic's id, and no name, from version [`BY_ID_SINCE`] on;
//! before that its name, and no id. Assumes and allocates what [`crate::schema`] allows.

use bytes::Bytes;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::{GroupId, OffsetCommitRequest, OffsetFetchRequest};
use uuid::Uuid;

use crate::message::{MessageError, decode_request};
use crate::primitive::{CodecError, Decoding, Reader};
use crate::schema::{SchemaError, request_groups, validate};

#[cfg(test)]
mod tests;

/// The first version that names topics by id.
pub const BY_ID_SINCE: i16 = 10;

/// The least bytes of an element that has a length or a count of its own.
const COUNTED_BYTES_MIN: usize = 2;

/// Decodes an OffsetCommit request.
///
/// # Errors
/// [`MessageError::Schema`] or [`MessageError::Decode`].
pub fn decode_commit(version: i16, body: &Bytes) -> Result<OffsetCommitRequest, MessageError> {
    if version < BY_ID_SINCE {
        return decode_request(version, body);
    }
    validate(&request_groups::OFFSET_COMMIT, version, body)?;
    in_field("offset commit request", commit(&mut flexible(body)))
}

/// Decodes an OffsetFetch request.
///
/// # Errors
/// [`MessageError::Schema`] or [`MessageError::Decode`].
pub fn decode_fetch(version: i16, body: &Bytes) -> Result<OffsetFetchRequest, MessageError> {
    if version < BY_ID_SINCE {
        return decode_request(version, body);
    }
    validate(&request_groups::OFFSET_FETCH, version, body)?;
    in_field("offset fetch request", fetch(&mut flexible(body)))
}

fn flexible(body: &Bytes) -> Decoding<'_> {
    Decoding {
        reader: Reader::new(body),
        is_flexible: true,
    }
}

fn in_field<T>(field: &'static str, read: Result<T, CodecError>) -> Result<T, MessageError> {
    read.map_err(|source| SchemaError::Field { field, source }.into())
}

/// The elements of an array; null is taken for none.
fn elements<T>(
    decoding: &mut Decoding<'_>,
    bytes_min: usize,
    read: impl Fn(&mut Decoding<'_>) -> Result<T, CodecError>,
) -> Result<Vec<T>, CodecError> {
    let count = decoding.array(bytes_min)?;
    (0..count).map(|_| read(decoding)).collect()
}

fn topic_id(decoding: &mut Decoding<'_>) -> Result<Uuid, CodecError> {
    Ok(Uuid::from_u128(decoding.reader.u128()?))
}

fn commit(decoding: &mut Decoding<'_>) -> Result<OffsetCommitRequest, CodecError> {
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(decoding.string()?))
        .with_generation_id_or_member_epoch(decoding.reader.i32()?)
        .with_member_id(decoding.string()?)
        .with_group_instance_id(decoding.nullable_string()?)
        .with_topics(elements(decoding, COUNTED_BYTES_MIN, commit_topic)?);
    decoding.tagged_fields()?;
    Ok(request)
}

fn commit_topic(decoding: &mut Decoding<'_>) -> Result<OffsetCommitRequestTopic, CodecError> {
    let topic = OffsetCommitRequestTopic::default()
        .with_topic_id(topic_id(decoding)?)
        .with_partitions(elements(decoding, COUNTED_BYTES_MIN, commit_partition)?);
    decoding.tagged_fields()?;
    Ok(topic)
}

fn commit_partition(
    decoding: &mut Decoding<'_>,
) -> Result<OffsetCommitRequestPartition, CodecError> {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(decoding.reader.i32()?)
        .with_committed_offset(decoding.reader.i64()?)
        .with_committed_leader_epoch(decoding.reader.i32()?)
        .with_committed_metadata(decoding.nullable_string()?);
    decoding.tagged_fields()?;
    Ok(partition)
}

fn fetch(decoding: &mut Decoding<'_>) -> Result<OffsetFetchRequest, CodecError> {
    let request = OffsetFetchRequest::default()
        .with_groups(elements(decoding, COUNTED_BYTES_MIN, fetch_group)?)
        .with_require_stable(decoding.reader.i8()? != 0);
    decoding.tagged_fields()?;
    Ok(request)
}

fn fetch_group(decoding: &mut Decoding<'_>) -> Result<OffsetFetchRequestGroup, CodecError> {
    let mut group = OffsetFetchRequestGroup::default()
        .with_group_id(GroupId(decoding.string()?))
        .with_member_id(decoding.nullable_string()?)
        .with_member_epoch(decoding.reader.i32()?);
    // Null asks for every topic, an empty array for none.
    if let Some(count) = decoding.nullable_array(COUNTED_BYTES_MIN)? {
        let topics: Result<_, _> = (0..count).map(|_| fetch_topic(decoding)).collect();
        group = group.with_topics(Some(topics?));
    } else {
        group = group.with_topics(None);
    }
    decoding.tagged_fields()?;
    Ok(group)
}

fn fetch_topic(decoding: &mut Decoding<'_>) -> Result<OffsetFetchRequestTopics, CodecError> {
    let index = |decoding: &mut Decoding<'_>| decoding.reader.i32();
    let topic = OffsetFetchRequestTopics::default()
        .with_topic_id(topic_id(decoding)?)
        .with_partition_indexes(elements(decoding, size_of::<i32>(), index)?);
    decoding.tagged_fields()?;
    Ok(topic)
}
