use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::fetch_request::{
    FetchPartition as CratePartition, FetchTopic as CrateTopic, ForgottenTopic as CrateForgotten,
};
use kafka_protocol::messages::{
    BrokerId as CrateBrokerId, FetchRequest as CrateRequest, FetchResponse as CrateResponse,
    ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};
use kintsugi_types::{BrokerId, ErrorCode, LeaderEpoch, Offset, PartitionIndex};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::CurrentLeader;

fn text() -> impl Strategy<Value = StrBytes> {
    "[a-z]{0,12}".prop_map(StrBytes::from_string)
}

fn a_partition() -> impl Strategy<Value = FetchPartition> {
    any::<(i32, i32, i64, i32, i64, i32)>().prop_map(|numbers| FetchPartition {
        index: PartitionIndex(numbers.0),
        current_leader_epoch: LeaderEpoch(numbers.1),
        fetch_offset: Offset(numbers.2),
        last_fetched_epoch: LeaderEpoch(numbers.3),
        log_start_offset: Offset(numbers.4),
        max_bytes: numbers.5,
    })
}

fn a_request() -> impl Strategy<Value = FetchRequest> {
    let topic = (text(), vec(a_partition(), 0..4))
        .prop_map(|(name, partitions)| FetchTopic { name, partitions });
    let forgotten = (text(), vec(any::<i32>().prop_map(PartitionIndex), 0..3))
        .prop_map(|(name, partitions)| ForgottenTopic { name, partitions });
    (
        any::<(i32, i32, i32, i32, i8, i32, i32)>(),
        vec(topic, 0..4),
        vec(forgotten, 0..3),
        text(),
    )
        .prop_map(|(numbers, topics, forgotten, rack_id)| FetchRequest {
            replica_id: BrokerId(numbers.0),
            max_wait_ms: numbers.1,
            min_bytes: numbers.2,
            max_bytes: numbers.3,
            isolation_level: numbers.4,
            session_id: numbers.5,
            session_epoch: numbers.6,
            topics,
            forgotten,
            rack_id,
        })
}

/// What is left of a request in a version that lacks some of its fields.
fn as_of(mut request: FetchRequest, version: i16) -> FetchRequest {
    if version < 7 {
        request.session_id = 0;
        request.session_epoch = -1;
        request.forgotten.clear();
    }
    if version < 11 {
        request.rack_id = StrBytes::new();
    }
    for partition in request.topics.iter_mut().flat_map(|t| &mut t.partitions) {
        if version < 5 {
            partition.log_start_offset = Offset(-1);
        }
        if version < 9 {
            partition.current_leader_epoch = LeaderEpoch::UNKNOWN;
        }
        if version < 12 {
            partition.last_fetched_epoch = LeaderEpoch::UNKNOWN;
        }
    }
    request
}

fn by_the_crate(request: &FetchRequest, version: i16) -> Bytes {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|p| {
            CratePartition::default()
                .with_partition(p.index.0)
                .with_current_leader_epoch(p.current_leader_epoch.0)
                .with_fetch_offset(p.fetch_offset.0)
                .with_last_fetched_epoch(p.last_fetched_epoch.0)
                .with_log_start_offset(p.log_start_offset.0)
                .with_partition_max_bytes(p.max_bytes)
        });
        CrateTopic::default()
            .with_topic(TopicName(topic.name.clone()))
            .with_partitions(partitions.collect())
    });
    let forgotten = request.forgotten.iter().map(|topic| {
        CrateForgotten::default()
            .with_topic(TopicName(topic.name.clone()))
            .with_partitions(topic.partitions.iter().map(|p| p.0).collect())
    });
    let message = CrateRequest::default()
        .with_replica_id(CrateBrokerId(request.replica_id.0))
        .with_max_wait_ms(request.max_wait_ms)
        .with_min_bytes(request.min_bytes)
        .with_max_bytes(request.max_bytes)
        .with_isolation_level(request.isolation_level)
        .with_session_id(request.session_id)
        .with_session_epoch(request.session_epoch)
        .with_topics(topics.collect())
        .with_forgotten_topics_data(forgotten.collect())
        .with_rack_id(request.rack_id.clone());
    let mut out = BytesMut::new();
    message.encode(&mut out, version).unwrap();
    out.freeze()
}

fn an_answer() -> impl Strategy<Value = FetchPartitionResponse> {
    let leader = (any::<i32>(), any::<i32>()).prop_map(|(leader, epoch)| CurrentLeader {
        leader: BrokerId(leader),
        epoch: LeaderEpoch(epoch),
    });
    (
        any::<i32>(),
        prop::sample::select(ErrorCode::ALL),
        any::<i64>(),
        option::of(leader),
        vec(vec(any::<u8>(), 0..50).prop_map(Bytes::from), 0..4),
    )
        .prop_map(|(index, error_code, offset, current_leader, records)| {
            FetchPartitionResponse {
                high_watermark: Offset(offset),
                last_stable_offset: Offset(offset / 2),
                log_start_offset: Offset(offset / 3),
                current_leader,
                records,
                ..FetchPartitionResponse::failed(PartitionIndex(index), error_code)
            }
        })
}

