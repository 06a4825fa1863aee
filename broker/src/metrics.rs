//! What is counted, by Prometheus's names.
//!
//! Names that Kafka's JMX exporter gives are kept where the meaning is the same
//! (`kafka_server_...`); the rest begin with `kintsugi_`.

use std::cmp::Ordering;

use kintsugi_metadata::{Delta, Image};
use kintsugi_types::BrokerId;
use prometheus::{
    Encoder as _, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts,
    Registry, TextEncoder,
};

use crate::settings::Settings;

/// All metrics of the process.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    /// Bytes of requests that were read from clients.
    pub bytes_in: IntCounter,
    /// Bytes of answers that were written to clients.
    pub bytes_out: IntCounter,
    /// Requests by API.
    pub requests: IntCounterVec,
    /// How long requests took, in seconds, by API.
    pub request_seconds: HistogramVec,
    /// What was refused or limited, by which limit.
    pub limited: IntCounterVec,
    /// Clients' connections.
    pub connections: IntGauge,
    /// Requests in memory.
    pub requests_waiting: IntGauge,
    /// Partitions that this broker leads.
    pub leaders: IntGauge,
    /// Partitions of which this broker has a replica.
    pub replicas: IntGauge,
    /// Led partitions whose ISR lacks a replica.
    pub under_replicated: IntGauge,
    /// Led partitions whose ISR is below `min.insync.replicas`.
    pub under_min_isr: IntGauge,
    /// Partitions without a leader, in the whole cluster.
    pub offline: IntGauge,
    /// Times that an ISR led here became smaller.
    pub isr_shrinks: IntCounter,
    /// Times that an ISR led here became larger.
    pub isr_expands: IntCounter,
    /// Brokers that were fenced, as this process saw it.
    pub fencings: IntCounter,
    /// The last metadata entry applied.
    pub image_offset: IntGauge,
    /// 1 on the active controller.
    pub active_controller: IntGauge,
    /// 1 while this broker serves clients.
    pub ready: IntGauge,
    /// Times that this broker's lease ran out.
    pub leases_expired: IntCounter,
    /// Events that wait in the shards' mailboxes.
    pub shard_events_waiting: IntGauge,
}

