//! Requests against a broker in this process that speaks the real codec and says what a test wants.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use kafka_protocol::protocol::{Request, StrBytes};
use kintsugi_client::messages::api_versions_response::ApiVersion;
use kintsugi_client::messages::create_topics_response::CreatableTopicResult;
use kintsugi_client::messages::delete_topics_response::DeletableTopicResult;
use kintsugi_client::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};
use kintsugi_client::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use kintsugi_client::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kintsugi_client::messages::{
    ApiVersionsRequest, ApiVersionsResponse, BrokerId, CreateTopicsRequest, CreateTopicsResponse,
    DeleteTopicsRequest, DeleteTopicsResponse, DescribeConfigsRequest, DescribeConfigsResponse,
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, TopicName,
};
use kintsugi_types::{Endpoint, ErrorCode};
use kintsugi_wire::api::Api;
use kintsugi_wire::frame::{LENGTH_BYTES, RequestHeader};
use kintsugi_wire::message::{decode_request, encode_response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

use super::*;

async fn receive(socket: &mut TcpStream) -> Bytes {
    let mut field = [0; LENGTH_BYTES];
    socket.read_exact(&mut field).await.unwrap();
    let mut frame = vec![0; usize::try_from(i32::from_be_bytes(field)).unwrap()];
    socket.read_exact(&mut frame).await.unwrap();
    Bytes::from(frame)
}

async fn answer<R: Request>(socket: &mut TcpStream, say: &mut impl FnMut(R) -> R::Response) {
    let frame = receive(socket).await;
    let header = RequestHeader::parse(&frame).unwrap();
    let request: R = decode_request(header.version, &header.body).unwrap();
    let frame = {
        let response = say(request);
        encode_response::<R>(header.version, header.correlation_id, &response).unwrap()
    };
    socket.write_all(&frame).await.unwrap();
}

/// A session with a broker that answers `count` requests of one kind by `say`.
async fn broker<R: Request + 'static>(
    count: usize,
    mut say: impl FnMut(R) -> R::Response + Send + 'static,
) -> Session {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint {
        host: "127.0.0.1".to_owned(),
        port: listener.local_addr().unwrap().port(),
    };
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let keys = Api::advertised().map(|(key, min, max)| {
            ApiVersion::default()
                .with_api_key(key as i16)
                .with_min_version(min)
                .with_max_version(max)
        });
        let versions = ApiVersionsResponse::default().with_api_keys(keys.collect());
        answer::<ApiVersionsRequest>(&mut socket, &mut |_| versions.clone()).await;
        for _ in 0..count {
            answer(&mut socket, &mut say).await;
        }
        // Stays open until the session is dropped.
        let _ = socket.read(&mut [0]).await;
    });
    Session::open(&endpoint).await.unwrap()
}

fn page(
    id: u128,
    first: i32,
    replicas: &[usize],
    next: Option<i32>,
) -> DescribeTopicPartitionsResponse {
    let partitions = (first..).zip(replicas).map(|(index, count)| {
        let nodes = (0..i32::try_from(*count).unwrap()).map(BrokerId);
        DescribeTopicPartitionsResponsePartition::default()
            .with_partition_index(index)
            .with_replica_nodes(nodes.collect())
    });
    let topic = DescribeTopicPartitionsResponseTopic::default()
        .with_name(Some(TopicName(text("orders"))))
        .with_topic_id(Uuid::from_u128(id))
        .with_partitions(partitions.collect());
    let cursor = next.map(|index| {
        Cursor::default()
            .with_topic_name(TopicName(text("orders")))
            .with_partition_index(index)
    });
    DescribeTopicPartitionsResponse::default()
        .with_topics(vec![topic])
        .with_next_cursor(cursor)
}

async fn described(
    pages: Vec<DescribeTopicPartitionsResponse>,
) -> Result<Option<TopicDescription>, KafkaError> {
    let mut left = pages.clone().into_iter();
    let say = move |_: DescribeTopicPartitionsRequest| left.next().unwrap();
    let session = broker(pages.len(), say).await;
    describe_topic(&session, "orders").await
}

#[tokio::test]
async fn a_topic_is_described_over_all_its_pages() {
    let pages = vec![page(7, 0, &[3, 3], Some(2)), page(7, 2, &[2], None)];
    let topic = described(pages).await.unwrap().unwrap();
    let expected = TopicDescription {
        id: Uuid::from_u128(7),
        is_internal: false,
        partitions: 3,
        replicas_min: 2,
        replicas_max: 3,
    };
    assert_eq!(topic, expected);
}

