//! Starting a broker on what its disk holds.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use kintsugi_metadata::BrokerRegistration;
use kintsugi_node::broker::{Broker, BrokerConfig, Timeouts};
use kintsugi_node::directory::{Checkpoints, Expectation, OpenedDirectory, open_directory};
use kintsugi_node::shard::{Shard, ShardConfig};
use kintsugi_storage::{LogContext, LogLimits, MemoryFileSystem};
use kintsugi_types::{BootId, DirectoryId, Generation, Incarnation, Rack};
use uuid::Uuid;

use super::clients::Waiting;
use super::{BrokerProcess, DIRECTORY, ShardLoop};
use crate::clock::Clock;
use crate::fabric::Fabric;
use crate::place::{CONTROLLERS, Node, broker_id, controller_id};
use crate::scenario::Scenario;
use crate::timer::Timer;

/// The machine that a broker starts on.
pub(crate) struct Machine<'a> {
    pub(crate) index: usize,
    pub(crate) life: u64,
    /// How often the machine was powered on.
    pub(crate) boots: u64,
    pub(crate) generation: Generation,
    pub(crate) fs: &'a MemoryFileSystem,
}

impl BrokerProcess {
    /// Starts on what the disk holds.
    pub(crate) fn start(
        fabric: &mut Fabric,
        scenario: &Scenario,
        machine: &Machine<'_>,
    ) -> Result<Self, String> {
        let broker = broker_id(machine.index);
        let path = Path::new(DIRECTORY);
        let expected = Expectation {
            cluster: scenario.cluster.clone(),
            broker,
            generation: machine.generation,
            fresh_directory: DirectoryId(Uuid::from_u128(fabric.rng.u128(..))),
        };
        let opened = open_directory(machine.fs, path, &expected)
            .map_err(|error| format!("broker {broker} failed to open its directory: {error}"))?;
        let clock = Clock::draw(&mut fabric.rng, scenario.clocks_drift);
        let incarnation = Incarnation {
            broker,
            generation: machine.generation,
            start: opened.start,
        };
        let shards = open_shards(fabric, scenario, machine, &opened, clock)?;
        let found = shards.iter().map(|shard| &shard.node);
        fabric
            .oracles
            .started(machine.index, machine.life, incarnation, found);
        let recovered = shards.iter().all(|s| s.node.recovered_to_checkpoint());
        let registration = registration(
            scenario,
            machine,
            &opened,
            recovered && !opened.is_log_missing,
        );
        let controllers = (0..CONTROLLERS)
            .map(|index| (controller_id(index), Node::Controller(index).endpoint()))
            .collect();
        let config = BrokerConfig {
            registration,
            controllers,
            timeouts: Timeouts::default(),
        };
        Ok(Self {
            index: machine.index,
            life: machine.life,
            clock,
            fs: machine.fs.clone(),
            incarnation,
            cluster: scenario.cluster.clone(),
            control: Broker::new(config, clock.show(fabric.now)),
            timer: Timer::default(),
            shards,
            checkpoints: Checkpoints::new(machine.fs.clone(), path, scenario.shards),
            link: None,
            uses: BTreeMap::new(),
            fetching: BTreeMap::new(),
            waiting: Waiting::default(),
            end: None,
        })
    }
}

fn open_shards(
    fabric: &mut Fabric,
    scenario: &Scenario,
    machine: &Machine<'_>,
    opened: &OpenedDirectory,
    clock: Clock,
) -> Result<Vec<ShardLoop>, String> {
    let limits = LogLimits {
        open_files_max: 16,
        tail_cache_bytes_max: 1 << 20,
    };
    let context = LogContext::new(machine.fs.clone(), limits);
    let mut shards = Vec::new();
    for shard in 0..scenario.shards {
        let mut config = ShardConfig::new(broker_id(machine.index));
        config.shard = shard;
        config.shards = scenario.shards;
        config.lag_max = scenario.lag_max;
        config.topic_defaults.min_isr = usize::try_from(scenario.min_isr).unwrap_or(1);
        config.topic_defaults.log.segment_bytes = scenario.segment_bytes;
        if scenario.syncs_each {
            config.topic_defaults.log.flush_messages = 1;
        }
        config.topic_defaults.log.tail_cache_bytes = 4 << 10;
        // So that stops sync the whole file system too.
        config.limits.closing_syncs_max = 1;
        config.timings.checkpoint = scenario.checkpoint;
        config.groups.session_timeout_min = Duration::from_millis(500);
        config.groups.initial_rebalance_delay = Duration::from_millis(200);
        let seed = fabric.rng.u64(..);
        let now = clock.show(fabric.now);
        let path = Path::new(DIRECTORY);
        let node = Shard::open(config, context.clone(), path, &opened.last, now, seed);
        let node = node.map_err(|error| {
            format!(
                "broker {} failed to open shard {shard}: {error}",
                machine.index
            )
        })?;
        let timer = Timer::default();
        shards.push(ShardLoop { node, timer });
    }
    Ok(shards)
}

fn registration(
    scenario: &Scenario,
    machine: &Machine<'_>,
    opened: &OpenedDirectory,
    recovered_to_checkpoint: bool,
) -> BrokerRegistration {
    let endpoint = Node::Broker(machine.index).endpoint();
    let boot = u128::from(machine.boots) << 64 | machine.index as u128;
    BrokerRegistration {
        incarnation: Incarnation {
            broker: broker_id(machine.index),
            generation: machine.generation,
            start: opened.start,
        },
        directories: vec![opened.directory],
        boot: BootId(Uuid::from_u128(boot)),
        rack: Some(Rack(
            format!("zone-{}", broker_id(machine.index).0 % 3).into(),
        )),
        client_endpoint: endpoint.clone(),
        replication_endpoint: endpoint.clone(),
        control_endpoint: endpoint,
        shards: scenario.shards,
        clean_stop_epoch: opened.clean_stop_epoch.filter(|_| recovered_to_checkpoint),
        recovered_to_checkpoint,
    }
}
