//! `GET /metrics/partitions`: by the names that Kafka's JMX exporter gives. Where Kafka counts by
//! topic only, the partition is one label more: a sum by topic reads the same on both.

use std::fmt::Write as _;

use kintsugi_node::message::load::PartitionLoad;

use super::Loads;

/// One metric of each partition.
struct Series {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    value: fn(&PartitionLoad) -> i128,
}

macro_rules! series {
    ($kind:literal, $name:literal, $help:literal, $value:expr) => {
        Series {
            name: $name,
            kind: $kind,
            help: $help,
            value: $value,
        }
    };
}

const SERIES: [Series; 12] = [
    series!("gauge", "kafka_log_log_size", "Bytes of the log.", |p| p
        .size_bytes
        .into()),
    series!(
        "gauge",
        "kafka_log_log_logstartoffset",
        "Where the log starts.",
        |p| { p.log_start.0.into() }
    ),
    series!(
        "gauge",
        "kafka_log_log_logendoffset",
        "Where the log ends.",
        |p| { p.log_end.0.into() }
    ),
    series!(
        "gauge",
        "kintsugi_partition_high_watermark",
        "Up to where consumers may read, as this replica knows it.",
        |p| p.high_watermark.0.into()
    ),
    series!(
        "gauge",
        "kafka_cluster_partition_insyncreplicascount",
        "Replicas in sync; 0 where another broker leads.",
        |p| i128::try_from(p.in_sync_replicas).unwrap_or(i128::MAX)
    ),
    series!(
        "counter",
        "kafka_server_brokertopicmetrics_bytesin_total",
        "Bytes of batches that producers had appended.",
        |p| p.traffic.bytes_in.into()
    ),
    series!(
        "counter",
        "kafka_server_brokertopicmetrics_messagesin_total",
        "Records that producers had appended.",
        |p| p.traffic.messages_in.into()
    ),
    series!(
        "counter",
        "kafka_server_brokertopicmetrics_totalproducerequests_total",
        "Times that a produce request named the partition.",
        |p| p.traffic.produce_requests.into()
    ),
    series!(
        "counter",
        "kafka_server_brokertopicmetrics_bytesout_total",
        "Bytes of batches that consumers were answered with.",
        |p| p.traffic.bytes_out.into()
    ),
    series!(
        "counter",
        "kafka_server_brokertopicmetrics_totalfetchrequests_total",
        "Times that a consumer's fetch named the partition.",
        |p| p.traffic.fetch_requests.into()
    ),
    series!(
        "counter",
        "kafka_server_brokertopicmetrics_replicationbytesin_total",
        "Bytes of batches that this replica appended as a follower.",
        |p| p.traffic.replication_bytes_in.into()
    ),
    series!(
        "counter",
        "kafka_server_brokertopicmetrics_replicationbytesout_total",
        "Bytes of batches that followers were answered with.",
        |p| p.traffic.replication_bytes_out.into()
    ),
];

/// The first `max` partitions in order of topic and number. Topics' names hold nothing that would
/// need an escape.
pub fn render(loads: &Loads, max: usize) -> String {
    let all = loads
        .topics
        .iter()
        .flat_map(|(topic, loads)| loads.iter().map(move |load| (topic.as_str(), load)));
    let count = loads.topics.values().map(Vec::len).sum::<usize>();
    let shown: Vec<_> = all.take(max).collect();
    let mut text = String::new();
    for Series {
        name,
        kind,
        help,
        value,
    } in &SERIES
    {
        head(&mut text, name, kind, help);
        for (topic, load) in &shown {
            let (partition, value) = (load.partition.index.0, value(load));
            line(
                &mut text,
                format_args!("{name}{{topic=\"{topic}\",partition=\"{partition}\"}} {value}"),
            );
        }
    }
    let name = "kintsugi_metrics_partitions_left_out";
    let help = "Partitions not shown here (kintsugi.metrics.partitions.max).";
    head(&mut text, name, "gauge", help);
    line(&mut text, format_args!("{name} {}", count - shown.len()));
    text
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    line(text, format_args!("# HELP {name} {help}"));
    line(text, format_args!("# TYPE {name} {kind}"));
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{line}");
}
