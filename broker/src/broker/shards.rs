//! Opening the shards, and starting their threads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use kintsugi_coordinator::CoordinatorConfig;
use kintsugi_node::shard::{Limits, Shard, ShardConfig, Throttles, Timings, TopicDefaults};
use kintsugi_storage::{LogConfig, LogContext, LogLimits, RealFileSystem};
use kintsugi_types::BrokerId;

use rustix::process::{Resource, getrlimit};

use super::ControlInput;
use super::checkpoints::Checkpoint;
use super::control::ShardOf;
use super::directory::Directory;
use super::disk_pool::DiskPool;
use super::replication::Fetchers;
use super::shard::{ShardInput, ShardThread};
use crate::mailbox::{Letters, Mailbox};
use crate::process::Shared;
use crate::progress::Progress;
use crate::settings::Settings;
use crate::thread;
use crate::transport::Vigilance;

/// Milliseconds in a minute over those in a millisecond: a setting in minutes is read as milliseconds.
const MINUTE_MS: u32 = 60_000;

/// A shard that is open but has no thread yet.
pub struct Starting {
    /// Its thread's name.
    pub name: String,
    /// Where it is told things.
    pub mailbox: Mailbox<ShardInput>,
    /// Its signs of life.
    pub progress: Progress,
    /// Whether every log of it reaches its checkpointed high watermark.
    pub recovered_to_checkpoint: bool,
    letters: Letters<ShardInput>,
    actor: ShardThread,
}

impl Starting {
    /// The shard as the control sees it.
    pub fn as_shard(&self) -> ShardOf {
        ShardOf {
            mailbox: self.mailbox.clone(),
            progress: self.progress.clone(),
        }
    }

    /// Starts its thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(self) -> std::io::Result<()> {
        let Self { actor, letters, .. } = self;
        thread::spawn(&self.name, move || actor.run(&letters))
    }
}

/// What shards are opened with.
pub struct Opening<'a> {
    /// What every role is started with.
    pub shared: &'a Shared,
    /// The log directory.
    pub directory: &'a Directory,
    /// The control's mailbox.
    pub control: &'a Mailbox<ControlInput>,
    /// Where offsets are checkpointed.
    pub checkpoints: &'a Mailbox<Checkpoint>,
    /// Where files are synced.
    pub disk: &'a DiskPool,
    /// What the logs share.
    pub logs: &'a LogContext<RealFileSystem>,
}

impl Opening<'_> {
    /// Opens a shard for each mailbox, each in a thread of its own, because recovery reads every
    /// log.
    ///
    /// # Errors
    /// When a log cannot be read.
    pub fn open(
        &self,
        id: BrokerId,
        mailboxes: Vec<Mailbox<ShardInput>>,
        letters: Vec<Letters<ShardInput>>,
    ) -> anyhow::Result<Vec<Starting>> {
        let settings = &self.shared.settings;
        let throttles: Arc<Throttles> = Arc::default();
        let open_one = |shard: u16| {
            let mut config = config(settings, id, shard);
            config.throttles = Arc::clone(&throttles);
            let (clock, seed) = (self.shared.clock, fastrand::u64(..));
            let begun = clock.now();
            let opened = self
                .directory
                .open_shard(config, self.logs.clone(), begun, seed)?;
            let found = opened.opened_logs();
            tracing::info!(
                event = "logs-opened",
                shard,
                logs = found.logs,
                verified_bytes = found.verified_bytes,
                cut_bytes = found.cut_bytes,
                took_ms = clock.now().since(begun).as_millis(),
                uptime_ms = clock.now().as_millis(),
                "opened the logs"
            );
            Ok(opened)
        };
        let opened: Vec<anyhow::Result<Shard<RealFileSystem>>> = std::thread::scope(|scope| {
            let open_one = &open_one;
            let threads: Vec<_> = (0..settings.shards)
                .map(|shard| scope.spawn(move || open_one(shard)))
                .collect();
            threads.into_iter().map(join).collect()
        });
        let mut starting = Vec::with_capacity(opened.len());
        for ((number, node), (mailbox, letters)) in
            (0..).zip(opened).zip(mailboxes.into_iter().zip(letters))
        {
            let node = node.context("failed to open the logs")?;
            starting.push(self.starting(number, node, mailbox, letters));
        }
        Ok(starting)
    }

    fn starting(
        &self,
        number: u16,
        node: Shard<RealFileSystem>,
        mailbox: Mailbox<ShardInput>,
        letters: Letters<ShardInput>,
    ) -> Starting {
        let progress = Progress::default();
        progress.mark(self.shared.clock.now());
        let runtime = self.shared.runtime.clone();
        let fetchers = Fetchers::new(
            runtime,
            mailbox.clone(),
            self.control.clone(),
            Vigilance::of(&self.shared.settings),
            self.shared.trust.clone(),
            self.shared.metrics.traffic.replication_bytes_in.clone(),
        );
        Starting {
            name: format!("shard-{number}"),
            recovered_to_checkpoint: node.recovered_to_checkpoint(),
            actor: ShardThread {
                number,
                node: Some(node),
                clock: self.shared.clock,
                exit: self.shared.exit.clone(),
                control: self.control.clone(),
                checkpoints: self.checkpoints.clone(),
                events: mailbox.clone(),
                disk: self.disk.clone(),
                counters: self.shared.metrics.shards.clone(),
                fetchers,
                progress: progress.clone(),
                waiting: BTreeMap::new(),
            },
            mailbox,
            progress,
            letters,
        }
    }
}

