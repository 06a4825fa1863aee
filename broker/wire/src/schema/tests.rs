use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable};
use proptest::prelude::*;

use super::field::{Field, Kind, Schema};
use super::*;
use crate::primitive::Writer;

/// What the protocol crate makes of a body: its encoding again, or `None` if it cannot decode it
/// or leaves bytes.
type Again = fn(Bytes, i16) -> Option<Bytes>;

fn again<M: Decodable + Encodable>(mut body: Bytes, version: i16) -> Option<Bytes> {
    let message = M::decode(&mut body, version).ok()?;
    if !body.is_empty() {
        return None;
    }
    let mut out = BytesMut::new();
    message.encode(&mut out, version).ok()?;
    Some(out.freeze())
}

struct Message {
    name: &'static str,
    schema: Schema,
    versions: std::ops::RangeInclusive<i16>,
    again: Again,
}

macro_rules! messages {
    ($($schema:ident, $versions:expr, $request:ident in $requests:ident, $response:ident in $responses:ident;)*) => {
        vec![$(
            Message {
                name: stringify!($request),
                schema: $requests::$schema,
                versions: $versions,
                again: again::<$request>,
            },
            Message {
                name: stringify!($response),
                schema: $responses::$schema,
                versions: $versions,
                again: again::<$response>,
            },
        )*]
    };
}

fn every_message() -> Vec<Message> {
    let mut every = crate_messages();
    // The crate reads these requests only below 10, where topics go by id.
    for (name, schema, again) in [
        (
            "OffsetCommitResponse",
            response_groups::OFFSET_COMMIT,
            again::<OffsetCommitResponse> as Again,
        ),
        (
            "OffsetFetchResponse",
            response_groups::OFFSET_FETCH,
            again::<OffsetFetchResponse>,
        ),
    ] {
        every.push(Message {
            name,
            schema,
            versions: 10..=10,
            again,
        });
    }
    every
}

fn crate_messages() -> Vec<Message> {
    messages! {
        PRODUCE, 3..=11, ProduceRequest in request_data, ProduceResponse in response_data;
        FETCH, 4..=12, FetchRequest in request_data, FetchResponse in response_data;
        LIST_OFFSETS, 1..=10, ListOffsetsRequest in request_data, ListOffsetsResponse in response_data;
        INIT_PRODUCER_ID, 0..=4, InitProducerIdRequest in request_data, InitProducerIdResponse in response_data;
        OFFSET_FOR_LEADER_EPOCH, 2..=4, OffsetForLeaderEpochRequest in request_data, OffsetForLeaderEpochResponse in response_data;
        METADATA, 0..=12, MetadataRequest in request_admin, MetadataResponse in response_admin;
        API_VERSIONS, 0..=4, ApiVersionsRequest in request_admin, ApiVersionsResponse in response_admin;
        CREATE_TOPICS, 2..=7, CreateTopicsRequest in request_admin, CreateTopicsResponse in response_admin;
        DELETE_TOPICS, 1..=6, DeleteTopicsRequest in request_admin, DeleteTopicsResponse in response_admin;
        CREATE_PARTITIONS, 0..=3, CreatePartitionsRequest in request_admin, CreatePartitionsResponse in response_admin;
        DESCRIBE_CONFIGS, 1..=4, DescribeConfigsRequest in request_admin, DescribeConfigsResponse in response_admin;
        ALTER_CONFIGS, 0..=2, AlterConfigsRequest in request_admin, AlterConfigsResponse in response_admin;
        INCREMENTAL_ALTER_CONFIGS, 0..=1, IncrementalAlterConfigsRequest in request_admin, IncrementalAlterConfigsResponse in response_admin;
        ALTER_PARTITION_REASSIGNMENTS, 0..=1, AlterPartitionReassignmentsRequest in request_reassignments, AlterPartitionReassignmentsResponse in response_reassignments;
        LIST_PARTITION_REASSIGNMENTS, 0..=0, ListPartitionReassignmentsRequest in request_reassignments, ListPartitionReassignmentsResponse in response_reassignments;
        DESCRIBE_CLUSTER, 0..=2, DescribeClusterRequest in request_admin, DescribeClusterResponse in response_admin;
        DELETE_RECORDS, 0..=2, DeleteRecordsRequest in request_cluster, DeleteRecordsResponse in response_cluster;
        DESCRIBE_LOG_DIRS, 1..=4, DescribeLogDirsRequest in request_cluster, DescribeLogDirsResponse in response_cluster;
        ELECT_LEADERS, 0..=2, ElectLeadersRequest in request_cluster, ElectLeadersResponse in response_cluster;
        DESCRIBE_QUORUM, 0..=2, DescribeQuorumRequest in request_cluster, DescribeQuorumResponse in response_cluster;
        UNREGISTER_BROKER, 0..=0, UnregisterBrokerRequest in request_cluster, UnregisterBrokerResponse in response_cluster;
        DESCRIBE_TOPIC_PARTITIONS, 0..=0, DescribeTopicPartitionsRequest in request_cluster, DescribeTopicPartitionsResponse in response_cluster;
        OFFSET_COMMIT, 2..=9, OffsetCommitRequest in request_groups, OffsetCommitResponse in response_groups;
        OFFSET_FETCH, 1..=9, OffsetFetchRequest in request_groups, OffsetFetchResponse in response_groups;
        FIND_COORDINATOR, 0..=4, FindCoordinatorRequest in request_groups, FindCoordinatorResponse in response_groups;
        JOIN_GROUP, 0..=9, JoinGroupRequest in request_groups, JoinGroupResponse in response_groups;
        HEARTBEAT, 0..=4, HeartbeatRequest in request_groups, HeartbeatResponse in response_groups;
        LEAVE_GROUP, 0..=5, LeaveGroupRequest in request_groups, LeaveGroupResponse in response_groups;
        SYNC_GROUP, 0..=5, SyncGroupRequest in request_groups, SyncGroupResponse in response_groups;
        DESCRIBE_GROUPS, 0..=6, DescribeGroupsRequest in request_groups, DescribeGroupsResponse in response_groups;
        LIST_GROUPS, 0..=5, ListGroupsRequest in request_groups, ListGroupsResponse in response_groups;
        DELETE_GROUPS, 0..=2, DeleteGroupsRequest in request_groups, DeleteGroupsResponse in response_groups;
        OFFSET_DELETE, 0..=0, OffsetDeleteRequest in request_groups, OffsetDeleteResponse in response_groups;
    }
}

