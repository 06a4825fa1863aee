//! What Kintsugi's brokers answer on `GET /v1/load` and `GET /v1/group-offsets`.

use std::sync::Arc;

use serde::Deserialize;

use super::{
    ANSWER_BUCKETS_MAX, ANSWER_BYTES_MAX, ANSWER_PARTITIONS_MAX, ReadError, checked, checked_topic,
};
use crate::groups::GroupOffsets;
use crate::{BrokerSample, Counters, PartitionSample, RequestTimes, TopicPartition, TopicSample};

/// The numbers of a partition that are read, in their order. Further ones may follow.
const COLUMNS: [&str; 13] = [
    "partition",
    "leader",
    "size_bytes",
    "log_start",
    "log_end",
    "high_watermark",
    "bytes_in",
    "messages_in",
    "produce_requests",
    "bytes_out",
    "fetch_requests",
    "replication_bytes_in",
    "replication_bytes_out",
];

#[derive(Deserialize)]
struct Answer<'a> {
    start_seconds: f64,
    uptime_ms: u64,
    cpu_seconds: f64,
    network_in_bytes: f64,
    network_out_bytes: f64,
    replication_in_bytes: f64,
    replication_out_bytes: f64,
    disk_total_bytes: Option<f64>,
    disk_usable_bytes: Option<f64>,
    /// Brokers before the version that measures it do not tell.
    #[serde(default)]
    produce_times: Option<Times>,
    #[serde(borrow)]
    columns: Vec<&'a str>,
    #[serde(borrow)]
    topics: Vec<Topic<'a>>,
}

#[derive(Deserialize)]
struct Times {
    bounds_ms: Vec<f64>,
    counts: Vec<f64>,
}

#[derive(Deserialize)]
struct Topic<'a> {
    name: &'a str,
    partitions: Vec<Vec<f64>>,
}

/// Reads an answer of `GET /v1/load`.
///
/// # Errors
/// [`ReadError`], about the first thing that is wrong.
pub fn load(answer: &[u8]) -> Result<BrokerSample, ReadError> {
    check_size(answer)?;
    let answer: Answer<'_> = serde_json::from_slice(answer)?;
    if answer.columns.get(..COLUMNS.len()) != Some(&COLUMNS[..]) {
        return Err(ReadError::Columns);
    }
    let partitions: usize = answer
        .topics
        .iter()
        .map(|topic| topic.partitions.len())
        .sum();
    if partitions > ANSWER_PARTITIONS_MAX {
        return Err(ReadError::TooManyPartitions);
    }
    let optional = |field, value: Option<f64>| value.map(|v| checked(field, v)).transpose();
    Ok(BrokerSample {
        start_seconds: Some(checked("start_seconds", answer.start_seconds)?),
        uptime_ms: Some(answer.uptime_ms),
        cpu_seconds: Some(checked("cpu_seconds", answer.cpu_seconds)?),
        network_in_bytes: Some(checked("network_in_bytes", answer.network_in_bytes)?),
        network_out_bytes: Some(checked("network_out_bytes", answer.network_out_bytes)?),
        replication_in_bytes: Some(checked(
            "replication_in_bytes",
            answer.replication_in_bytes,
        )?),
        replication_out_bytes: Some(checked(
            "replication_out_bytes",
            answer.replication_out_bytes,
        )?),
        disk_total_bytes: optional("disk_total_bytes", answer.disk_total_bytes)?,
        disk_usable_bytes: optional("disk_usable_bytes", answer.disk_usable_bytes)?,
        produce_times: answer.produce_times.map(times).transpose()?,
        topics: answer.topics.iter().map(topic).collect::<Result<_, _>>()?,
    })
}

