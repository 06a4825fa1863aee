//! DescribeLogDirs: how large a broker's replicas and disks are (KIP-113, KIP-827).

use kintsugi_client::messages::DescribeLogDirsRequest;

use super::{AdminError, Session, refused};
use crate::observation::{LogDirectories, PartitionKey};

const WHAT: &str = "the log directories";

pub(super) async fn read(session: &Session, broker: i32) -> Result<LogDirectories, AdminError> {
    let request = DescribeLogDirsRequest::default().with_topics(None);
    let answer = session.request(&request).await;
    let answer = answer.map_err(|source| AdminError::Broker {
        what: WHAT,
        broker,
        source,
    })?;
    refused(WHAT, broker, answer.error_code)?;
    let mut found = LogDirectories::default();
    // Before version 4 nobody tells what the disks hold (-1).
    let mut total_bytes = Some(0_u64);
    for directory in &answer.results {
        refused(WHAT, broker, directory.error_code)?;
        let held = u64::try_from(directory.total_bytes).ok();
        total_bytes = total_bytes
            .zip(held)
            .map(|(sum, held)| sum.saturating_add(held));
        for topic in &directory.topics {
            for partition in &topic.partitions {
                // A copy that moves between two directories counts once it has moved.
                if partition.is_future_key {
                    continue;
                }
                let key = PartitionKey {
                    topic: topic.name.to_string(),
                    number: partition.partition_index,
                };
                let size_bytes = u64::try_from(partition.partition_size).unwrap_or(0);
                found.replica_bytes.insert(key, size_bytes);
            }
        }
    }
    found.total_bytes = total_bytes.filter(|total| *total > 0);
    Ok(found)
}
