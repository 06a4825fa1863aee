//! Decoding the request.

use bytes::Bytes;
use kafka_protocol::protocol::StrBytes;
use kintsugi_types::{BrokerId, LeaderEpoch, Offset, PartitionIndex};

use crate::primitive::{CodecError, Decoding, Reader};
use crate::schema::{SchemaError, request_data, validate};

/// A Fetch request. Strings share the frame's memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FetchRequest {
    /// The follower that asks; -1 for a consumer.
    pub replica_id: BrokerId,
    /// How long to wait for `min_bytes`.
    pub max_wait_ms: i32,
    /// How many bytes of records to wait for.
    pub min_bytes: i32,
    /// The most bytes of records to answer with, save for the first batch.
    pub max_bytes: i32,
    /// 0: read uncommitted, 1: read committed.
    pub isolation_level: i8,
    /// The fetch session (KIP-227); 0 for none.
    pub session_id: i32,
    /// The request's number within the session: 0 opens one, -1 uses and closes none.
    pub session_epoch: i32,
    /// The partitions asked for, or in a session those that changed.
    pub topics: Vec<FetchTopic>,
    /// The partitions to drop from the session.
    pub forgotten: Vec<ForgottenTopic>,
    /// The consumer's rack (KIP-392); empty for none.
    pub rack_id: StrBytes,
}

/// The partitions of one topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FetchTopic {
    /// The topic's name, as the client wrote it.
    pub name: StrBytes,
    /// Its partitions.
    pub partitions: Vec<FetchPartition>,
}

/// One partition asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FetchPartition {
    /// Which partition.
    pub index: PartitionIndex,
    /// The leader epoch that the client knows (KIP-320), or -1.
    pub current_leader_epoch: LeaderEpoch,
    /// Where to read from.
    pub fetch_offset: Offset,
    /// The epoch of the last record that the client has (KIP-595), or -1.
    pub last_fetched_epoch: LeaderEpoch,
    /// The follower's first offset; -1 for a consumer.
    pub log_start_offset: Offset,
    /// The most bytes of this partition.
    pub max_bytes: i32,
}

/// Partitions to drop from a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ForgottenTopic {
    /// The topic's name.
    pub name: StrBytes,
    /// Its partitions.
    pub partitions: Vec<PartitionIndex>,
}

impl FetchRequest {
    /// Decodes the body of a request.
    ///
    /// # Errors
    /// [`SchemaError`] when it is malformed or above the limits of [`crate::schema`].
    pub fn decode(version: i16, body: &Bytes) -> Result<Self, SchemaError> {
        let schema = &request_data::FETCH;
        validate(schema, version, body)?;
        let mut decoding = Decoding {
            reader: Reader::new(body),
            is_flexible: version >= schema.flexible_since,
        };
        Self::read(&mut decoding, version).map_err(|source| SchemaError::Field {
            field: "fetch request",
            source,
        })
    }

    fn read(decoding: &mut Decoding<'_>, version: i16) -> Result<Self, CodecError> {
        let replica_id = BrokerId(decoding.reader.i32()?);
        let max_wait_ms = decoding.reader.i32()?;
        let min_bytes = decoding.reader.i32()?;
        let max_bytes = decoding.reader.i32()?;
        let isolation_level = decoding.reader.i8()?;
        let (session_id, session_epoch) = if version >= 7 {
            (decoding.reader.i32()?, decoding.reader.i32()?)
        } else {
            (0, -1)
        };
        let topic_count = decoding.array(2)?;
        let mut topics = Vec::with_capacity(topic_count);
        for _ in 0..topic_count {
            topics.push(FetchTopic::read(decoding, version)?);
        }
        let forgotten_count = if version >= 7 { decoding.array(2)? } else { 0 };
        let mut forgotten = Vec::with_capacity(forgotten_count);
        for _ in 0..forgotten_count {
            forgotten.push(ForgottenTopic::read(decoding)?);
        }
        let rack_id = if version >= 11 {
            decoding.string()?
        } else {
            StrBytes::new()
        };
        decoding.tagged_fields()?;
        Ok(Self {
            replica_id,
            max_wait_ms,
            min_bytes,
            max_bytes,
            isolation_level,
            session_id,
            session_epoch,
            topics,
            forgotten,
            rack_id,
        })
    }
}

impl FetchTopic {
    fn read(decoding: &mut Decoding<'_>, version: i16) -> Result<Self, CodecError> {
        let name = decoding.string()?;
        let count = decoding.array(16)?;
        let mut partitions = Vec::with_capacity(count);
        for _ in 0..count {
            partitions.push(FetchPartition::read(decoding, version)?);
        }
        decoding.tagged_fields()?;
        Ok(Self { name, partitions })
    }
}

impl FetchPartition {
    fn read(decoding: &mut Decoding<'_>, version: i16) -> Result<Self, CodecError> {
        let epoch_since = |decoding: &mut Decoding<'_>, since| {
            if version >= since {
                decoding.reader.i32().map(LeaderEpoch)
            } else {
                Ok(LeaderEpoch::UNKNOWN)
            }
        };
        let index = PartitionIndex(decoding.reader.i32()?);
        let current_leader_epoch = epoch_since(decoding, 9)?;
        let fetch_offset = Offset(decoding.reader.i64()?);
        let last_fetched_epoch = epoch_since(decoding, 12)?;
        let log_start_offset = if version >= 5 {
            Offset(decoding.reader.i64()?)
        } else {
            Offset(-1)
        };
        let max_bytes = decoding.reader.i32()?;
        decoding.tagged_fields()?;
        Ok(Self {
            index,
            current_leader_epoch,
            fetch_offset,
            last_fetched_epoch,
            log_start_offset,
            max_bytes,
        })
    }
}

impl ForgottenTopic {
    fn read(decoding: &mut Decoding<'_>) -> Result<Self, CodecError> {
        let name = decoding.string()?;
        let count = decoding.array(4)?;
        let mut partitions = Vec::with_capacity(count);
        for _ in 0..count {
            partitions.push(PartitionIndex(decoding.reader.i32()?));
        }
        decoding.tagged_fields()?;
        Ok(Self { name, partitions })
    }
}
