//! Producers that ask for no acknowledgement (acks=0).
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use bytes::{BufMut as _, Bytes, BytesMut};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ApiVersionsRequest, ProduceRequest, RequestHeader};
use kafka_protocol::protocol::Encodable;
use kintsugi_types::{ProducerEpoch, ProducerId, TimestampMs};
use kintsugi_wire::records::{BatchOptions, Record, build_with};
use support::records::{consume, create_topic};
use support::{Node, PATIENCE, eventually, single, text};

/// More than a connection may have in flight, several times.
const PRODUCES: i32 = 500;

const PRODUCE: (i16, i16) = (0, 9);
const API_VERSIONS: (i16, i16) = (18, 3);

/// A request as it goes over the wire.
fn frame((key, version): (i16, i16), correlation_id: i32, request: &impl Encodable) -> BytesMut {
    let header = RequestHeader::default()
        .with_request_api_key(key)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id);
    let mut body = BytesMut::new();
    header.encode(&mut body, 2).unwrap();
    request.encode(&mut body, version).unwrap();
    let mut frame = BytesMut::new();
    frame.put_u32(u32::try_from(body.len()).unwrap());
    frame.extend_from_slice(&body);
    frame
}

/// One record of an idempotent producer, with this sequence, that nobody acknowledges.
fn produce(sequence: i32) -> BytesMut {
    let record = Record {
        timestamp: TimestampMs(1),
        value: Some(Bytes::from_static(b"value")),
        ..Record::default()
    };
    let options = BatchOptions {
        producer_id: ProducerId(7),
        producer_epoch: ProducerEpoch(0),
        base_sequence: sequence,
        ..BatchOptions::default()
    };
    let partition = PartitionProduceData::default()
        .with_index(0)
        .with_records(Some(build_with(options, &[record]).unwrap()));
    let topic = TopicProduceData::default()
        .with_name(text("t").into())
        .with_partition_data(vec![partition]);
    let request = ProduceRequest::default()
        .with_acks(0)
        .with_timeout_ms(5_000)
        .with_topic_data(vec![topic]);
    frame(PRODUCE, sequence, &request)
}

async fn node_with_topic(directory: &std::path::Path) -> (Node, TcpStream) {
    let mut node = single(directory);
    node.start();
    let connection = node.connect().await;
    assert_eq!(create_topic(&connection, "t", 1, 1).await, 0);
    let stream = TcpStream::connect(("127.0.0.1", node.client_port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    (node, stream)
}

#[tokio::test]
async fn produces_without_acknowledgement_hold_up_nothing_that_follows_on_their_connection() {
    let directory = tempfile::tempdir().unwrap();
    let (node, mut stream) = node_with_topic(directory.path()).await;
    for sequence in 0..PRODUCES {
        stream.write_all(&produce(sequence)).unwrap();
    }
    let last = frame(API_VERSIONS, 12_345, &ApiVersionsRequest::default());
    stream.write_all(&last).unwrap();
    let mut answer = [0; 8];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(
        answer[4..],
        12_345_i32.to_be_bytes(),
        "nothing else is answered"
    );
    let connection = node.connect().await;
    eventually("what was produced", async || {
        let values = consume(&connection, "t", 0).await;
        (values.len() == usize::try_from(PRODUCES).unwrap()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_produce_without_acknowledgement_that_fails_closes_its_connection() {
    let directory = tempfile::tempdir().unwrap();
    let (_node, mut stream) = node_with_topic(directory.path()).await;
    for sequence in [0, 7] {
        stream.write_all(&produce(sequence)).unwrap();
    }
    let mut answer = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty());
}
