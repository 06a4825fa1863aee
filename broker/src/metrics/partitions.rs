//! Partitions and brokers, as the metadata tells them.

use std::cmp::Ordering;

use kintsugi_metadata::{Delta, Image};
use kintsugi_types::BrokerId;
use prometheus::{IntCounter, IntGauge, Registry};

use crate::settings::Settings;

/// The state of partitions and brokers.
#[derive(Clone, Debug)]
pub struct Partitions {
    /// Partitions that this broker leads.
    pub leaders: IntGauge,
    /// Partitions of which this broker has a replica.
    pub replicas: IntGauge,
    /// Led partitions whose ISR lacks a replica.
    pub under_replicated: IntGauge,
    /// Led partitions whose ISR is below min.insync.replicas.
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
    /// Times that no heartbeat was answered for a session, so that this broker stopped serving.
    pub leases_expired: IntCounter,
}

impl Partitions {
    /// All at zero.
    ///
    /// # Errors
    /// When two metrics have one name.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| super::gauge(registry, name, help);
        let counter = |name: &str, help: &str| super::counter(registry, name, help);
        Ok(Self {
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
            ready: gauge(
                "kintsugi_broker_ready",
                "1 while this broker serves clients.",
            )?,
            leases_expired: counter(
                "kintsugi_broker_leases_expired_total",
                "Times that no heartbeat was answered for a session, so that this broker stopped serving.",
            )?,
        })
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
        self.image_offset
            .set(i64::try_from(image.offset.0).unwrap_or(i64::MAX));
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
}