/// Bytes to make choices from; zeros once they run out, so that every message is finite.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn next(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }
}

/// Writes a message that the schema allows, with no null unless a field is nullable.
struct Forge<'a> {
    choices: Choices<'a>,
    version: i16,
    is_flexible: bool,
    out: BytesMut,
}

impl Forge<'_> {
    fn length(&mut self, length: Option<usize>, wide: bool) {
        let length = length.map_or(-1, |length| length as i32);
        match (self.is_flexible, wide) {
            (true, _) => self.out.put_unsigned_varint((length + 1) as u32),
            (false, true) => self.out.put_i32(length),
            (false, false) => self.out.put_i16(length as i16),
        }
    }

    fn structure(&mut self, fields: &[Field]) {
        let version = self.version;
        for field in fields.iter().filter(|f| f.is_plain_in(version)) {
            self.field(field);
        }
        if !self.is_flexible {
            return;
        }
        let mut tagged: Vec<(u32, Bytes)> = Vec::new();
        for field in fields.iter().filter(|f| f.is_in(version)) {
            if let Some(tag) = field.tag
                && self.choices.next() & 1 == 1
            {
                let before = std::mem::take(&mut self.out);
                self.field(field);
                let content = std::mem::replace(&mut self.out, before);
                tagged.push((tag, content.freeze()));
            }
        }
        if self.choices.next() & 7 == 7 {
            tagged.push((99, Bytes::from_static(b"unknown")));
        }
        self.out.put_unsigned_varint(tagged.len() as u32);
        for (tag, content) in tagged {
            self.out.put_unsigned_varint(tag);
            self.out.put_unsigned_varint(content.len() as u32);
            self.out.put_slice(&content);
        }
    }

    fn field(&mut self, field: &Field) {
        let choice = self.choices.next();
        let is_null = field.is_nullable && choice & 3 == 3;
        let count = usize::from(choice >> 6);
        match field.kind {
            Kind::Fixed(1) => self.out.put_u8(choice & 1),
            Kind::Fixed(size) => {
                self.out.put_bytes(0, size - 1);
                self.out.put_u8(choice);
            }
            Kind::Text | Kind::Bytes => {
                let wide = matches!(field.kind, Kind::Bytes);
                self.length((!is_null).then_some(count), wide);
                if !is_null {
                    self.out.put_bytes(b'x', count);
                }
            }
            Kind::Array(_) | Kind::Scalars(_) if is_null => self.length(None, true),
            Kind::Array(element) => {
                self.length(Some(count), true);
                for _ in 0..count {
                    self.structure(element);
                }
            }
            Kind::Scalars(element) => {
                self.length(Some(count), true);
                for _ in 0..count {
                    self.field(&element[0]);
                }
            }
            Kind::Structure(fields) => {
                if field.is_nullable {
                    self.out.put_i8(if is_null { -1 } else { 1 });
                }
                if !is_null {
                    self.structure(fields);
                }
            }
        }
    }
}

fn has_tags(fields: &[Field]) -> bool {
    fields.iter().any(|field| match field.kind {
        _ if field.tag.is_some() => true,
        Kind::Array(inner) | Kind::Structure(inner) => has_tags(inner),
        _ => false,
    })
}

