//! The reading side: everything that is in a topic, from the first offset to the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::record::RecordId;
use crate::verify::ReadBack;

/// Failed to read a topic.
#[derive(Debug, thiserror::Error)]
pub enum ReadTopicError {
    /// The client library refused.
    #[error("failed to read topic {topic}: {source}")]
    Client {
        /// Which topic.
        topic: String,
        /// Why.
        source: KafkaError,
    },
    /// It did not come to the end in time.
    #[error(
        "failed to read topic {topic}: {read} records read in {limit:?}, but partitions {missing:?} did not reach their end"
    )]
    TimedOut {
        /// Which topic.
        topic: String,
        /// How many records were read.
        read: u64,
        /// The time that it had.
        limit: Duration,
        /// The partitions that were not read to the end.
        missing: BTreeSet<i32>,
    },
}

/// Reads every partition of a topic up to its end, in at most `limit`.
///
/// # Errors
/// If the library refuses, or the end is not reached in time.
pub fn read_topic(
    bootstrap: &str,
    topic: &str,
    partitions: i32,
    limit: Duration,
) -> Result<BTreeMap<i32, Vec<ReadBack>>, ReadTopicError> {
    let client = |source| ReadTopicError::Client {
        topic: topic.to_owned(),
        source,
    };
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "kintsugi-verifier")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("check.crcs", "true")
        .create()
        .map_err(client)?;
    let mut assignment = TopicPartitionList::new();
    for partition in 0..partitions {
        assignment
            .add_partition_offset(topic, partition, Offset::Beginning)
            .map_err(client)?;
    }
    consumer.assign(&assignment).map_err(client)?;
    let mut missing: BTreeSet<i32> = (0..partitions).collect();
    let mut records: BTreeMap<i32, Vec<ReadBack>> = BTreeMap::new();
    let (deadline, mut read) = (Instant::now() + limit, 0);
    while !missing.is_empty() {
        if Instant::now() > deadline {
            let topic = topic.to_owned();
            return Err(ReadTopicError::TimedOut {
                topic,
                read,
                limit,
                missing,
            });
        }
        match consumer.poll(Duration::from_millis(100)) {
            None => {}
            Some(Ok(message)) => {
                read += 1;
                let record = RecordId::decode(message.payload().unwrap_or_default());
                let record = ReadBack {
                    offset: message.offset(),
                    record,
                };
                records.entry(message.partition()).or_default().push(record);
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                missing.remove(&partition);
            }
            // The library retries what passes; what does not pass ends in the time-out above.
            Some(Err(error)) => tracing::debug!(%error, topic, "the consumer met an error"),
        }
    }
    Ok(records)
}
