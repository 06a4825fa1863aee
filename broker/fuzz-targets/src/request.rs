//! Requests of clients.

use bytes::Bytes;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::Request;
use kintsugi_wire::api::{ApiKey, TABLE};
use kintsugi_wire::fetch::FetchRequest;
use kintsugi_wire::frame::{LENGTH_BYTES, RequestHeader};
use kintsugi_wire::message::{MessageError, decode_request, encode_request};
use kintsugi_wire::offsets::{BY_ID_SINCE, decode_commit, decode_fetch};
use kintsugi_wire::produce::ProduceRequest;

use crate::INPUT_BYTES_MAX;

/// The first two bytes choose an API and a version out of the table, the rest is the request's
/// body: decoded as the broker does, and where that succeeds encoded and decoded again. The input
/// as a whole is also taken for a frame.
///
/// # Panics
/// When a request that was decoded is not the same after a round trip.
pub fn request(input: &[u8]) {
    if input.len() > INPUT_BYTES_MAX {
        return;
    }
    let whole = Bytes::copy_from_slice(input);
    if let Ok(header) = RequestHeader::parse(&whole) {
        body(header.api.key, header.version, &header.body);
    }
    if let [row, version, ..] = *input {
        let api = &TABLE[usize::from(row) % TABLE.len()];
        let versions = api.version_max - api.version_min + 1;
        let version = api.version_min + i16::from(version) % versions;
        body(api.key, version, &whole.slice(2..));
    }
}

/// Decodes, encodes and decodes again. The broker never encodes requests, so one whose tagged
/// fields do not fit its version is only refused.
fn again<R: Request + PartialEq + std::fmt::Debug>(version: i16, body: &Bytes) {
    let Ok(first) = decode_request::<R>(version, body) else {
        return;
    };
    let frame = match encode_request(version, 7, "fuzz", &first) {
        Ok(frame) => frame,
        Err(MessageError::Encode(_)) => return,
        Err(cause) => panic!("a decoded request has no frame: {cause}"),
    };
    let header = RequestHeader::parse(&frame.slice(LENGTH_BYTES..)).expect("a header of our own");
    let second = decode_request::<R>(version, &header.body).expect("a request of our own");
    assert_eq!(first, second, "version {version}");
}

/// Messages of the protocol crate by key; Produce and Fetch go through their own decoders.
fn body(key: ApiKey, version: i16, body: &Bytes) {
    match key {
        ApiKey::Produce => {
            // Ours takes what the protocol crate's takes (which refuses tags of later versions).
            let ours = ProduceRequest::decode(version, body).is_ok();
            let theirs = decode_request::<produce_request::ProduceRequest>(version, body).is_ok();
            assert!(ours || !theirs, "Produce version {version}");
        }
        ApiKey::Fetch => {
            let ours = FetchRequest::decode(version, body).is_ok();
            let theirs = decode_request::<fetch_request::FetchRequest>(version, body).is_ok();
            assert!(ours || !theirs, "Fetch version {version}");
        }
        ApiKey::ListOffsets => again::<ListOffsetsRequest>(version, body),
        ApiKey::Metadata => again::<MetadataRequest>(version, body),
        ApiKey::OffsetCommit if version >= BY_ID_SINCE => drop(decode_commit(version, body)),
        ApiKey::OffsetCommit => again::<OffsetCommitRequest>(version, body),
        ApiKey::OffsetFetch if version >= BY_ID_SINCE => drop(decode_fetch(version, body)),
        ApiKey::OffsetFetch => again::<OffsetFetchRequest>(version, body),
        ApiKey::FindCoordinator => again::<FindCoordinatorRequest>(version, body),
        ApiKey::JoinGroup => again::<JoinGroupRequest>(version, body),
        ApiKey::Heartbeat => again::<HeartbeatRequest>(version, body),
        ApiKey::LeaveGroup => again::<LeaveGroupRequest>(version, body),
        ApiKey::SyncGroup => again::<SyncGroupRequest>(version, body),
        ApiKey::DescribeGroups => again::<DescribeGroupsRequest>(version, body),
        ApiKey::ListGroups => again::<ListGroupsRequest>(version, body),
        ApiKey::ApiVersions => again::<ApiVersionsRequest>(version, body),
        ApiKey::CreateTopics => again::<CreateTopicsRequest>(version, body),
        ApiKey::DeleteTopics => again::<DeleteTopicsRequest>(version, body),
        ApiKey::DeleteRecords => again::<DeleteRecordsRequest>(version, body),
        ApiKey::InitProducerId => again::<InitProducerIdRequest>(version, body),
        ApiKey::OffsetForLeaderEpoch => again::<OffsetForLeaderEpochRequest>(version, body),
        ApiKey::DescribeConfigs => again::<DescribeConfigsRequest>(version, body),
        ApiKey::AlterConfigs => again::<AlterConfigsRequest>(version, body),
        ApiKey::DescribeLogDirs => again::<DescribeLogDirsRequest>(version, body),
        ApiKey::CreatePartitions => again::<CreatePartitionsRequest>(version, body),
        ApiKey::DeleteGroups => again::<DeleteGroupsRequest>(version, body),
        ApiKey::ElectLeaders => again::<ElectLeadersRequest>(version, body),
        ApiKey::IncrementalAlterConfigs => again::<IncrementalAlterConfigsRequest>(version, body),
        ApiKey::OffsetDelete => again::<OffsetDeleteRequest>(version, body),
        ApiKey::AlterPartitionReassignments => {
            again::<AlterPartitionReassignmentsRequest>(version, body);
        }
        ApiKey::ListPartitionReassignments => {
            again::<ListPartitionReassignmentsRequest>(version, body);
        }
        ApiKey::DescribeQuorum => again::<DescribeQuorumRequest>(version, body),
        ApiKey::DescribeCluster => again::<DescribeClusterRequest>(version, body),
        ApiKey::UnregisterBroker => again::<UnregisterBrokerRequest>(version, body),
        ApiKey::DescribeTopicPartitions => again::<DescribeTopicPartitionsRequest>(version, body),
    }
}
