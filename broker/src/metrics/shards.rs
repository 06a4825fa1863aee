//! What shards count: idempotent producers, and coordinators of groups.

use kintsugi_node::message::shard::Counts;
use prometheus::{IntCounter, Registry};

/// The counters of all shards together.
#[derive(Clone, Debug)]
pub struct ShardCounters {
    producers_evicted: IntCounter,
    producers_expired: IntCounter,
    group_loads: IntCounter,
    group_load_ms: IntCounter,
    group_log_rewrites: IntCounter,
    batches_damaged: IntCounter,
    batches_mended: IntCounter,
}

impl ShardCounters {
    /// All at zero.
    ///
    /// # Errors
    /// When two metrics have one name.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| super::counter(registry, name, help);
        Ok(Self {
            producers_evicted: counter(
                "kintsugi_producer_ids_evicted_total",
                "Idempotent producers forgotten by a partition because it knew kintsugi.producer.ids.max.",
            )?,
            producers_expired: counter(
                "kintsugi_producer_ids_expired_total",
                "Idempotent producers forgotten after producer.id.expiration.ms.",
            )?,
            group_loads: counter(
                "kintsugi_group_coordinator_loads_total",
                "Coordinators of groups that were loaded.",
            )?,
            group_load_ms: counter(
                "kintsugi_group_coordinator_load_ms_total",
                "How long those loads took together, in milliseconds.",
            )?,
            group_log_rewrites: counter(
                "kintsugi_group_log_rewrites_total",
                "Logs of group coordinators that were rewritten to what is in use.",
            )?,
            batches_damaged: counter(
                "kintsugi_log_damages_total",
                "Places in logs where batches were found that are not what was written.",
            )?,
            batches_mended: counter(
                "kintsugi_log_mends_total",
                "Those of them that were mended from another replica.",
            )?,
        })
    }

    /// Adds what a shard counted.
    pub fn add(&self, counts: &Counts) {
        self.producers_evicted.inc_by(counts.producers_evicted);
        self.producers_expired.inc_by(counts.producers_expired);
        self.group_loads.inc_by(counts.group_loads);
        self.group_load_ms.inc_by(counts.group_load_ms);
        self.group_log_rewrites.inc_by(counts.group_log_rewrites);
        self.batches_damaged.inc_by(counts.batches_damaged);
        self.batches_mended.inc_by(counts.batches_mended);
    }
}
