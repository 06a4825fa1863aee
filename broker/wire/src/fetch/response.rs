//! Encoding the response.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::StrBytes;
use kintsugi_types::{BrokerId, ErrorCode, Offset, PartitionIndex};

use crate::api::ApiKey;
use crate::frame::{ResponseFrame, finish_frame};
use crate::leader::CurrentLeader;
use crate::message::{MessageError, api_of};
use crate::primitive::Encoding;
use crate::schema::response_data;

/// A Fetch response.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FetchResponse {
    /// How long the client was (or should be) held back.
    pub throttle_time_ms: i32,
    /// An error of the whole request, told from version 7 on.
    pub error_code: Option<ErrorCode>,
    /// The fetch session; 0 for none.
    pub session_id: i32,
    /// The partitions, topic by topic.
    pub topics: Vec<FetchTopicResponse>,
}

/// The partitions of one topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FetchTopicResponse {
    /// The topic's name, as the request had it.
    pub name: StrBytes,
    /// Its partitions.
    pub partitions: Vec<FetchPartitionResponse>,
}

/// One partition's records.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FetchPartitionResponse {
    /// Which partition.
    pub index: PartitionIndex,
    /// The error, or none.
    pub error_code: ErrorCode,
    /// The high watermark; -1 with an error.
    pub high_watermark: Offset,
    /// Up to where transactions are decided; -1 with an error.
    pub last_stable_offset: Offset,
    /// The partition's first offset; -1 with an error.
    pub log_start_offset: Offset,
    /// The replica to read from instead (KIP-392); -1 for none. Told from version 11 on.
    pub preferred_read_replica: BrokerId,
    /// Who leads, if it is not this broker. Told in version 12.
    pub current_leader: Option<CurrentLeader>,
    /// The records, in as many slices as the log gave; sent one after the other.
    pub records: Vec<Bytes>,
}

impl FetchPartitionResponse {
    /// An answer without records because of an error.
    #[must_use]
    pub const fn failed(index: PartitionIndex, error_code: ErrorCode) -> Self {
        Self {
            index,
            error_code,
            high_watermark: Offset(-1),
            last_stable_offset: Offset(-1),
            log_start_offset: Offset(-1),
            preferred_read_replica: BrokerId(-1),
            current_leader: None,
            records: Vec::new(),
        }
    }
}

/// A frame in pieces, to be written one after the other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Segments {
    /// The pieces; none is empty.
    pub pieces: Vec<Bytes>,
    /// Their size together.
    pub size_bytes: usize,
}

impl FetchResponse {
    /// Encodes a whole response frame, length field included. Records are taken over as they are.
    ///
    /// # Errors
    /// [`MessageError::NotInTable`] or [`MessageError::Frame`].
    pub fn encode(self, version: i16, correlation_id: i32) -> Result<Segments, MessageError> {
        let api = api_of(ApiKey::Fetch as i16, version)?;
        let mut pieces = Pieces {
            out: ResponseFrame::begin(api, version, correlation_id),
            cuts: Vec::new(),
            version,
            is_flexible: version >= response_data::FETCH.flexible_since,
        };
        pieces.response(self);
        pieces.finish()
    }
}

/// Everything but the records in one buffer, and where in it the records belong.
struct Pieces {
    out: BytesMut,
    cuts: Vec<(usize, Bytes)>,
    version: i16,
    is_flexible: bool,
}

impl Pieces {
    fn encoding(&mut self) -> Encoding<'_> {
        Encoding {
            out: &mut self.out,
            is_flexible: self.is_flexible,
        }
    }

    fn response(&mut self, response: FetchResponse) {
        self.out.put_i32(response.throttle_time_ms);
        if self.version >= 7 {
            let error_code = response.error_code.unwrap_or(ErrorCode::None);
            self.out.put_i16(error_code.code());
            self.out.put_i32(response.session_id);
        }
        self.encoding().array(response.topics.len());
        for topic in response.topics {
            self.encoding().string(Some(&topic.name));
            self.encoding().array(topic.partitions.len());
            for partition in topic.partitions {
                self.partition(partition);
            }
            self.encoding().tagged_fields(0);
        }
        self.encoding().tagged_fields(0);
    }

    fn partition(&mut self, partition: FetchPartitionResponse) {
        self.out.put_i32(partition.index.0);
        self.out.put_i16(partition.error_code.code());
        self.out.put_i64(partition.high_watermark.0);
        self.out.put_i64(partition.last_stable_offset.0);
        if self.version >= 5 {
            self.out.put_i64(partition.log_start_offset.0);
        }
        // No aborted transactions: there are no transactions. Null, as Kafka has it then.
        self.encoding().wide_length(None);
        if self.version >= 11 {
            self.out.put_i32(partition.preferred_read_replica.0);
        }
        let size_bytes = partition.records.iter().map(Bytes::len).sum();
        // Never null: some clients take null for a malformed answer.
        self.encoding().wide_length(Some(size_bytes));
        for records in partition.records {
            if !records.is_empty() {
                self.cuts.push((self.out.len(), records));
            }
        }
        match partition.current_leader {
            Some(leader) if self.is_flexible => {
                self.encoding().tagged_fields(1);
                leader.put_tagged(&mut self.out, 1);
            }
            _ => self.encoding().tagged_fields(0),
        }
    }

    fn finish(mut self) -> Result<Segments, MessageError> {
        let record_bytes: usize = self.cuts.iter().map(|(_, records)| records.len()).sum();
        finish_frame(&mut self.out, record_bytes)?;
        let size_bytes = self.out.len() + record_bytes;
        let mut rest = self.out.freeze();
        let mut pieces = Vec::with_capacity(2 * self.cuts.len() + 1);
        let mut taken = 0;
        for (at, records) in self.cuts {
            if at > taken {
                pieces.push(rest.split_to(at - taken));
                taken = at;
            }
            pieces.push(records);
        }
        if !rest.is_empty() {
            pieces.push(rest);
        }
        Ok(Segments { pieces, size_bytes })
    }
}
