//! What a shard is configured by, and its limits.

use std::sync::Arc;
use std::time::Duration;

use kintsugi_coordinator::CoordinatorConfig;
use kintsugi_storage::LogConfig;
use kintsugi_types::BrokerId;

use super::throttle::Throttles;

/// The settings of one shard.
#[derive(Clone, Debug)]
pub struct ShardConfig {
    /// The broker.
    pub broker: BrokerId,
    /// Which of its shards this is, from zero.
    pub shard: u16,
    /// How many shards the broker has.
    pub shards: u16,
    /// What topics have that do not say otherwise.
    pub topic_defaults: TopicDefaults,
    /// `replica.lag.time.max.ms`.
    pub lag_max: Duration,
    /// Its times.
    pub timings: Timings,
    /// The coordinators of groups.
    pub groups: CoordinatorConfig,
    /// Its limits.
    pub limits: Limits,
    /// What throttled replicas were copied; one for all shards of a broker.
    pub throttles: Arc<Throttles>,
    /// Deliberate faults of the replicas.
    #[cfg(any(test, feature = "bugs"))]
    pub bugs: kintsugi_replica::bugs::Bugs,
}

impl ShardConfig {
    /// The only shard of a broker, with default settings.
    #[must_use]
    pub fn new(broker: BrokerId) -> Self {
        Self {
            broker,
            shard: 0,
            shards: 1,
            topic_defaults: TopicDefaults::default(),
            lag_max: Duration::from_secs(5),
            timings: Timings::default(),
            groups: CoordinatorConfig::default(),
            limits: Limits::default(),
            throttles: Arc::default(),
            #[cfg(any(test, feature = "bugs"))]
            bugs: kintsugi_replica::bugs::Bugs::default(),
        }
    }
}

/// The cluster's defaults of topics' settings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicDefaults {
    /// Of their logs.
    pub log: LogConfig,
    /// `min.insync.replicas`.
    pub min_isr: usize,
}

impl Default for TopicDefaults {
    fn default() -> Self {
        Self {
            log: LogConfig::default(),
            min_isr: 2,
        }
    }
}

/// The times of a shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timings {
    /// How long a leader may hold a follower's fetch (`replica.fetch.wait.max.ms`).
    pub replica_wait: Duration,
    /// How long a leader holds the fetch of a follower that has not yet begun to follow a new
    /// leadership of this broker: its next request will carry the positions.
    pub expecting_wait: Duration,
    /// For how long such a follower is waited for in that way.
    pub expecting_for: Duration,
    /// How long a follower waits for an answer, beyond what the leader may hold it.
    pub replica_timeout: Duration,
    /// The wait after a failed fetch, doubled at each further failure...
    pub backoff_min: Duration,
    /// ...up to this (`replica.fetch.backoff.ms`).
    pub backoff_max: Duration,
    /// Between two looks at the ISRs.
    pub isr_check: Duration,
    /// Between two checkpoints (`replica.high.watermark.checkpoint.interval.ms`).
    pub checkpoint: Duration,
    /// Between two looks for what retention lets go (`log.retention.check.interval.ms`).
    pub retention: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            replica_wait: Duration::from_millis(500),
            expecting_wait: Duration::from_millis(5),
            expecting_for: Duration::from_millis(1_000),
            replica_timeout: Duration::from_millis(1_500),
            backoff_min: Duration::from_millis(20),
            backoff_max: Duration::from_millis(200),
            isr_check: Duration::from_millis(500),
            checkpoint: Duration::from_secs(5),
            retention: Duration::from_secs(300),
        }
    }
}

/// The limits of a shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The size of the log of a groups' coordinator from which on what is in use is written anew,
    /// so that the rest can go (`kintsugi.offsets.log.bytes`).
    pub group_log_bytes: u64,
    /// Produces that wait at once; more are answered `THROTTLING_QUOTA_EXCEEDED`, unappended.
    pub waiting_produces_max: usize,
    /// Clients' fetches held at once; more are answered with what there is.
    pub held_fetches_max: usize,
    /// Followers' sessions; more are refused.
    pub sessions_max: usize,
    /// Partitions of one follower's session; more are left out.
    pub session_partitions_max: usize,
    /// The longest that a produce may wait, whatever it asks for.
    pub produce_wait_max: Duration,
    /// The longest that a client's fetch may be held.
    pub fetch_wait_max: Duration,
    /// The most bytes of an answer to a client's fetch (`fetch.max.bytes`).
    pub fetch_bytes_max: usize,
    /// The most bytes of an answer to a follower (`replica.fetch.response.max.bytes`).
    pub replica_bytes_max: usize,
    /// The most bytes of one partition in such an answer (`replica.fetch.max.bytes`).
    pub replica_partition_bytes_max: usize,
    /// Logs that are synced one by one when the shard closes; with more, the whole file system is.
    pub closing_syncs_max: usize,
    /// The most bytes of an answer to a follower that catches up: what those in sync may have to
    /// wait for.
    pub catch_up_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            group_log_bytes: 4 << 20,
            waiting_produces_max: 10_000,
            held_fetches_max: 10_000,
            sessions_max: 1_024,
            session_partitions_max: 100_000,
            produce_wait_max: Duration::from_secs(300),
            fetch_wait_max: Duration::from_secs(60),
            fetch_bytes_max: 55 << 20,
            replica_bytes_max: 10 << 20,
            replica_partition_bytes_max: 1 << 20,
            closing_syncs_max: 32,
            catch_up_bytes_max: 1 << 20,
        }
    }
}