#[tokio::test]
async fn pages_of_two_topics_of_one_name_are_not_added_up() {
    let pages = vec![page(7, 0, &[3], Some(1)), page(8, 1, &[3], None)];
    let error = described(pages).await.unwrap_err();
    assert!(matches!(error, KafkaError::Answer { .. }), "{error}");
}

#[tokio::test]
async fn an_unknown_topic_is_none_and_an_answer_about_another_an_error() {
    let mut unknown = page(0, 0, &[], None);
    unknown.topics[0].error_code = ErrorCode::UnknownTopicOrPartition.code();
    assert_eq!(described(vec![unknown]).await.unwrap(), None);
    let mut other = page(7, 0, &[3], None);
    other.topics[0].name = Some(TopicName(text("other")));
    let error = described(vec![other]).await.unwrap_err();
    assert!(matches!(error, KafkaError::Answer { .. }), "{error}");
}

#[tokio::test]
async fn only_settings_of_the_topic_itself_are_told() {
    let config = |name: &str, source| {
        DescribeConfigsResourceResult::default()
            .with_name(text(name))
            .with_value(Some(text("1")))
            .with_config_source(source)
    };
    let session = broker(1, move |_: DescribeConfigsRequest| {
        let configs = vec![config("retention.ms", 1), config("segment.ms", 5)];
        let result = DescribeConfigsResult::default().with_configs(configs);
        DescribeConfigsResponse::default().with_results(vec![result])
    })
    .await;
    let configs = topic_configs(&session, "orders").await.unwrap().unwrap();
    let expected = BTreeMap::from([("retention.ms".to_owned(), "1".to_owned())]);
    assert_eq!(configs, expected);
}

#[tokio::test]
async fn a_refusal_carries_the_brokers_own_words() {
    let session = broker(1, |request: CreateTopicsRequest| {
        let topic = &request.topics[0];
        assert_eq!((topic.num_partitions, topic.replication_factor), (6, -1));
        let result = CreatableTopicResult::default()
            .with_name(topic.name.clone())
            .with_error_code(ErrorCode::InvalidConfig.code())
            .with_error_message(Some(StrBytes::from_static_str(
                "Unknown topic config name: x",
            )));
        CreateTopicsResponse::default().with_topics(vec![result])
    })
    .await;
    let topic = NewTopic {
        name: "orders".to_owned(),
        partitions: 6,
        replication_factor: None,
        config: BTreeMap::new(),
    };
    let error = create_topic(&session, &topic).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::InvalidConfig));
    let said = "failed to create topic orders: Unknown topic config name: x (INVALID_CONFIG)";
    assert_eq!(error.to_string(), said);
}

#[tokio::test]
async fn settings_are_set_and_taken_back_in_one_request() {
    let session = broker(1, |request: IncrementalAlterConfigsRequest| {
        let configs = request.resources[0].configs.iter();
        let changes = configs.map(|c| (c.name.to_string(), c.config_operation, c.value.is_some()));
        let expected = [("a".to_owned(), 0, true), ("b".to_owned(), 1, false)];
        assert_eq!(changes.collect::<Vec<_>>(), expected);
        let result = AlterConfigsResourceResponse::default();
        IncrementalAlterConfigsResponse::default().with_responses(vec![result])
    })
    .await;
    let set = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
    let reset = BTreeSet::from(["b".to_owned()]);
    alter_topic_configs(&session, "orders", &set, &reset)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_topic_that_is_gone_counts_as_deleted_and_is_named_by_its_id() {
    let id = Uuid::from_u128(7);
    let session = broker(1, move |request: DeleteTopicsRequest| {
        assert_eq!(request.topics[0].topic_id, id);
        assert_eq!(request.topics[0].name, None);
        let result = DeletableTopicResult::default()
            .with_topic_id(id)
            .with_error_code(ErrorCode::UnknownTopicId.code());
        DeleteTopicsResponse::default().with_responses(vec![result])
    })
    .await;
    delete_topic(&session, "orders", Some(id)).await.unwrap();
}

#[tokio::test]
async fn a_session_that_ended_is_not_given_out_and_silence_is_remembered_for_a_moment() {
    let pool = Pool::default();
    assert!(matches!(pool.get("a"), Known::Nothing));
    let session = broker(0, |_: CreateTopicsRequest| CreateTopicsResponse::default()).await;
    pool.keep("a", &session);
    assert!(matches!(pool.get("a"), Known::Open(_)));
    pool.silent("a", "refused".to_owned());
    assert!(matches!(pool.get("a"), Known::Silent(why) if why == "refused"));
    assert!(matches!(pool.get("b"), Known::Nothing));
    pool.forget("a");
    assert!(matches!(pool.get("a"), Known::Nothing));
}
