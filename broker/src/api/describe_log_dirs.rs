//! DescribeLogDirs: what this broker's log directory holds (KIP-113, KIP-827).

use std::collections::BTreeMap;

use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use kafka_protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};
use kintsugi_node::message::shard::LogSize;
use kintsugi_types::TopicName;

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::topics::own;
use crate::metrics::volume;

/// The first version that tells the size of the volume.
const VOLUME_SINCE: i16 = 4;

/// Asks every shard.
pub async fn serve(call: Call) -> Result<Answer, ApiError> {
    let request: DescribeLogDirsRequest = call.decode()?;
    let asked: Vec<_> = call.broker().describe_logs();
    let mut logs: Vec<LogSize> = Vec::new();
    for answer in asked {
        logs.extend(answer.await.map_err(|_| ApiError::NoAnswer)?);
    }
    let image = call.broker().image().image;
    let is_asked = |topic: &TopicName, index: i32| match &request.topics {
        None => true,
        Some(topics) => topics
            .iter()
            .any(|t| &**t.topic == topic.as_str() && t.partitions.contains(&index)),
    };
    let mut topics: BTreeMap<&TopicName, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    for log in &logs {
        let (topic, index) = (
            image.topics.get(&log.partition.topic),
            log.partition.index.0,
        );
        if let Some(topic) = topic.filter(|topic| is_asked(&topic.name, index)) {
            let size = i64::try_from(log.size_bytes).unwrap_or(i64::MAX);
            let partition = DescribeLogDirsPartition::default()
                .with_partition_index(index)
                .with_partition_size(size)
                .with_offset_lag(log.offset_lag);
            topics.entry(&topic.name).or_default().push(partition);
        }
    }
    let topics = topics.into_iter().map(|(name, mut partitions)| {
        partitions.sort_by_key(|partition| partition.partition_index);
        DescribeLogDirsTopic::default()
            .with_name(own(name.as_str()).into())
            .with_partitions(partitions)
    });
    let directory = &call.broker().settings.log_directory;
    let mut result = DescribeLogDirsResult::default()
        .with_log_dir(own(&directory.to_string_lossy()))
        .with_topics(topics.collect());
    if call.version() >= VOLUME_SINCE {
        // A volume that does not tell is shown as Kafka shows an unknown one: -1.
        let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        let volume = volume(directory);
        let (total, usable) = volume.map_or((-1, -1), |volume| {
            (bytes(volume.total_bytes), bytes(volume.usable_bytes))
        });
        result = result.with_total_bytes(total).with_usable_bytes(usable);
    }
    let response = DescribeLogDirsResponse::default().with_results(vec![result]);
    call.encode::<DescribeLogDirsRequest>(&response)
}