impl Metrics {
    /// All at zero.
    ///
    /// # Errors
    /// When two metrics have one name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let labelled = |name: &str, help: &str, label: &str| {
            let counter = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let buckets = vec![0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0];
        let opts = HistogramOpts::new(
            "kafka_network_requestmetrics_totaltime_seconds",
            "How long requests took, by API.",
        );
        let request_seconds = HistogramVec::new(opts.buckets(buckets), &["request"])?;
        registry.register(Box::new(request_seconds.clone()))?;
        Ok(Self {
            bytes_in: counter(
                "kafka_server_brokertopicmetrics_bytesin_total",
                "Bytes of requests read from clients.",
            )?,
            bytes_out: counter(
                "kafka_server_brokertopicmetrics_bytesout_total",
                "Bytes of answers written to clients.",
            )?,
            requests: labelled(
                "kafka_network_requestmetrics_requests_total",
                "Requests by API.",
                "request",
            )?,
            request_seconds,
            limited: labelled(
                "kintsugi_limited_total",
                "What was refused or limited, by the limit's name.",
                "limit",
            )?,
            connections: gauge(
                "kafka_server_socketservermetrics_connection_count",
                "Clients' connections.",
            )?,
            requests_waiting: gauge(
                "kafka_network_requestchannel_requestqueuesize",
                "Clients' requests in memory.",
            )?,
            leaders: gauge(
                "kafka_server_replicamanager_leadercount",
                "Partitions that this broker leads.",
            )?,
            replicas: gauge(
                "kafka_server_replicamanager_partitioncount",
                "Partitions of which this broker has a replica.",
            )?,
            under_replicated: gauge(
                "kafka_server_replicamanager_underreplicatedpartitions",
                "Led partitions whose ISR lacks a replica.",
            )?,
            under_min_isr: gauge(
                "kafka_server_replicamanager_underminisrpartitioncount",
                "Led partitions whose ISR is below min.insync.replicas.",
            )?,
            offline: gauge(
                "kafka_controller_kafkacontroller_offlinepartitionscount",
                "Partitions without a leader, in the whole cluster.",
            )?,
            isr_shrinks: counter(
                "kafka_server_replicamanager_isrshrinks_total",
                "Times that an ISR led here became smaller.",
            )?,
            isr_expands: counter(
                "kafka_server_replicamanager_isrexpands_total",
                "Times that an ISR led here became larger.",
            )?,
            fencings: counter(
                "kintsugi_broker_fencings_total",
                "Brokers that were fenced, as this process saw it.",
            )?,
            image_offset: gauge(
                "kintsugi_metadata_image_offset",
                "The last metadata entry applied.",
            )?,
            active_controller: gauge(
                "kafka_controller_kafkacontroller_activecontrollercount",
                "1 on the active controller.",
            )?,
            ready: gauge("kintsugi_broker_ready", "1 while this broker serves clients.")?,
            leases_expired: counter(
                "kintsugi_broker_leases_expired_total",
                "Times that no heartbeat was answered for a session, so that this broker stopped serving.",
            )?,
            shard_events_waiting: gauge(
                "kintsugi_shard_events_waiting",
                "Events that wait in the shards' mailboxes.",
            )?,
            registry,
        })
    }

    /// All metrics as text.
    ///
    /// # Errors
    /// When one cannot be written as text.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Sets what is counted from an image. Takes time with the number of partitions.
    pub fn observe_image(&self, image: &Image, this: Option<BrokerId>, settings: &Settings) {
        let defaults = crate::http::cluster_settings(settings);
        let (mut leaders, mut replicas, mut under_replicated) = (0, 0, 0);
        let (mut under_min_isr, mut offline) = (0, 0);
        for (id, topic) in &image.topics {
            for state in topic.partitions.values() {
                offline += i64::from(state.leader.is_none());
                let is_replica = this.is_some_and(|this| state.replicas.contains(&this));
                replicas += i64::from(is_replica);
                if this.is_some() && state.leader == this {
                    leaders += 1;
                    under_replicated += i64::from(state.isr.len() < state.replicas.len());
                    let min_isr = defaults.min_isr(image, *id, state);
                    under_min_isr += i64::from(state.isr.len() < min_isr);
                }
            }
        }
        self.leaders.set(leaders);
        self.replicas.set(replicas);
        self.under_replicated.set(under_replicated);
        self.under_min_isr.set(under_min_isr);
        self.offline.set(offline);
        self.image_offset.set(i64::try_from(image.offset.0).unwrap_or(i64::MAX));
    }

    /// Counts what changed between two images: ISRs led by `this`, and brokers fenced.
    pub fn observe_change(&self, this: BrokerId, old: &Image, new: &Image, delta: &Delta) {
        for partition in &delta.partitions {
            let (Some(old), Some(new)) = (old.partition(*partition), new.partition(*partition))
            else {
                continue;
            };
            if new.leader != Some(this) {
                continue;
            }
            match new.isr.len().cmp(&old.isr.len()) {
                Ordering::Less => self.isr_shrinks.inc(),
                Ordering::Greater => self.isr_expands.inc(),
                Ordering::Equal => {}
            }
        }
        for id in &delta.brokers {
            let was_fenced = old.brokers.get(id).is_none_or(|broker| broker.fenced);
            let is_fenced = new.brokers.get(id).is_some_and(|broker| broker.fenced);
            if is_fenced && !was_fenced {
                self.fencings.inc();
            }
        }
    }

    /// Counts something that a limit refused.
    pub fn limit(&self, name: &str) {
        self.limited.with_label_values(&[name]).inc();
    }
}
