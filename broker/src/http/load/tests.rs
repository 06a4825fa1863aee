#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use kintsugi_node::message::load::{PartitionLoad, Traffic};
use kintsugi_types::{Offset, PartitionId, PartitionIndex, Time, TopicId};

use super::{Loads, json, text};

fn load(index: i32) -> PartitionLoad {
    PartitionLoad {
        partition: PartitionId {
            topic: TopicId(uuid::Uuid::from_u128(1)),
            index: PartitionIndex(index),
        },
        is_leader: true,
        in_sync_replicas: 3,
        size_bytes: 100,
        log_start: Offset(1),
        log_end: Offset(9),
        high_watermark: Offset(8),
        traffic: Traffic {
            bytes_in: 10,
            messages_in: 11,
            produce_requests: 12,
            bytes_out: 13,
            fetch_requests: 14,
            replication_bytes_in: 15,
            replication_bytes_out: 16,
        },
    }
}

#[test]
fn a_row_has_its_numbers_in_the_order_of_the_columns() {
    let row = json::row(&load(7));
    assert_eq!(row, [7, 1, 100, 1, 9, 8, 10, 11, 12, 13, 14, 15, 16]);
    assert_eq!(row.len(), json::COLUMNS.len());
}

#[test]
fn the_text_shows_as_many_partitions_as_it_may_and_says_how_many_it_left_out() {
    let topics = BTreeMap::from([("t".parse().unwrap(), (0..5).map(load).collect())]);
    let loads = Loads {
        at: Time::ZERO,
        topics,
    };
    let text = text::render(&loads, 2);
    let sizes = text
        .lines()
        .filter(|line| line.starts_with("kafka_log_log_size{"));
    let sizes: Vec<_> = sizes.collect();
    assert_eq!(
        sizes,
        [
            "kafka_log_log_size{topic=\"t\",partition=\"0\"} 100",
            "kafka_log_log_size{topic=\"t\",partition=\"1\"} 100",
        ]
    );
    assert!(text.ends_with("kintsugi_metrics_partitions_left_out 3\n"));
}
