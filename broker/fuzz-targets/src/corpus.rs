//! Good inputs, written by the encoders of the project, and the files that keep them.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    CreateTopicsRequest, JoinGroupRequest, MetadataRequest, ProduceRequest, TopicName,
    join_group_request,
};
use kafka_protocol::protocol::{Request, StrBytes};
use kintsugi_metadata::record::MetadataRecord;
use kintsugi_node::message::link::{Hello, ToController};
use kintsugi_node::message::replication::{FetchClass, FetchRequest, FetchResponse};
use kintsugi_quorum::{Body, Entry, EntryId, Message, Payload};
use kintsugi_types::{
    BrokerEpoch, BrokerId, ClusterId, ControllerId, Endpoint, ErrorCode, LeaderEpoch,
    MetadataOffset, Offset, Term, TimestampMs,
};
use kintsugi_wire::api::{Api, TABLE};
use kintsugi_wire::batch::stamp;
use kintsugi_wire::frame::{LENGTH_BYTES, RequestHeader};
use kintsugi_wire::message::encode_request;
use kintsugi_wire::records::{Record, RecordHeader, build};
use serde::Serialize;

use crate::peer::directory;

/// A good input with the name of its file.
pub type Named = (String, Vec<u8>);

/// The folder of a target's files.
#[must_use]
pub fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target)
}

/// What real encoders write for a target.
#[must_use]
pub fn written(target: &str) -> Vec<Named> {
    match target {
        "request" => requests(),
        "batch" => batches(),
        "segment" => segments(),
        _ => messages(),
    }
}

/// A request as the target takes it: row, version, body.
fn request<R: Request>(version: i16, request: &R) -> Option<Named> {
    let frame = encode_request(version, 1, "c", request).ok()?;
    let header = RequestHeader::parse(&frame.slice(LENGTH_BYTES..)).ok()?;
    let row = TABLE.iter().position(|api| api.key == header.api.key)?;
    let version = u8::try_from(version - header.api.version_min).ok()?;
    let mut input = vec![u8::try_from(row).ok()?, version];
    input.extend_from_slice(&header.body);
    Some((format!("{}-v{}", header.api.name, header.version), input))
}

/// A request in the lowest and the highest version that can carry it.
fn versions<R: Request>(message: &R) -> Vec<Named> {
    let Some(api) = Api::find(R::KEY) else {
        return Vec::new();
    };
    let all = || (api.version_min..=api.version_max).filter_map(|v| request(v, message));
    let mut found: Vec<Named> = all().take(1).collect();
    found.extend(all().last());
    found.dedup();
    found
}

fn requests() -> Vec<Named> {
    let name = || TopicName(StrBytes::from_static_str("topic"));
    let asked = MetadataRequestTopic::default().with_name(Some(name()));
    let created = CreatableTopic::default()
        .with_name(name())
        .with_num_partitions(3);
    let records = build(&[record(1)]).ok();
    let partition = PartitionProduceData::default().with_records(records);
    let produced = TopicProduceData::default()
        .with_name(name())
        .with_partition_data(vec![partition]);
    let protocol = join_group_request::JoinGroupRequestProtocol::default()
        .with_name(StrBytes::from_static_str("range"))
        .with_metadata(Bytes::from_static(&[0, 1]));
    let joins = JoinGroupRequest::default().with_protocols(vec![protocol]);
    [
        versions(&MetadataRequest::default().with_topics(Some(vec![asked]))),
        versions(&CreateTopicsRequest::default().with_topics(vec![created])),
        versions(&ProduceRequest::default().with_topic_data(vec![produced])),
        versions(&joins),
        plain_requests(),
    ]
    .concat()
}

fn plain_requests() -> Vec<Named> {
    use kafka_protocol::messages as m;
    macro_rules! all {
        ($($name:ident),* $(,)?) => { [$(versions(&m::$name::default())),*].concat() };
    }
    all![
        FetchRequest,
        ListOffsetsRequest,
        OffsetCommitRequest,
        OffsetFetchRequest,
        FindCoordinatorRequest,
        HeartbeatRequest,
        LeaveGroupRequest,
        SyncGroupRequest,
        DescribeGroupsRequest,
        ListGroupsRequest,
        ApiVersionsRequest,
        DeleteTopicsRequest,
        DeleteRecordsRequest,
        InitProducerIdRequest,
        OffsetForLeaderEpochRequest,
        DescribeConfigsRequest,
        AlterConfigsRequest,
        DescribeLogDirsRequest,
        CreatePartitionsRequest,
        DeleteGroupsRequest,
        ElectLeadersRequest,
        IncrementalAlterConfigsRequest,
        OffsetDeleteRequest,
        AlterPartitionReassignmentsRequest,
        ListPartitionReassignmentsRequest,
        DescribeQuorumRequest,
        DescribeClusterRequest,
        UnregisterBrokerRequest,
        DescribeTopicPartitionsRequest,
    ]
}

fn record(number: i64) -> Record {
    let header = RecordHeader {
        key: Bytes::from_static(b"h"),
        value: None,
    };
    Record {
        timestamp: TimestampMs(1_000 + number),
        key: Some(Bytes::from_static(b"key")),
        value: Some(Bytes::from_static(b"value")),
        headers: vec![header],
    }
}

