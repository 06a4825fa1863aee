//! `GET /v1/load`, of every partition.

use kintsugi_node::message::load::PartitionLoad;
use serde::Serialize;

use super::Loads;
use crate::http::App;
use crate::metrics::{Times, volume};

/// What the numbers of a partition are, in their order.
pub const COLUMNS: [&str; 13] = [
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

/// The whole answer.
#[derive(Serialize)]
pub struct Answer<'a> {
    broker: i32,
    /// When the process started, in seconds since 1970: another value means that counters began anew.
    start_seconds: f64,
    /// The age of the process when the counters were read.
    uptime_ms: u64,
    cpu_seconds: f64,
    network_in_bytes: u64,
    network_out_bytes: u64,
    replication_in_bytes: u64,
    replication_out_bytes: u64,
    disk_total_bytes: Option<u64>,
    disk_usable_bytes: Option<u64>,
    /// How long producers' requests took since the process started.
    produce_times: Option<Times>,
    columns: [&'static str; 13],
    topics: Vec<Topic<'a>>,
}

#[derive(Serialize)]
struct Topic<'a> {
    name: &'a str,
    partitions: Vec<[i64; 13]>,
}

/// Makes the answer. The process's own counters are read now.
pub fn answer<'a>(app: &App, loads: &'a Loads) -> Answer<'a> {
    let directory = &app.settings.log_directory;
    app.metrics.process.observe(directory);
    let (process, traffic) = (&app.metrics.process, &app.metrics.traffic);
    let volume = volume(directory);
    let topics = loads.topics.iter().map(|(name, partitions)| Topic {
        name: name.as_str(),
        partitions: partitions.iter().map(row).collect(),
    });
    Answer {
        broker: app.settings.broker.map_or(-1, |id| id.0),
        start_seconds: process.start_seconds(),
        uptime_ms: loads.at.as_millis(),
        cpu_seconds: process.cpu_seconds(),
        network_in_bytes: traffic.bytes_in.get(),
        network_out_bytes: traffic.bytes_out.get(),
        replication_in_bytes: traffic.replication_bytes_in.get(),
        replication_out_bytes: traffic.replication_bytes_out.get(),
        disk_total_bytes: volume.map(|volume| volume.total_bytes),
        disk_usable_bytes: volume.map(|volume| volume.usable_bytes),
        produce_times: traffic.requests.produce_times(),
        columns: COLUMNS,
        topics: topics.collect(),
    }
}

pub(super) fn row(load: &PartitionLoad) -> [i64; 13] {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let traffic = &load.traffic;
    [
        i64::from(load.partition.index.0),
        i64::from(load.is_leader),
        number(load.size_bytes),
        load.log_start.0,
        load.log_end.0,
        load.high_watermark.0,
        number(traffic.bytes_in),
        number(traffic.messages_in),
        number(traffic.produce_requests),
        number(traffic.bytes_out),
        number(traffic.fetch_requests),
        number(traffic.replication_bytes_in),
        number(traffic.replication_bytes_out),
    ]
}
