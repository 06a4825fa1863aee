//! A connection against a server in the same process that speaks the real codec.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::time::Duration;

use bytes::Bytes;
use kintsugi_client::messages::api_versions_response::ApiVersion;
use kintsugi_client::messages::{
    ApiVersionsRequest, ApiVersionsResponse, MetadataRequest, MetadataResponse,
};
use kintsugi_client::{ClientError, CloseReason, Connection, Limits, SupportedVersions};
use kintsugi_types::{Endpoint, ErrorCode};
use kintsugi_wire::frame::{LENGTH_BYTES, RequestHeader};
use kintsugi_wire::message::{decode_request, encode_response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn limits() -> Limits {
    Limits {
        in_flight_max: 2,
        response_max_bytes: 4096,
        timeout: Duration::from_millis(300),
    }
}

async fn listen() -> (TcpListener, Endpoint) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint {
        host: "127.0.0.1".to_owned(),
        port: listener.local_addr().unwrap().port(),
    };
    (listener, endpoint)
}

async fn receive(socket: &mut TcpStream) -> Bytes {
    let mut field = [0; LENGTH_BYTES];
    socket.read_exact(&mut field).await.unwrap();
    let mut frame = vec![0; i32::from_be_bytes(field) as usize];
    socket.read_exact(&mut frame).await.unwrap();
    Bytes::from(frame)
}

/// Answers with the number of topics asked for as the throttle time.
async fn answer_metadata(socket: &mut TcpStream) {
    let header = RequestHeader::parse(&receive(socket).await).unwrap();
    let request: MetadataRequest = decode_request(header.version, &header.body).unwrap();
    let count = request.topics.map_or(0, |topics| topics.len()) as i32;
    let response = MetadataResponse::default().with_throttle_time_ms(count);
    let frame =
        encode_response::<MetadataRequest>(header.version, header.correlation_id, &response);
    socket.write_all(&frame.unwrap()).await.unwrap();
}

fn metadata_of(count: usize) -> MetadataRequest {
    MetadataRequest::default().with_topics(Some(vec![Default::default(); count]))
}

/// A metadata request needs a name in version 4, which the default lacks.
fn named(mut request: MetadataRequest) -> MetadataRequest {
    for topic in request.topics.iter_mut().flatten() {
        topic.name = Some(kintsugi_client::messages::TopicName::default());
    }
    request
}

#[tokio::test]
async fn pipelined_requests_each_get_their_own_answer() {
    let (listener, endpoint) = listen().await;
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        for _ in 0..20 {
            answer_metadata(&mut socket).await;
        }
    });
    let connection = Connection::connect(&endpoint, "test", limits())
        .await
        .unwrap();
    let mut waits = Vec::new();
    for count in 0..20 {
        let connection = connection.clone();
        waits.push(tokio::spawn(async move {
            let request = named(metadata_of(count));
            let answer = connection.request(4, &request).await.unwrap();
            assert_eq!(answer.throttle_time_ms, count as i32);
        }));
    }
    for wait in waits {
        wait.await.unwrap();
    }
    server.await.unwrap();
}

#[tokio::test]
async fn a_broker_that_never_answers_gets_no_more_than_the_limit_and_each_request_times_out() {
    let (listener, endpoint) = listen().await;
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut received = Vec::new();
        socket.read_to_end(&mut received).await.unwrap();
        received.len()
    });
    let connection = Connection::connect(&endpoint, "test", limits())
        .await
        .unwrap();
    for _ in 0..4 {
        let error = connection.request(4, &metadata_of(0)).await.unwrap_err();
        assert!(matches!(error, ClientError::TimedOut { .. }), "{error}");
    }
    drop(connection);
    let one = kintsugi_wire::message::encode_request(4, 0, "test", &metadata_of(0)).unwrap();
    assert_eq!(server.await.unwrap(), 2 * one.len());
}

#[tokio::test]
async fn a_closed_connection_fails_what_waits_and_what_comes_after() {
    let (listener, endpoint) = listen().await;
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        receive(&mut socket).await;
    });
    let connection = Connection::connect(&endpoint, "test", limits())
        .await
        .unwrap();
    for _ in 0..2 {
        match connection.request(4, &metadata_of(0)).await {
            Err(ClientError::Closed { source, .. }) => assert_eq!(source, CloseReason::ByPeer),
            other => panic!("{other:?}"),
        }
    }
    assert!(connection.is_closed());
    server.await.unwrap();
}

#[tokio::test]
async fn an_oversized_unsolicited_or_foreign_answer_closes_the_connection() {
    let oversized = [0x7f, 0xff, 0xff, 0xff].to_vec();
    let foreign = [0, 0, 0, 4, 0, 0, 0, 99].to_vec();
    let short = [0, 0, 0, 1, 0].to_vec();
    for answer in [oversized, foreign, short] {
        let (listener, endpoint) = listen().await;
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            receive(&mut socket).await;
            socket.write_all(&answer).await.unwrap();
            socket
        });
        let connection = Connection::connect(&endpoint, "test", limits())
            .await
            .unwrap();
        match connection.request(4, &metadata_of(0)).await {
            Err(ClientError::Closed { source, .. }) => {
                assert!(matches!(source, CloseReason::Protocol(_)), "{source}");
            }
            other => panic!("{other:?}"),
        }
        server.await.unwrap();
    }
}

#[tokio::test]
async fn versions_are_asked_in_version_zero_when_the_broker_knows_no_other() {
    let (listener, endpoint) = listen().await;
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let unsupported = ErrorCode::UnsupportedVersion.code();
        for (version, error_code) in [(3, unsupported), (0, 0)] {
            let frame = receive(&mut socket).await;
            let header = RequestHeader::parse(&frame).unwrap();
            assert_eq!(header.version, version);
            let metadata = ApiVersion::default().with_api_key(3).with_max_version(5);
            let response = ApiVersionsResponse::default()
                .with_error_code(error_code)
                .with_api_keys(vec![metadata]);
            let id = header.correlation_id;
            let frame = encode_response::<ApiVersionsRequest>(0, id, &response);
            socket.write_all(&frame.unwrap()).await.unwrap();
        }
    });
    let connection = Connection::connect(&endpoint, "test", limits())
        .await
        .unwrap();
    let versions = SupportedVersions::ask(&connection).await.unwrap();
    assert_eq!(versions.highest::<MetadataRequest>().unwrap(), 5);
    let missing = versions.highest::<ApiVersionsRequest>().unwrap_err();
    assert!(matches!(missing, ClientError::NoCommonVersion { .. }));
    server.await.unwrap();
}

#[tokio::test]
async fn nobody_listening_is_an_error_that_names_the_endpoint() {
    let (listener, endpoint) = listen().await;
    drop(listener);
    let error = Connection::connect(&endpoint, "test", limits())
        .await
        .unwrap_err();
    assert!(error.to_string().contains(&endpoint.to_string()), "{error}");
}
