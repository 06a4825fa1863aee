//! Decoding the request.

use bytes::Bytes;
use kafka_protocol::protocol::StrBytes;
use kintsugi_types::PartitionIndex;

use crate::primitive::{CodecError, Decoding, Reader};
use crate::schema::{SchemaError, request_data, validate};

/// A Produce request. Everything in it shares the frame's memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProduceRequest {
    /// The transactional id, if the producer has one.
    pub transactional_id: Option<StrBytes>,
    /// How many acknowledgements are asked for: 0, 1 or -1 (all in sync). Other numbers are
    /// INVALID_REQUIRED_ACKS.
    pub acks: i16,
    /// How long the broker may wait for followers.
    pub timeout_ms: i32,
    /// What to append.
    pub topics: Vec<ProduceTopic>,
}

/// The partitions of one topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProduceTopic {
    /// The topic's name, as the client wrote it.
    pub name: StrBytes,
    /// What to append to its partitions.
    pub partitions: Vec<ProducePartition>,
}

/// What to append to one partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProducePartition {
    /// Which partition.
    pub index: PartitionIndex,
    /// One record batch, unverified. Null is legal on the wire and an error to append.
    pub records: Option<Bytes>,
}

impl ProduceRequest {
    /// Decodes the body of a request.
    ///
    /// # Errors
    /// [`SchemaError`] when it is malformed or above the limits of [`crate::schema`].
    pub fn decode(version: i16, body: &Bytes) -> Result<Self, SchemaError> {
        let schema = &request_data::PRODUCE;
        validate(schema, version, body)?;
        let mut decoding = Decoding {
            reader: Reader::new(body),
            is_flexible: version >= schema.flexible_since,
        };
        Self::read(&mut decoding).map_err(|source| SchemaError::Field {
            field: "produce request",
            source,
        })
    }

    fn read(decoding: &mut Decoding<'_>) -> Result<Self, CodecError> {
        let transactional_id = decoding.nullable_string()?;
        let acks = decoding.reader.i16()?;
        let timeout_ms = decoding.reader.i32()?;
        let topic_count = decoding.array(2)?;
        let mut topics = Vec::with_capacity(topic_count);
        for _ in 0..topic_count {
            topics.push(ProduceTopic::read(decoding)?);
        }
        decoding.tagged_fields()?;
        Ok(Self {
            transactional_id,
            acks,
            timeout_ms,
            topics,
        })
    }
}

impl ProduceTopic {
    fn read(decoding: &mut Decoding<'_>) -> Result<Self, CodecError> {
        let name = decoding.string()?;
        let count = decoding.array(5)?;
        let mut partitions = Vec::with_capacity(count);
        for _ in 0..count {
            let index = PartitionIndex(decoding.reader.i32()?);
            let records = decoding.bytes()?;
            decoding.tagged_fields()?;
            partitions.push(ProducePartition { index, records });
        }
        decoding.tagged_fields()?;
        Ok(Self { name, partitions })
    }
}
