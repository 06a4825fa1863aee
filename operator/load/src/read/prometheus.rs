//! What Prometheus's JMX exporter tells of Apache Kafka with its usual rules (`kafka-2_0_0.yml`,
//! lower case): sizes and ends by partition, traffic by topic. Kafka's brokers tell no traffic by
//! partition, so that a topic's is split later, by how far each partition's log grew. Kintsugi's
//! `GET /metrics/partitions` reads the same way, with traffic by partition.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::json::number;
use super::{ANSWER_BYTES_MAX, ANSWER_PARTITIONS_MAX, ReadError, checked, checked_topic};
use crate::{BrokerSample, Counters, PartitionSample, TopicSample};

/// The most labels of a metric: Kafka's have two or three.
const LABELS_MAX: usize = 16;

/// What was read of one partition so far.
#[derive(Default)]
struct Partition {
    in_sync_replicas: f64,
    size_bytes: f64,
    log_end: Option<f64>,
    high_watermark: Option<f64>,
    counters: Option<Counters>,
}

#[derive(Default)]
struct Topic {
    counters: Option<Counters>,
    partitions: BTreeMap<i32, Partition>,
}

/// Reads the text of one broker's exporter.
///
/// # Errors
/// [`ReadError`], about the first thing that is wrong. Metrics that are not about load are passed
/// over, as long as they are metrics.
pub fn jmx_exporter(text: &str) -> Result<BrokerSample, ReadError> {
    if text.len() > ANSWER_BYTES_MAX {
        return Err(ReadError::TooLarge { bytes: text.len() });
    }
    let mut sample = BrokerSample::default();
    let mut topics: BTreeMap<&str, Topic> = BTreeMap::new();
    let mut partitions = 0;
    for (line, number) in text.lines().zip(1..) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some(metric) = Metric::parse(line) else {
            return Err(ReadError::Line { line: number });
        };
        if let Some(topic) = metric.topic {
            take(&mut topics, topic, &metric, &mut partitions)?;
        } else {
            take_of_broker(&mut sample, &metric)?;
        }
    }
    let topics = topics.into_iter().map(|(name, topic)| TopicSample {
        name: Arc::from(name),
        counters: topic.counters,
        partitions: topic.partitions.into_iter().filter_map(finished).collect(),
    });
    sample.topics = topics.collect();
    Ok(sample)
}

/// A partition counts if it is known where its log ends: other metrics name partitions, too.
fn finished((number, partition): (i32, Partition)) -> Option<PartitionSample> {
    let log_end = partition.log_end?;
    Some(PartitionSample {
        number,
        is_leader: partition.in_sync_replicas > 0.0,
        size_bytes: partition.size_bytes,
        log_end,
        high_watermark: partition.high_watermark.unwrap_or(log_end),
        counters: partition.counters,
    })
}

fn take_of_broker(sample: &mut BrokerSample, metric: &Metric<'_>) -> Result<(), ReadError> {
    let (field, into) = match metric.name {
        "process_start_time_seconds" => ("start_seconds", &mut sample.start_seconds),
        "process_cpu_seconds_total" => ("cpu_seconds", &mut sample.cpu_seconds),
        "kafka_server_brokertopicmetrics_bytesin_total" => {
            ("network_in_bytes", &mut sample.network_in_bytes)
        }
        "kafka_server_brokertopicmetrics_bytesout_total" => {
            ("network_out_bytes", &mut sample.network_out_bytes)
        }
        "kafka_server_brokertopicmetrics_replicationbytesin_total" => {
            ("replication_in_bytes", &mut sample.replication_in_bytes)
        }
        "kafka_server_brokertopicmetrics_replicationbytesout_total" => {
            ("replication_out_bytes", &mut sample.replication_out_bytes)
        }
        "kintsugi_log_directory_total_bytes" => ("disk_total_bytes", &mut sample.disk_total_bytes),
        "kintsugi_log_directory_usable_bytes" => {
            ("disk_usable_bytes", &mut sample.disk_usable_bytes)
        }
        _ => return Ok(()),
    };
    *into = Some(checked(field, metric.value)?);
    Ok(())
}

