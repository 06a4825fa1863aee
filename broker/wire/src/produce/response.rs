//! Encoding the response.

use bytes::{BufMut, Bytes};
use kafka_protocol::protocol::StrBytes;
use kintsugi_types::{ErrorCode, Offset, PartitionIndex, TimestampMs};

use crate::api::ApiKey;
use crate::frame::ResponseFrame;
use crate::leader::{CurrentLeader, NodeEndpoint, put_node_endpoints};
use crate::message::{MessageError, api_of};
use crate::primitive::Encoding;
use crate::schema::response_data;

/// The first version that tells the current leader (KIP-951).
const CURRENT_LEADER_SINCE: i16 = 10;
/// The first version with error messages (KIP-467).
const ERROR_MESSAGE_SINCE: i16 = 8;
/// The first version with the log start offset.
const LOG_START_OFFSET_SINCE: i16 = 5;

/// A Produce response.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProduceResponse {
    /// What became of each partition, topic by topic.
    pub topics: Vec<ProduceTopicResponse>,
    /// How long the client was (or should be) held back.
    pub throttle_time_ms: i32,
    /// Where the leaders listen that partitions name; told from version 10 on.
    pub node_endpoints: Vec<NodeEndpoint>,
}

/// The partitions of one topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProduceTopicResponse {
    /// The topic's name, as the request had it.
    pub name: StrBytes,
    /// Its partitions.
    pub partitions: Vec<ProducePartitionResponse>,
}

/// What became of one partition's batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProducePartitionResponse {
    /// Which partition.
    pub index: PartitionIndex,
    /// The error, or none.
    pub error_code: ErrorCode,
    /// The offset of the batch's first record; -1 with an error.
    pub base_offset: Offset,
    /// The time of the append under LogAppendTime, else -1.
    pub log_append_time: TimestampMs,
    /// The partition's first offset; -1 with an error.
    pub log_start_offset: Offset,
    /// What people are told about the error; told from version 8 on.
    pub error_message: Option<String>,
    /// Who leads, if it is not this broker; told from version 10 on.
    pub current_leader: Option<CurrentLeader>,
}

impl ProducePartitionResponse {
    /// An answer that nothing was appended.
    #[must_use]
    pub const fn failed(index: PartitionIndex, error_code: ErrorCode) -> Self {
        Self {
            index,
            error_code,
            base_offset: Offset(-1),
            log_append_time: TimestampMs(-1),
            log_start_offset: Offset(-1),
            error_message: None,
            current_leader: None,
        }
    }

    fn put(&self, encoding: &mut Encoding<'_>, version: i16) {
        encoding.out.put_i32(self.index.0);
        encoding.out.put_i16(self.error_code.code());
        encoding.out.put_i64(self.base_offset.0);
        encoding.out.put_i64(self.log_append_time.0);
        if version >= LOG_START_OFFSET_SINCE {
            encoding.out.put_i64(self.log_start_offset.0);
        }
        if version >= ERROR_MESSAGE_SINCE {
            // No errors of single records: a batch is taken or refused as a whole.
            encoding.array(0);
            encoding.string(self.error_message.as_deref());
        }
        match self.current_leader {
            Some(leader) if version >= CURRENT_LEADER_SINCE => {
                encoding.tagged_fields(1);
                leader.put_tagged(encoding.out, 0);
            }
            _ => encoding.tagged_fields(0),
        }
    }
}

impl ProduceResponse {
    /// Encodes a whole response frame, length field included.
    ///
    /// # Errors
    /// [`MessageError::NotInTable`] or [`MessageError::Frame`].
    pub fn encode(&self, version: i16, correlation_id: i32) -> Result<Bytes, MessageError> {
        let api = api_of(ApiKey::Produce as i16, version)?;
        let mut out = ResponseFrame::begin(api, version, correlation_id);
        let mut encoding = Encoding {
            out: &mut out,
            is_flexible: version >= response_data::PRODUCE.flexible_since,
        };
        encoding.array(self.topics.len());
        for topic in &self.topics {
            encoding.string(Some(&topic.name));
            encoding.array(topic.partitions.len());
            for partition in &topic.partitions {
                partition.put(&mut encoding, version);
            }
            encoding.tagged_fields(0);
        }
        encoding.out.put_i32(self.throttle_time_ms);
        if version >= CURRENT_LEADER_SINCE {
            put_node_endpoints(encoding.out, &self.node_endpoints);
        } else {
            encoding.tagged_fields(0);
        }
        Ok(ResponseFrame::finish(out)?)
    }
}