fn times(told: Times) -> Result<RequestTimes, ReadError> {
    let Times { bounds_ms, counts } = told;
    let is_ascending = bounds_ms.windows(2).all(|pair| pair[0] < pair[1]);
    let is_in_bounds = (1..=ANSWER_BUCKETS_MAX).contains(&bounds_ms.len());
    if !is_ascending || !is_in_bounds || counts.len() != bounds_ms.len() + 1 {
        return Err(ReadError::Buckets);
    }
    for bound in &bounds_ms {
        checked("bounds_ms of produce_times", *bound)?;
    }
    for count in &counts {
        checked("counts of produce_times", *count)?;
    }
    Ok(RequestTimes { bounds_ms, counts })
}

fn topic(topic: &Topic<'_>) -> Result<TopicSample, ReadError> {
    checked_topic(topic.name)?;
    let partitions = topic.partitions.iter().map(|row| partition(row));
    Ok(TopicSample {
        name: Arc::from(topic.name),
        counters: None,
        partitions: partitions.collect::<Result<_, _>>()?,
    })
}

fn partition(row: &[f64]) -> Result<PartitionSample, ReadError> {
    let value = |column: usize| {
        let value = row.get(column).copied().unwrap_or(f64::NAN);
        checked(COLUMNS[column], value)
    };
    let number = number(value(0)?)?;
    Ok(PartitionSample {
        number,
        is_leader: value(1)? > 0.0,
        size_bytes: value(2)?,
        log_end: value(4)?,
        high_watermark: value(5)?,
        counters: Some(Counters {
            bytes_in: value(6)?,
            messages_in: value(7)?,
            produce_requests: value(8)?,
            bytes_out: value(9)?,
            fetch_requests: value(10)?,
            replication_bytes_out: value(12)?,
        }),
    })
}

/// A partition's number.
pub(super) fn number(value: f64) -> Result<i32, ReadError> {
    let is_number = value.fract() == 0.0 && (0.0..=f64::from(i32::MAX)).contains(&value);
    is_number.then_some(value as i32).ok_or(ReadError::Value {
        field: "partition",
        value,
    })
}

#[derive(Deserialize)]
struct GroupsAnswer<'a> {
    #[serde(borrow)]
    groups: Vec<Group<'a>>,
    left_out: u64,
}

#[derive(Deserialize)]
struct Group<'a> {
    /// A group's name may hold anything, so that it may come with escapes.
    id: String,
    members: usize,
    #[serde(borrow)]
    topics: Vec<GroupTopic<'a>>,
}

#[derive(Deserialize)]
struct GroupTopic<'a> {
    name: &'a str,
    partitions: Vec<(i32, f64)>,
}

/// Reads an answer of `GET /v1/group-offsets`; also how many offsets the broker left out.
///
/// # Errors
/// [`ReadError`], about the first thing that is wrong.
pub fn group_offsets(answer: &[u8]) -> Result<(Vec<GroupOffsets>, u64), ReadError> {
    check_size(answer)?;
    let answer: GroupsAnswer<'_> = serde_json::from_slice(answer)?;
    let all = answer.groups.iter().flat_map(|group| &group.topics);
    if all.map(|topic| topic.partitions.len()).sum::<usize>() > ANSWER_PARTITIONS_MAX {
        return Err(ReadError::TooManyPartitions);
    }
    let mut groups = Vec::with_capacity(answer.groups.len());
    for group in answer.groups {
        let mut offsets = Vec::new();
        for topic in &group.topics {
            checked_topic(topic.name)?;
            let name: Arc<str> = Arc::from(topic.name);
            for (partition, offset) in &topic.partitions {
                let partition = TopicPartition {
                    topic: Arc::clone(&name),
                    number: number(f64::from(*partition))?,
                };
                offsets.push((partition, checked("committed offset", *offset)?));
            }
        }
        groups.push(GroupOffsets {
            group: group.id,
            members: group.members,
            offsets,
        });
    }
    Ok((groups, answer.left_out))
}

fn check_size(answer: &[u8]) -> Result<(), ReadError> {
    let bytes = answer.len();
    if bytes > ANSWER_BYTES_MAX {
        return Err(ReadError::TooLarge { bytes });
    }
    Ok(())
}
