//! What is made of the load model.

use std::sync::Arc;

use kintsugi_load::{
    BrokerSample, Counters, GroupModel, GroupOffsets, LoadModel, PartitionSample, TopicPartition,
    TopicSample,
};

use super::*;
use crate::topic::growth::sample;

/// A broker leads so many partitions of topic `orders`, each with 1,000 bytes and 10 records a second.
fn told(partitions: i32, seconds: f64) -> BrokerSample {
    let partition = |number| PartitionSample {
        number,
        is_leader: true,
        size_bytes: 0.0,
        log_end: 10.0 * seconds,
        high_watermark: 10.0 * seconds,
        counters: Some(Counters {
            bytes_in: 1_000.0 * seconds,
            messages_in: 10.0 * seconds,
            ..Counters::default()
        }),
    };
    BrokerSample {
        topics: vec![TopicSample {
            name: Arc::from("orders"),
            counters: None,
            partitions: (0..partitions).map(partition).collect(),
        }],
        ..BrokerSample::default()
    }
}

/// After 20 s with one partition, and 5 s with two.
fn models() -> (LoadModel, GroupModel) {
    let (mut model, mut groups) = (LoadModel::default(), GroupModel::default());
    for round in 0..=5 {
        let (seconds, partitions) = (f64::from(round) * 5.0, if round < 4 { 1 } else { 2 });
        let at = 1_000 + seconds as u64 * 1_000;
        model.take(0, at, &told(partitions, seconds));
        let offsets = |committed: f64| {
            let topic = Arc::from("orders");
            vec![(TopicPartition { topic, number: 0 }, committed)]
        };
        let group = |name: &str, members, committed: f64| GroupOffsets {
            group: name.to_owned(),
            members,
            offsets: offsets(committed),
        };
        // One follows closely, one with half the pace; one is told of in the first round only.
        let mut told = vec![
            group("close", 1, 10.0 * seconds),
            group("slow", 2, 5.0 * seconds),
        ];
        if round == 0 {
            told.push(group("gone", 3, 0.0));
        }
        groups.take(at, told);
    }
    (model, groups)
}

#[test]
fn a_sample_is_the_sum_of_the_topics_partitions_and_the_group_that_lags_most_comes_first() {
    let (model, groups) = models();
    let Sample {
        bytes_per_second,
        lags,
    } = sample("orders", 1, &model, &groups, 26_000).unwrap();
    // The second partition is of a topic of that name that is gone.
    assert!(
        (bytes_per_second - 1_000.0).abs() < 1.0,
        "{bytes_per_second}"
    );
    let names: Vec<&str> = lags.iter().map(|lag| lag.group.as_str()).collect();
    assert_eq!(names, ["slow", "close"]);
    let slow = &lags[0];
    assert_eq!((slow.members, slow.records), (2, 125.0));
    assert!((slow.seconds - 12.5).abs() < 0.1, "{slow:?}");
    assert!((slow.committed_per_second - 5.0).abs() < 0.1, "{slow:?}");
    assert!((slow.produced_per_second - 10.0).abs() < 0.1, "{slow:?}");
}

#[test]
fn nothing_is_known_before_every_partition_was_measured_or_while_a_leader_is_silent() {
    let (model, groups) = models();
    let why = |partitions, now| sample("orders", partitions, &model, &groups, now).unwrap_err();
    let new = why(2, 26_000);
    assert_eq!(
        new,
        "1 of 2 partitions are not measured yet, which takes 15 s"
    );
    let unknown = sample("other", 3, &model, &groups, 26_000).unwrap_err();
    assert_eq!(
        unknown,
        "3 of 3 partitions are not measured yet, which takes 15 s"
    );
    let silent = why(1, 41_000);
    assert_eq!(
        silent,
        "the leader of partition 0 has not told its load for 15 s"
    );
}
