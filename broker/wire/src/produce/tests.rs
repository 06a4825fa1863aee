use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    ProduceRequest as CrateRequest, ProduceResponse as CrateResponse, ResponseHeader, TopicName,
    TransactionalId,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};
use kintsugi_types::{
    BrokerId, Endpoint, ErrorCode, LeaderEpoch, Offset, PartitionIndex, Rack, TimestampMs,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::{CurrentLeader, NodeEndpoint};

fn text() -> impl Strategy<Value = StrBytes> {
    "[a-z]{0,12}".prop_map(StrBytes::from_string)
}

fn a_request() -> impl Strategy<Value = ProduceRequest> {
    let records = option::of(vec(any::<u8>(), 0..80).prop_map(Bytes::from));
    let partition = (any::<i32>(), records).prop_map(|(index, records)| ProducePartition {
        index: PartitionIndex(index),
        records,
    });
    let topic = (text(), vec(partition, 0..4))
        .prop_map(|(name, partitions)| ProduceTopic { name, partitions });
    (
        option::of(text()),
        any::<i16>(),
        any::<i32>(),
        vec(topic, 0..4),
    )
        .prop_map(
            |(transactional_id, acks, timeout_ms, topics)| ProduceRequest {
                transactional_id,
                acks,
                timeout_ms,
                topics,
            },
        )
}

fn by_the_crate(request: &ProduceRequest, version: i16) -> Bytes {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            PartitionProduceData::default()
                .with_index(partition.index.0)
                .with_records(partition.records.clone())
        });
        TopicProduceData::default()
            .with_name(TopicName(topic.name.clone()))
            .with_partition_data(partitions.collect())
    });
    let message = CrateRequest::default()
        .with_transactional_id(request.transactional_id.clone().map(TransactionalId))
        .with_acks(request.acks)
        .with_timeout_ms(request.timeout_ms)
        .with_topic_data(topics.collect());
    let mut out = BytesMut::new();
    message.encode(&mut out, version).unwrap();
    out.freeze()
}

fn an_answer() -> impl Strategy<Value = ProducePartitionResponse> {
    let leader = (any::<i32>(), any::<i32>()).prop_map(|(leader, epoch)| CurrentLeader {
        leader: BrokerId(leader),
        epoch: LeaderEpoch(epoch),
    });
    (
        any::<i32>(),
        prop::sample::select(ErrorCode::ALL),
        any::<i64>(),
        option::of("[a-z]{0,200}"),
        option::of(leader),
    )
        .prop_map(
            |(index, error_code, offset, error_message, current_leader)| ProducePartitionResponse {
                base_offset: Offset(offset),
                log_append_time: TimestampMs(offset / 2),
                log_start_offset: Offset(offset / 3),
                error_message,
                current_leader,
                ..ProducePartitionResponse::failed(PartitionIndex(index), error_code)
            },
        )
}

fn a_node() -> impl Strategy<Value = NodeEndpoint> {
    (any::<i32>(), any::<u16>(), option::of("[a-z]{0,5}")).prop_map(|(id, port, rack)| {
        NodeEndpoint {
            broker: BrokerId(id),
            endpoint: Endpoint {
                host: "host".to_owned(),
                port,
            },
            rack: rack.map(|rack| Rack(rack.into())),
        }
    })
}

fn a_response() -> impl Strategy<Value = ProduceResponse> {
    let topic = (text(), vec(an_answer(), 0..3))
        .prop_map(|(name, partitions)| ProduceTopicResponse { name, partitions });
    (vec(topic, 0..3), any::<i32>(), vec(a_node(), 0..3)).prop_map(
        |(topics, throttle_time_ms, node_endpoints)| ProduceResponse {
            topics,
            throttle_time_ms,
            node_endpoints,
        },
    )
}