/// Batches one after the other, from this offset on.
fn run(base: i64, counts: &[i64]) -> Vec<u8> {
    let mut next = base;
    let mut all = Vec::new();
    for count in counts {
        let records: Vec<Record> = (0..*count).map(record).collect();
        let mut batch = build(&records)
            .map(|batch| batch.to_vec())
            .unwrap_or_default();
        // A batch of our own has a header.
        let _ = stamp(&mut batch, Offset(next), LeaderEpoch(1));
        all.extend_from_slice(&batch);
        next += count;
    }
    all
}

fn batches() -> Vec<Named> {
    let with = |flags: u8, counts: &[i64]| [&[flags][..], &run(0, counts)].concat();
    vec![
        ("one".to_owned(), with(0, &[1])),
        ("three".to_owned(), with(0, &[1, 3, 2])),
        ("mended-crc".to_owned(), with(2, &[2])),
        ("mended".to_owned(), with(3, &[3])),
    ]
}

fn segments() -> Vec<Named> {
    let with = |flags: u8, cut: u8, index: &[u8], times: &[u8]| {
        let lengths = [0, index.len() as u8, 0, times.len() as u8];
        let log = run(i64::from(flags >> 2), &[2, 1, 3, 4, 2, 5]);
        [&[flags, cut][..], &lengths, index, times, &log].concat()
    };
    let index = [0, 0, 0, 3, 0, 0, 0, 150];
    let times = [0, 0, 0, 0, 0, 0, 3, 233, 0, 0, 0, 3];
    vec![
        ("recovered".to_owned(), with(0, 255, &[], &[])),
        ("recovered-and-cut".to_owned(), with(7 << 2, 128, &[], &[])),
        ("clean".to_owned(), with(1, 100, &index, &times)),
        ("mended".to_owned(), with(2, 200, &index, &times)),
    ]
}

fn encoded<T: Serialize>(kind: u8, message: &T) -> Vec<u8> {
    let mut input = vec![kind];
    input.extend(postcard::to_stdvec(message).unwrap_or_default());
    input
}

fn messages() -> Vec<Named> {
    let last = EntryId {
        term: Term(1),
        index: MetadataOffset(1),
    };
    let says = |term: u64, body: Body| Message {
        term: Term(term),
        directory: directory(2),
        voting: true,
        body,
    };
    let entry = Entry {
        term: Term(1),
        index: MetadataOffset(1),
        payload: Payload::Command(Bytes::from_static(b"c")),
    };
    let append = says(
        1,
        Body::Append {
            prev: EntryId::default(),
            entries: vec![entry],
            commit: MetadataOffset(1),
        },
    );
    let vote = says(
        2,
        Body::Vote {
            last,
            transfer: true,
        },
    );
    let heartbeat = says(2, Body::Heartbeat { committed: last });
    let mut heard = vec![8];
    for message in [&append, &heartbeat, &vote] {
        let frame = encoded(1, message);
        heard.extend_from_slice(&[frame[0], 0, (frame.len() - 1) as u8]);
        heard.extend_from_slice(&frame[1..]);
    }
    let raft = vec![
        ("append".to_owned(), encoded(0, &append)),
        ("vote".to_owned(), encoded(0, &vote)),
        ("heard".to_owned(), heard),
    ];
    [raft, links()].concat()
}

fn links() -> Vec<Named> {
    let mut found = Vec::new();
    let cluster: Option<ClusterId> = "cluster".parse().ok();
    let hello = cluster.clone().map(|cluster| Hello::Controller {
        id: ControllerId(2),
        directory: directory(2),
        cluster,
        endpoint: Endpoint {
            host: "localhost".to_owned(),
            port: 9093,
        },
        process: 7,
    });
    found.extend(hello.map(|hello| ("hello".to_owned(), encoded(1, &hello))));
    let applied = ToController::Applied {
        offset: MetadataOffset(9),
    };
    found.push(("applied".to_owned(), encoded(2, &applied)));
    let formed = cluster.map(|cluster| MetadataRecord::ClusterFormed { cluster });
    found.extend(formed.map(|record| ("formed".to_owned(), encoded(7, &record))));
    let fenced = MetadataRecord::BrokerFenced {
        broker: BrokerId(1),
        epoch: BrokerEpoch(5),
    };
    found.push(("fenced".to_owned(), encoded(7, &fenced)));
    found.push(("fetch".to_owned(), encoded(4, &fetch())));
    let answer = FetchResponse {
        class: FetchClass::InSync,
        session: 3,
        sequence: 1,
        error: ErrorCode::None,
        partitions: Vec::new(),
    };
    found.push(("fetched".to_owned(), encoded(5, &answer)));
    found
}

fn fetch() -> FetchRequest {
    FetchRequest {
        follower: BrokerId(2),
        broker_epoch: BrokerEpoch(4),
        follower_shard: 0,
        leader_shard: 1,
        class: FetchClass::InSync,
        session: 3,
        sequence: 1,
        changed: Vec::new(),
        forgotten: Vec::new(),
        max_bytes: 1_000,
        max_wait_ms: 500,
    }
}
