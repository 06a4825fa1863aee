//! Producing and fetching, one batch at a time.

use bytes::Bytes;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{BrokerId, CreateTopicsRequest, FetchRequest, ProduceRequest};
use kintsugi_client::Connection;
use kintsugi_types::TimestampMs;
use kintsugi_wire::batch::split;
use kintsugi_wire::records::{Record, build, read};

use super::{Cluster, eventually, partition, text};

/// Creates a topic; gives the error code.
pub async fn create_topic(
    connection: &Connection,
    name: &str,
    partitions: i32,
    replicas: i16,
) -> i16 {
    let topic = CreatableTopic::default()
        .with_name(text(name).into())
        .with_num_partitions(partitions)
        .with_replication_factor(replicas);
    let request = CreateTopicsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(10_000);
    let response = connection.request(7, &request).await.unwrap();
    response.topics[0].error_code
}

/// Produces one record; gives the offset, or the error code. `None`: the connection is no good.
pub async fn produce(
    connection: &Connection,
    topic: &str,
    partition: i32,
    value: &str,
) -> Option<Result<i64, i16>> {
    let record = Record {
        timestamp: TimestampMs(1),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        ..Record::default()
    };
    let batch = build(&[record]).unwrap();
    produce_batch(connection, topic, partition, batch).await
}

/// Writes a batch to whoever leads the partition, once one of them takes it.
pub async fn write_batch(cluster: &Cluster, topic: &str, index: i32, batch: &Bytes) {
    let connection = cluster.brokers[0].connect().await;
    eventually("a batch to be written", async || {
        let leader = partition(&connection, topic, index).await?.leader_id.0;
        let leader = cluster.brokers.iter().find(|node| node.id == leader)?;
        let leader = leader.connect().await;
        produce_batch(&leader, topic, index, batch.clone())
            .await?
            .ok()
    })
    .await;
}

/// Produces one batch as it is, the same way.
pub async fn produce_batch(
    connection: &Connection,
    topic: &str,
    partition: i32,
    batch: Bytes,
) -> Option<Result<i64, i16>> {
    let partition = PartitionProduceData::default()
        .with_index(partition)
        .with_records(Some(batch));
    let topic = TopicProduceData::default()
        .with_name(text(topic).into())
        .with_partition_data(vec![partition]);
    let request = ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(5_000)
        .with_topic_data(vec![topic]);
    let response = connection.request(9, &request).await.ok()?;
    let answer = &response.responses[0].partition_responses[0];
    Some(match answer.error_code {
        0 => Ok(answer.base_offset),
        error => Err(error),
    })
}

/// The values of all committed records of a partition, from its start.
pub async fn consume(connection: &Connection, topic: &str, partition: i32) -> Vec<String> {
    let mut values = Vec::new();
    let mut offset = 0;
    loop {
        let asked = FetchPartition::default()
            .with_partition(partition)
            .with_fetch_offset(offset)
            .with_partition_max_bytes(1 << 20);
        let topic = FetchTopic::default()
            .with_topic(text(topic).into())
            .with_partitions(vec![asked]);
        let request = FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_wait_ms(100)
            .with_min_bytes(1)
            .with_max_bytes(1 << 20)
            .with_topics(vec![topic]);
        let response = connection.request(11, &request).await.unwrap();
        let found = &response.responses[0].partitions[0];
        assert_eq!(found.error_code, 0);
        let bytes = found.records.clone().unwrap_or_default();
        if bytes.is_empty() {
            return values;
        }
        for batch in split(bytes) {
            let (header, batch) = batch.unwrap();
            offset = header.next_offset().0;
            for record in read(&batch).unwrap() {
                let value = record.unwrap().record.value.unwrap();
                values.push(String::from_utf8(value.to_vec()).unwrap());
            }
        }
    }
}
