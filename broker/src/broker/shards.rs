//! Opening the shards, and starting their threads.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use kintsugi_node::shard::{Limits, Shard, ShardConfig, Timings, TopicDefaults};
use kintsugi_storage::{LogConfig, LogContext, LogLimits, RealFileSystem};
use kintsugi_types::BrokerId;

use super::directory::Directory;
use super::replication::Fetchers;
use super::shard::{ShardInput, ShardThread};
use super::ControlInput;
use super::checkpoints::Checkpoint;
use crate::mailbox::{Letters, Mailbox, mailbox};
use crate::process::Shared;
use crate::progress::Progress;
use crate::settings::Settings;
use crate::thread;

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
    /// Starts its thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(self) -> std::io::Result<()> {
        let Self { actor, letters, .. } = self;
        thread::spawn(&self.name, move || actor.run(&letters))
    }
}

/// Opens every shard, each in a thread of its own, because recovery reads every log.
///
/// # Errors
/// When a log cannot be read.
pub fn open(
    shared: &Shared,
    id: BrokerId,
    directory: &Directory,
    control: &Mailbox<ControlInput>,
    checkpoints: &Mailbox<Checkpoint>,
) -> anyhow::Result<Vec<Starting>> {
    let settings = &shared.settings;
    let context = LogContext::new(RealFileSystem, LogLimits::default());
    let open_one = |shard: u16| {
        let config = config(settings, id, shard);
        let (now, seed) = (shared.clock.now(), fastrand::u64(..));
        directory.open_shard(config, context.clone(), now, seed)
    };
    let opened: Vec<anyhow::Result<Shard<RealFileSystem>>> = std::thread::scope(|scope| {
        let open_one = &open_one;
        let threads: Vec<_> = (0..settings.shards)
            .map(|shard| scope.spawn(move || open_one(shard)))
            .collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| match thread.join() {
            Ok(opened) => opened,
            Err(_) => Err(anyhow::anyhow!("failed to open a shard: its thread panicked")),
        };
        threads.into_iter().map(join).collect()
    });
    let mut starting = Vec::with_capacity(opened.len());
    for (number, node) in (0..).zip(opened) {
        let node = node.context("failed to open the logs")?;
        starting.push(starting_of(shared, number, node, control, checkpoints));
    }
    Ok(starting)
}

fn starting_of(
    shared: &Shared,
    number: u16,
    node: Shard<RealFileSystem>,
    control: &Mailbox<ControlInput>,
    checkpoints: &Mailbox<Checkpoint>,
) -> Starting {
    let (mailbox, letters) = mailbox::<ShardInput>();
    let progress = Progress::default();
    progress.mark(shared.clock.now());
    let fetchers = Fetchers::new(shared.runtime.clone(), mailbox.clone(), control.clone());
    Starting {
        name: format!("shard-{number}"),
        recovered_to_checkpoint: node.recovered_to_checkpoint(),
        actor: ShardThread {
            number,
            node: Some(node),
            clock: shared.clock,
            exit: shared.exit.clone(),
            control: control.clone(),
            checkpoints: checkpoints.clone(),
            fetchers,
            progress: progress.clone(),
            waiting: BTreeMap::new(),
        },
        mailbox,
        progress,
        letters,
    }
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
    config.limits = Limits {
        produce_wait_max: Duration::from_secs(600),
        fetch_bytes_max: settings.size("fetch.max.bytes"),
        replica_bytes_max: settings.size("replica.fetch.response.max.bytes"),
        ..Limits::default()
    };
    config
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
        max_message_bytes: settings.size("message.max.bytes"),
        ..LogConfig::default()
    }
}