fn forge(schema: &Schema, version: i16, choices: &[u8]) -> Bytes {
    let mut forge = Forge {
        choices: Choices(choices),
        version,
        is_flexible: version >= schema.flexible_since,
        out: BytesMut::new(),
    };
    forge.structure(schema.fields);
    forge.out.freeze()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_the_schema_allows_is_what_the_protocol_crate_reads_in_every_version(
        choices in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        for message in every_message() {
            for version in message.versions {
                let body = forge(&message.schema, version, &choices);
                prop_assert_eq!(
                    validate(&message.schema, version, &body), Ok(()),
                    "{} v{}", message.name, version
                );
                let again = (message.again)(body.clone(), version);
                // A tagged field that holds its default is dropped by the crate's encoder.
                let has_tags = has_tags(message.schema.fields);
                prop_assert!(again.is_some(), "{} v{}: {:?}", message.name, version, body);
                if !has_tags {
                    prop_assert_eq!(again, Some(body), "{} v{}", message.name, version);
                }
            }
        }
    }

    #[test]
    fn a_damaged_message_is_refused_or_decodes_without_harm(
        choices in prop::collection::vec(any::<u8>(), 0..120),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        for message in every_message() {
            for version in message.versions {
                let mut body = forge(&message.schema, version, &choices).to_vec();
                for (place, byte) in &damage {
                    if !body.is_empty() {
                        let at = place.index(body.len());
                        body[at] = *byte;
                    }
                }
                let body = Bytes::from(body);
                // Decoding a forged count would end this process, so reaching the end is the test.
                if validate(&message.schema, version, &body).is_ok() {
                    let _ = (message.again)(body, version);
                }
            }
        }
    }
}

#[test]
fn a_message_cut_anywhere_is_refused_and_bytes_after_it_are_passed_over() {
    let choices: Vec<u8> = (0..200).map(|i| (i * 37) as u8).collect();
    for message in every_message() {
        for version in message.versions {
            let whole = forge(&message.schema, version, &choices);
            for end in 0..whole.len() {
                let cut = whole.slice(..end);
                assert!(
                    validate(&message.schema, version, &cut).is_err(),
                    "{} v{version} cut at {end}",
                    message.name
                );
            }
            let longer = Bytes::from([&whole[..], &[0]].concat());
            assert_eq!(validate(&message.schema, version, &longer), Ok(()));
        }
    }
}

#[test]
fn a_length_inflated_at_any_position_never_reaches_a_decoder_that_would_abort() {
    let choices: Vec<u8> = (0..200).map(|i| (i * 91) as u8).collect();
    let patterns: [&[u8]; 3] = [
        &[0x7f, 0xff, 0xff, 0xff],
        &[0xff, 0xff, 0xff, 0xff, 0x0f],
        &[0x00, 0x7f, 0xff, 0xff],
    ];
    for message in every_message() {
        for version in message.versions {
            let whole = forge(&message.schema, version, &choices);
            for at in 0..whole.len() {
                for pattern in patterns {
                    let mut body = whole.to_vec();
                    let end = (at + pattern.len()).min(body.len());
                    body[at..end].copy_from_slice(&pattern[..end - at]);
                    let body = Bytes::from(body);
                    if validate(&message.schema, version, &body).is_ok() {
                        let _ = (message.again)(body, version);
                    }
                }
            }
        }
    }
}

#[test]
fn more_elements_than_the_limit_are_refused_even_when_they_are_all_there() {
    let mut out = BytesMut::new();
    out.put_i32(ELEMENTS_MAX as i32 + 1);
    out.put_bytes(0, 2 * (ELEMENTS_MAX + 1));
    assert_eq!(
        validate(&request_admin::METADATA, 0, &out.freeze()),
        Err(SchemaError::TooManyElements {
            found: ELEMENTS_MAX + 1
        })
    );
}

#[test]
fn more_tagged_fields_than_the_limit_are_refused() {
    let mut out = BytesMut::new();
    out.put_slice(&[1, 1]);
    out.put_unsigned_varint(TAGGED_FIELDS_MAX as u32 + 1);
    assert_eq!(
        validate(&request_admin::API_VERSIONS, 3, &out.freeze()),
        Err(SchemaError::TooManyTaggedFields {
            found: TAGGED_FIELDS_MAX + 1
        })
    );
}

#[test]
fn an_element_in_memory_is_as_small_as_the_limit_counts_on() {
    let sizes = [
        size_of::<create_topics_request::CreatableTopic>(),
        size_of::<create_topics_response::CreatableTopicResult>(),
        size_of::<describe_configs_response::DescribeConfigsResourceResult>(),
        size_of::<describe_configs_response::DescribeConfigsResult>(),
        size_of::<describe_groups_response::DescribedGroup>(),
        size_of::<describe_groups_response::DescribedGroupMember>(),
        size_of::<fetch_response::PartitionData>(),
        size_of::<metadata_response::MetadataResponsePartition>(),
        size_of::<metadata_response::MetadataResponseTopic>(),
        size_of::<produce_response::PartitionProduceResponse>(),
    ];
    let largest = sizes.into_iter().max();
    assert!(largest.is_some_and(|size| size <= 256), "{sizes:?}");
}

#[test]
fn a_tag_that_is_negative_to_the_protocol_crate_is_refused() {
    // A null array of states, and one tagged field of no bytes.
    let body = Bytes::from_static(&[1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0]);
    assert_eq!(
        validate(&request_groups::LIST_GROUPS, 4, &body),
        Err(SchemaError::Tag { tag: u32::MAX })
    );
}
