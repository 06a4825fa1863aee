//! How large each copy of a partition is (KIP-113).

use std::collections::BTreeMap;

use anyhow::ensure;
use kafka_protocol::messages::DescribeLogDirsRequest;

use super::{Partition, ask, cluster};

const VERSION: i16 = 1;

/// The bytes of every copy, by partition and broker.
///
/// # Errors
/// If a broker does not tell.
pub fn sizes_bytes(bootstrap: &str) -> anyhow::Result<BTreeMap<(Partition, i32), u64>> {
    let mut sizes = BTreeMap::new();
    for (id, address) in cluster(bootstrap)?.brokers {
        let request = DescribeLogDirsRequest::default().with_topics(None);
        let answer = ask(&address, VERSION, &request)?;
        for directory in &answer.results {
            let code = directory.error_code;
            ensure!(
                code == 0,
                "broker {id} does not tell of its logs: error {code}"
            );
            for topic in &directory.topics {
                for partition in &topic.partitions {
                    let key = (topic.name.to_string(), partition.partition_index);
                    sizes.insert((key, id), u64::try_from(partition.partition_size)?);
                }
            }
        }
    }
    Ok(sizes)
}