fn a_response() -> impl Strategy<Value = FetchResponse> {
    let topic = (text(), vec(an_answer(), 0..4))
        .prop_map(|(name, partitions)| FetchTopicResponse { name, partitions });
    (any::<i32>(), any::<i32>(), vec(topic, 0..4)).prop_map(
        |(throttle_time_ms, session_id, topics)| FetchResponse {
            throttle_time_ms,
            error_code: Some(ErrorCode::FetchSessionIdNotFound),
            session_id,
            topics,
        },
    )
}

fn check_partition(
    ours: &FetchPartitionResponse,
    theirs: &kafka_protocol::messages::fetch_response::PartitionData,
    version: i16,
) {
    assert_eq!(theirs.partition_index, ours.index.0);
    assert_eq!(theirs.error_code, ours.error_code.code());
    assert_eq!(theirs.high_watermark, ours.high_watermark.0);
    assert_eq!(theirs.last_stable_offset, ours.last_stable_offset.0);
    assert_eq!(theirs.aborted_transactions, None);
    if version >= 5 {
        assert_eq!(theirs.log_start_offset, ours.log_start_offset.0);
    }
    assert_eq!(theirs.records.as_ref().unwrap(), &ours.records.concat());
    let leader = ours.current_leader.filter(|_| version >= 12);
    let expected = leader.map_or((-1, -1), |leader| (leader.leader.0, leader.epoch.0));
    let found = &theirs.current_leader;
    assert_eq!((found.leader_id.0, found.leader_epoch), expected);
}

proptest! {
    #[test]
    fn a_request_of_the_protocol_crate_is_decoded_in_every_version(request in a_request()) {
        for version in 4..=12 {
            let request = as_of(request.clone(), version);
            let body = by_the_crate(&request, version);
            prop_assert_eq!(FetchRequest::decode(version, &body), Ok(request));
        }
    }

    #[test]
    fn a_request_of_any_bytes_is_decoded_or_refused(body in vec(any::<u8>(), 0..100)) {
        let body = Bytes::from(body);
        for version in 4..=12 {
            let _ = FetchRequest::decode(version, &body);
        }
    }

    #[test]
    fn the_protocol_crate_reads_our_response_in_every_version(response in a_response()) {
        for version in 4..=12 {
            let segments = response.clone().encode(version, 42).unwrap();
            prop_assert!(segments.pieces.iter().all(|piece| !piece.is_empty()));
            let mut frame = Bytes::from(segments.pieces.concat());
            prop_assert_eq!(frame.len(), segments.size_bytes);
            prop_assert_eq!(frame.get_i32() as usize, frame.len());
            let header_version = CrateResponse::header_version(version);
            let header = ResponseHeader::decode(&mut frame, header_version).unwrap();
            prop_assert_eq!(header.correlation_id, 42);
            let found = CrateResponse::decode(&mut frame, version).unwrap();
            prop_assert!(frame.is_empty());
            prop_assert_eq!(found.throttle_time_ms, response.throttle_time_ms);
            if version >= 7 {
                prop_assert_eq!(found.session_id, response.session_id);
                prop_assert_eq!(found.error_code, ErrorCode::FetchSessionIdNotFound.code());
            }
            prop_assert_eq!(found.responses.len(), response.topics.len());
            for (theirs, ours) in found.responses.iter().zip(&response.topics) {
                prop_assert_eq!(&theirs.topic.0, &ours.name);
                prop_assert_eq!(theirs.partitions.len(), ours.partitions.len());
                for (theirs, ours) in theirs.partitions.iter().zip(&ours.partitions) {
                    check_partition(ours, theirs, version);
                }
            }
        }
    }
}

#[test]
fn records_of_a_response_are_sent_from_where_they_are() {
    let records = Bytes::from(vec![7; 1_000]);
    let mut partition = FetchPartitionResponse::failed(PartitionIndex(0), ErrorCode::None);
    partition.records = vec![records.clone()];
    let response = FetchResponse {
        topics: vec![FetchTopicResponse {
            name: StrBytes::from_static_str("topic"),
            partitions: vec![partition],
        }],
        ..FetchResponse::default()
    };
    let segments = response.encode(12, 1).unwrap();
    assert_eq!(segments.pieces.len(), 3);
    assert_eq!(segments.pieces[1].as_ptr(), records.as_ptr());
}