fn take<'a>(
    topics: &mut BTreeMap<&'a str, Topic>,
    name: &'a str,
    metric: &Metric<'_>,
    partitions: &mut usize,
) -> Result<(), ReadError> {
    const TRAFFIC: &str = "kafka_server_brokertopicmetrics_";
    let is_known = metric.name.starts_with(TRAFFIC)
        || matches!(
            metric.name,
            "kafka_log_log_size"
                | "kafka_log_log_logendoffset"
                | "kafka_cluster_partition_insyncreplicascount"
                | "kintsugi_partition_high_watermark"
        );
    if !is_known {
        return Ok(());
    }
    checked_topic(name)?;
    let topic = topics.entry(name).or_default();
    let Some(index) = metric.partition else {
        if let Some(field) = metric.name.strip_prefix(TRAFFIC) {
            add(&mut topic.counters, field, metric.value)?;
        }
        return Ok(());
    };
    let index = number(index)?;
    let before = topic.partitions.len();
    let partition = topic.partitions.entry(index).or_default();
    match metric.name {
        "kafka_log_log_size" => partition.size_bytes = checked("log size", metric.value)?,
        "kafka_log_log_logendoffset" => {
            partition.log_end = Some(checked("log end offset", metric.value)?);
        }
        "kafka_cluster_partition_insyncreplicascount" => {
            partition.in_sync_replicas = checked("in-sync replicas", metric.value)?;
        }
        "kintsugi_partition_high_watermark" => {
            partition.high_watermark = Some(checked("high watermark", metric.value)?);
        }
        _ => {
            if let Some(field) = metric.name.strip_prefix(TRAFFIC) {
                add(&mut partition.counters, field, metric.value)?;
            }
        }
    }
    *partitions += topic.partitions.len() - before;
    if *partitions > ANSWER_PARTITIONS_MAX {
        return Err(ReadError::TooManyPartitions);
    }
    Ok(())
}

fn add(counters: &mut Option<Counters>, field: &str, value: f64) -> Result<(), ReadError> {
    let mut found = counters.unwrap_or_default();
    let into = match field {
        "bytesin_total" => &mut found.bytes_in,
        "messagesin_total" => &mut found.messages_in,
        "totalproducerequests_total" => &mut found.produce_requests,
        "bytesout_total" => &mut found.bytes_out,
        "totalfetchrequests_total" => &mut found.fetch_requests,
        "replicationbytesout_total" => &mut found.replication_bytes_out,
        _ => return Ok(()),
    };
    *into = checked("traffic", value)?;
    *counters = Some(found);
    Ok(())
}

/// One line: `name{label="value",...} value`.
struct Metric<'a> {
    name: &'a str,
    topic: Option<&'a str>,
    partition: Option<f64>,
    value: f64,
}

impl<'a> Metric<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let name_end = line.find(['{', ' '])?;
        let (name, rest) = line.split_at(name_end);
        let mut metric = Self {
            name,
            topic: None,
            partition: None,
            value: 0.0,
        };
        let value = match rest.strip_prefix('{') {
            Some(labels) => metric.take_labels(labels)?,
            None => rest,
        };
        // A time stamp may follow.
        metric.value = value.split_whitespace().next()?.parse().ok()?;
        Some(metric)
    }

    /// Takes what is between the braces; gives what follows. A value with escapes is no topic's, and
    /// no number.
    fn take_labels(&mut self, labels: &'a str) -> Option<&'a str> {
        let mut rest = labels;
        for _ in 0..LABELS_MAX {
            rest = rest.trim_start_matches([',', ' ']);
            if let Some(after) = rest.strip_prefix('}') {
                return Some(after);
            }
            let (label, after) = rest.split_once("=\"")?;
            let end = end_of_quoted(after)?;
            let value = &after[..end];
            rest = &after[end + 1..];
            match label {
                "topic" if !value.contains('\\') => self.topic = Some(value),
                "partition" => self.partition = value.parse().ok(),
                _ => {}
            }
        }
        rest.trim_start_matches([',', ' ']).strip_prefix('}')
    }
}

/// Where the quote stands that ends a label's value.
fn end_of_quoted(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (place, byte) in text.bytes().enumerate() {
        match byte {
            b'"' if !is_escaped => return Some(place),
            b'\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    None
}