type Opened = anyhow::Result<Shard<RealFileSystem>>;

fn join(thread: ScopedJoinHandle<'_, Opened>) -> Opened {
    match thread.join() {
        Ok(opened) => opened,
        Err(_) => Err(anyhow::anyhow!(
            "failed to open a shard: its thread panicked"
        )),
    }
}

/// What the logs of all shards share.
pub fn log_context() -> LogContext<RealFileSystem> {
    let limits = LogLimits {
        open_files_max: open_files_max(),
        ..LogLimits::default()
    };
    LogContext::new(RealFileSystem, limits)
}

/// How many log files may be open: half of what the process may have, the rest is for sockets.
fn open_files_max() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    let default = LogLimits::default().open_files_max;
    limit.map_or(default, |limit| default.min(limit / 2))
}

fn config(settings: &Settings, broker: BrokerId, shard: u16) -> ShardConfig {
    let mut config = ShardConfig::new(broker);
    config.shard = shard;
    config.shards = settings.shards;
    config.topic_defaults = TopicDefaults {
        log: log_config(settings),
        min_isr: settings.size("min.insync.replicas"),
    };
    config.lag_max = settings.millis("replica.lag.time.max.ms");
    config.timings = Timings {
        replica_wait: settings.millis("replica.fetch.wait.max.ms"),
        retention: settings.millis("log.retention.check.interval.ms"),
        ..Timings::default()
    };
    config.groups = CoordinatorConfig {
        initial_rebalance_delay: settings.millis("group.initial.rebalance.delay.ms"),
        session_timeout_min: settings.millis("group.min.session.timeout.ms"),
        session_timeout_max: settings.millis("group.max.session.timeout.ms"),
        members_max: settings.size("group.max.size"),
        offset_metadata_max_bytes: settings.size("offset.metadata.max.bytes"),
        offsets_retention: settings.millis("offsets.retention.minutes") * MINUTE_MS,
        offsets_check: settings.millis("offsets.retention.check.interval.ms"),
        ..CoordinatorConfig::default()
    };
    config.limits = Limits {
        produce_wait_max: Duration::from_secs(600),
        group_log_bytes: u64::try_from(settings.number("kintsugi.offsets.log.bytes"))
            .unwrap_or(u64::MAX),
        fetch_bytes_max: settings.size("fetch.max.bytes"),
        replica_bytes_max: settings.size("replica.fetch.response.max.bytes"),
        scrub_bytes_per_second: settings.size("kintsugi.log.scrub.bytes"),
        ..Limits::default()
    };
    config
}

/// Kafka's default, the greatest number, means never.
fn flush_ms(setting: i64) -> Option<u64> {
    u64::try_from(setting).ok().filter(|_| setting < i64::MAX)
}

fn log_config(settings: &Settings) -> LogConfig {
    let size = |name| u64::try_from(settings.number(name)).unwrap_or_default();
    let retention_ms = settings.number("log.retention.ms");
    LogConfig {
        segment_bytes: size("log.segment.bytes"),
        segment_ms: settings.number("log.roll.ms"),
        index_interval_bytes: size("log.index.interval.bytes"),
        retention_ms: (retention_ms >= 0).then_some(retention_ms),
        retention_bytes: u64::try_from(settings.number("log.retention.bytes")).ok(),
        flush_messages: size("log.flush.interval.messages"),
        flush_ms: flush_ms(settings.number("log.flush.interval.ms")),
        max_message_bytes: settings.size("message.max.bytes"),
        producer_expiration_ms: settings.number("producer.id.expiration.ms"),
        producers_max: settings.size("kintsugi.producer.ids.max"),
        ..LogConfig::default()
    }
}
