//! The file that `kafka-reassign-partitions --reassignment-json-file` takes.

use serde::Serialize;

use kintsugi_planner::PartitionChange;

use crate::observation::PartitionKey;

#[derive(Serialize)]
struct File<'a> {
    version: u8,
    partitions: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    topic: &'a str,
    partition: i32,
    replicas: &'a [i32],
}

/// Which side of a change to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What the plan wants.
    After,
    /// What is now: to go back to.
    Before,
}

/// The changes in the plan's order. Kafka's tool checks that the brokers exist, and carries a
/// change of order only out too: the preferred leader changes, and `kafka-leader-election` or the
/// brokers' own balancing makes it lead.
///
/// # Errors
/// None that can happen with these types; serde's are passed on.
pub fn json<'a>(
    changes: &'a [PartitionChange],
    keys: &'a [PartitionKey],
    side: Side,
) -> Result<String, serde_json::Error> {
    let entry = |change: &'a PartitionChange| {
        let key = keys.get(usize::try_from(change.partition.0).ok()?)?;
        Some(Entry {
            topic: &key.topic,
            partition: key.number,
            replicas: match side {
                Side::After => &change.replicas_after,
                Side::Before => &change.replicas_before,
            },
        })
    };
    let partitions = changes.iter().filter_map(entry).collect();
    serde_json::to_string_pretty(&File {
        version: 1,
        partitions,
    })
}

#[cfg(test)]
mod tests {
    use kintsugi_planner::PartitionId;

    use super::*;

    #[test]
    fn both_sides_of_a_change_are_written_as_kafka_s_tool_reads_them() {
        let keys = [PartitionKey {
            topic: "orders".to_owned(),
            number: 3,
        }];
        let change = PartitionChange {
            partition: PartitionId(0),
            replicas_before: vec![0, 1],
            replicas_after: vec![2, 1],
            leader_before: Some(0),
            leader_after: Some(2),
            bytes: 10,
            online_replicas: 2,
        };
        let written = |side| {
            let text = json(std::slice::from_ref(&change), &keys, side).unwrap();
            serde_json::from_str::<serde_json::Value>(&text).unwrap()
        };
        let expected = |replicas: [i32; 2]| {
            serde_json::json!({"version": 1, "partitions": [
                {"topic": "orders", "partition": 3, "replicas": replicas},
            ]})
        };
        assert_eq!(written(Side::After), expected([2, 1]));
        assert_eq!(written(Side::Before), expected([0, 1]));
    }
}
