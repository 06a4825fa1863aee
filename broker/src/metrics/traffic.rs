//! Clients and their requests.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Registry};

use super::requests::Requests;
use super::{counter, gauge, labelled};

/// What clients do.
#[derive(Clone, Debug)]
pub struct Traffic {
    /// Bytes of requests that were read from clients.
    pub bytes_in: IntCounter,
    /// Bytes of answers that were written to clients.
    pub bytes_out: IntCounter,
    /// Bytes of batches that leaders answered this broker's fetches with.
    pub replication_bytes_in: IntCounter,
    /// Bytes of batches that followers were answered with.
    pub replication_bytes_out: IntCounter,
    /// Requests by API, and how long they took.
    pub requests: Requests,
    /// What was refused or limited, by the limit's name.
    pub limited: IntCounterVec,
    /// Clients' connections.
    pub connections: IntGauge,
    /// Requests in memory.
    pub requests_waiting: IntGauge,
    /// Events that wait in the shards' mailboxes.
    pub shard_events_waiting: IntGauge,
    /// Log files that are open.
    pub open_log_files: IntGauge,
    /// The most log files that are kept open.
    pub open_log_files_max: IntGauge,
}

impl Traffic {
    /// All at zero.
    ///
    /// # Errors
    /// When two metrics have one name.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            bytes_in: counter(
                registry,
                "kafka_server_brokertopicmetrics_bytesin_total",
                "Bytes of requests read from clients.",
            )?,
            bytes_out: counter(
                registry,
                "kafka_server_brokertopicmetrics_bytesout_total",
                "Bytes of answers written to clients.",
            )?,
            replication_bytes_in: counter(
                registry,
                "kafka_server_brokertopicmetrics_replicationbytesin_total",
                "Bytes of batches fetched from leaders.",
            )?,
            replication_bytes_out: counter(
                registry,
                "kafka_server_brokertopicmetrics_replicationbytesout_total",
                "Bytes of batches that followers were answered with.",
            )?,
            requests: Requests::new(registry)?,
            limited: labelled(
                registry,
                "kintsugi_limited_total",
                "What was refused or limited, by the limit's name.",
                "limit",
            )?,
            connections: gauge(
                registry,
                "kafka_server_socketservermetrics_connection_count",
                "Clients' connections.",
            )?,
            requests_waiting: gauge(
                registry,
                "kafka_network_requestchannel_requestqueuesize",
                "Clients' requests in memory.",
            )?,
            shard_events_waiting: gauge(
                registry,
                "kintsugi_shard_events_waiting",
                "Events that wait in the shards' mailboxes.",
            )?,
            open_log_files: gauge(
                registry,
                "kintsugi_log_files_open",
                "Log files that are open; the least recently used is closed first.",
            )?,
            open_log_files_max: gauge(
                registry,
                "kintsugi_log_files_open_max",
                "The most log files that are kept open.",
            )?,
        })
    }
}
