//! Settings of topics and brokers that change while a broker runs.
#![allow(clippy::unwrap_used)]

mod support;

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::{DescribeConfigsRequest, IncrementalAlterConfigsRequest};
use kintsugi_client::Connection;
use kintsugi_types::ErrorCode;
use support::records::{create_topic, produce};
use support::{eventually, metadata, single, text};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// Sets a setting, or deletes it; gives the error code.
async fn alter(connection: &Connection, whose: (i8, &str), name: &str, value: Option<&str>) -> i16 {
    let config = AlterableConfig::default()
        .with_name(text(name))
        .with_config_operation(i8::from(value.is_none()))
        .with_value(value.map(text));
    let resource = AlterConfigsResource::default()
        .with_resource_type(whose.0)
        .with_resource_name(text(whose.1))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let response = connection.request(1, &request).await.unwrap();
    response.responses[0].error_code
}

/// A setting's value, where it comes from, whether it is read-only, and the sources of all values.
async fn describe(
    connection: &Connection,
    whose: (i8, &str),
    name: &str,
) -> Option<(String, i8, bool, Vec<i8>)> {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(whose.0)
        .with_resource_name(text(whose.1))
        .with_configuration_keys(Some(vec![text(name)]));
    let request = DescribeConfigsRequest::default()
        .with_resources(vec![resource])
        .with_include_synonyms(true);
    let response = connection.request(4, &request).await.unwrap();
    let config = response.results[0].configs.first()?;
    let sources = config.synonyms.iter().map(|synonym| synonym.source);
    let value = config.value.as_ref().unwrap().to_string();
    Some((
        value,
        config.config_source,
        config.read_only,
        sources.collect(),
    ))
}

#[tokio::test]
async fn the_largest_batch_follows_topic_broker_cluster_and_start_and_is_told_so() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = single(directory.path());
    node.start();
    let connection = node.connect().await;
    assert_eq!(create_topic(&connection, "t", 1, 1).await, 0);
    let (topic, broker, cluster) = ((TOPIC, "t"), (BROKER, "1"), (BROKER, ""));
    let large = "x".repeat(2_000);
    let too_large = Some(Err(ErrorCode::MessageTooLarge.code()));
    let own = "max.message.bytes";
    let shared = "message.max.bytes";
    assert_eq!(produce(&connection, "t", 0, &large).await, Some(Ok(0)));

    assert_eq!(alter(&connection, cluster, shared, Some("1000")).await, 0);
    assert_eq!(produce(&connection, "t", 0, &large).await, too_large);
    let found = describe(&connection, topic, own).await.unwrap();
    assert_eq!(found, ("1000".to_owned(), 3, false, vec![3, 5]));

    assert_eq!(alter(&connection, broker, shared, Some("3000")).await, 0);
    assert_eq!(produce(&connection, "t", 0, &large).await, Some(Ok(1)));
    let found = describe(&connection, broker, shared).await.unwrap();
    assert_eq!(found, ("3000".to_owned(), 2, false, vec![2, 3, 5]));

    assert_eq!(alter(&connection, topic, own, Some("100")).await, 0);
    assert_eq!(
        produce(&connection, "t", 0, "x".repeat(200).as_str()).await,
        too_large
    );
    let found = describe(&connection, topic, own).await.unwrap();
    assert_eq!(found, ("100".to_owned(), 1, false, vec![1, 2, 3, 5]));

    for (whose, name) in [(topic, own), (broker, shared), (cluster, shared)] {
        assert_eq!(alter(&connection, whose, name, None).await, 0);
    }
    assert_eq!(produce(&connection, "t", 0, &large).await, Some(Ok(2)));
    assert_eq!(describe(&connection, cluster, shared).await, None);
    let found = describe(&connection, broker, "node.id").await.unwrap();
    assert_eq!(found, ("1".to_owned(), 4, true, vec![4]));
}

#[tokio::test]
async fn the_limit_of_connections_follows_its_setting_and_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = single(directory.path());
    node.start();
    let connection = node.connect().await;
    assert_eq!(create_topic(&connection, "t", 1, 1).await, 0);
    let broker = (BROKER, "1");
    let one = Some("1");
    assert_eq!(alter(&connection, broker, "max.connections", one).await, 0);
    let is_served = async || {
        let limits = kintsugi_client::Limits::default();
        let second = Connection::connect(&node.endpoint(), "second", limits).await;
        match second {
            Ok(second) => metadata(&second, &[]).await.is_some(),
            Err(_) => false,
        }
    };
    assert!(!is_served().await, "one connection is the limit");
    drop(connection);
    assert_eq!(node.stop(), Some(0));
    node.start();
    let connection = node.connect().await;
    let found = describe(&connection, broker, "max.connections").await;
    assert_eq!(found.unwrap().0, "1");
    assert_eq!(alter(&connection, broker, "max.connections", None).await, 0);
    eventually("a second connection to be served", async || {
        let second = node.connect().await;
        metadata(&second, &[]).await
    })
    .await;
}