fn check_partition(
    ours: &ProducePartitionResponse,
    theirs: &kafka_protocol::messages::produce_response::PartitionProduceResponse,
    version: i16,
) {
    assert_eq!(theirs.index, ours.index.0);
    assert_eq!(theirs.error_code, ours.error_code.code());
    assert_eq!(theirs.base_offset, ours.base_offset.0);
    assert_eq!(theirs.log_append_time_ms, ours.log_append_time.0);
    if version >= 5 {
        assert_eq!(theirs.log_start_offset, ours.log_start_offset.0);
    }
    if version >= 8 {
        assert_eq!(
            theirs.error_message.as_deref(),
            ours.error_message.as_deref()
        );
    }
    let leader = ours.current_leader.filter(|_| version >= 10);
    let expected = leader.map_or((-1, -1), |leader| (leader.leader.0, leader.epoch.0));
    let found = &theirs.current_leader;
    assert_eq!((found.leader_id.0, found.leader_epoch), expected);
}

proptest! {
    #[test]
    fn a_request_of_the_protocol_crate_is_decoded_in_every_version(request in a_request()) {
        for version in 3..=11 {
            let body = by_the_crate(&request, version);
            prop_assert_eq!(ProduceRequest::decode(version, &body), Ok(request.clone()));
        }
    }

    #[test]
    fn a_request_of_any_bytes_is_decoded_or_refused(body in vec(any::<u8>(), 0..100)) {
        let body = Bytes::from(body);
        for version in 3..=11 {
            let _ = ProduceRequest::decode(version, &body);
        }
    }

    #[test]
    fn the_protocol_crate_reads_our_response_in_every_version(response in a_response()) {
        for version in 3..=11 {
            let mut frame = response.encode(version, 42).unwrap();
            prop_assert_eq!(frame.get_i32() as usize, frame.len());
            let header_version = CrateResponse::header_version(version);
            let header = ResponseHeader::decode(&mut frame, header_version).unwrap();
            prop_assert_eq!(header.correlation_id, 42);
            let found = CrateResponse::decode(&mut frame, version).unwrap();
            prop_assert!(frame.is_empty());
            prop_assert_eq!(found.throttle_time_ms, response.throttle_time_ms);
            prop_assert_eq!(found.responses.len(), response.topics.len());
            for (theirs, ours) in found.responses.iter().zip(&response.topics) {
                prop_assert_eq!(&theirs.name.0, &ours.name);
                prop_assert_eq!(theirs.partition_responses.len(), ours.partitions.len());
                for (theirs, ours) in theirs.partition_responses.iter().zip(&ours.partitions) {
                    check_partition(ours, theirs, version);
                }
            }
            let nodes = if version >= 10 { &response.node_endpoints[..] } else { &[] };
            prop_assert_eq!(found.node_endpoints.len(), nodes.len());
            for (theirs, ours) in found.node_endpoints.iter().zip(nodes) {
                prop_assert_eq!(theirs.node_id.0, ours.broker.0);
                prop_assert_eq!(&*theirs.host, &*ours.endpoint.host);
                prop_assert_eq!(theirs.port, i32::from(ours.endpoint.port));
                prop_assert_eq!(theirs.rack.as_deref(), ours.rack.as_ref().map(|r| &*r.0));
            }
        }
    }
}

#[test]
fn records_of_a_request_share_the_memory_of_its_frame() {
    let request = ProduceRequest {
        transactional_id: None,
        acks: -1,
        timeout_ms: 1_000,
        topics: vec![ProduceTopic {
            name: StrBytes::from_static_str("topic"),
            partitions: vec![ProducePartition {
                index: PartitionIndex(0),
                records: Some(Bytes::from(vec![7; 1_000])),
            }],
        }],
    };
    let body = by_the_crate(&request, 9);
    let decoded = ProduceRequest::decode(9, &body).unwrap();
    let records = decoded.topics[0].partitions[0].records.clone().unwrap();
    assert!(body.as_ptr_range().contains(&records.as_ptr()));
}
