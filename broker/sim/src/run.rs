//! One run: build, trouble, heal, judge.

use std::time::Duration;

use kintsugi_node::message::shard::Acks;
use kintsugi_types::{Time, TopicName};

use crate::client::{Client, Job};
use crate::fabric::Fabric;
use crate::faults::Fault;
use crate::happening::Happening;
use crate::network::Network;
use crate::oracle::Oracles;
use crate::place::Node;
use crate::report::Outcome;
use crate::scenario::{Options, Scenario};
use crate::site::Site;
use crate::trace::Trace;
use crate::world::World;

/// How long the cluster may take to form before faults begin.
const FORMING: Duration = Duration::from_secs(3);

/// How long clients go on after the last fault.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// How long healing may take after the last fault.
const HEALING_MAX: Duration = Duration::from_secs(90);

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Runs one seed.
#[must_use]
pub fn run(options: &Options) -> Outcome {
    let mut world = build(options);
    let start = world.fabric.now;
    world.fabric.after(FORMING, Happening::Fault(Fault::Next));
    world.is_troubled = options.faults;
    let calm = start + FORMING + Duration::from_secs(options.seconds);
    go_on(&mut world, calm, options.steps_max);
    world.calm_down();
    go_on(&mut world, calm + AFTERWARDS, options.steps_max);
    for client in &mut world.clients {
        client.stop();
    }
    heal(&mut world, calm, options.steps_max);
    let fabric = &world.fabric;
    let mut counts = fabric.counts;
    counts.elections = fabric.oracles.raft.elections;
    counts.truncations = fabric.oracles.mirrors.truncations;
    counts.excused = fabric.oracles.committed.excused;
    counts.lossy = fabric.oracles.committed.lossy;
    Outcome {
        seed: options.seed,
        violation: fabric.oracles.violation().map(ToOwned::to_owned),
        counts,
        steps: fabric.trace.count(),
        trace: fabric.trace.hash(),
        simulated_seconds: fabric.now.since(start).as_secs_f64(),
        healing_seconds: fabric.now.since(calm).as_secs_f64(),
        last: fabric.trace.last(),
    }
}

/// Lets things happen until a moment, a violation, or the last step allowed.
fn go_on(world: &mut World, until: Time, steps_max: u64) -> bool {
    while world.fabric.now < until {
        let is_over = world.fabric.trace.count() >= steps_max;
        if is_over || world.fabric.oracles.violation().is_some() || !world.step() {
            return false;
        }
    }
    true
}

fn heal(world: &mut World, calm: Time, steps_max: u64) {
    loop {
        let next = world.fabric.now + LOOK;
        if !go_on(world, next, steps_max) {
            return;
        }
        match world.check_healed() {
            Ok(()) => break,
            Err(what) if world.fabric.now.since(calm) > HEALING_MAX => {
                let what = format!("not healed {HEALING_MAX:?} after the last fault: {what}");
                world.fabric.oracles.fail(what);
                return;
            }
            Err(_) => {}
        }
    }
    let placements = world.placements();
    world.fabric.oracles.check_healed(&placements);
}

fn build(options: &Options) -> World {
    let mut rng = fastrand::Rng::with_seed(options.seed);
    let scenario = Scenario::draw(options, &mut rng);
    let network = Network::new(scenario.weather);
    let trace = Trace::new(options.in_words);
    let mut sites = rng.fork();
    let fabric = Fabric::new(rng, network, Oracles::default(), trace);
    let controllers = (0..scenario.controllers).map(|_| Site::new(sites.u64(..)));
    let controllers = controllers.collect();
    let brokers = (0..scenario.brokers).map(|_| Site::new(sites.u64(..)));
    let mut world = World {
        brokers: brokers.collect(),
        controllers,
        fabric,
        scenario,
        clients: Vec::new(),
        is_troubled: false,
    };
    add_clients(&mut world);
    for index in 0..world.controllers.len() {
        world.start(Node::Controller(index));
    }
    for index in 0..world.brokers.len() {
        world.start(Node::Broker(index));
    }
    for client in &mut world.clients {
        client.arm(&mut world.fabric);
    }
    world
}

fn add_clients(world: &mut World) {
    let (brokers, partitions) = (world.scenario.brokers, world.scenario.partitions);
    for number in 0..world.scenario.topics {
        let topic: TopicName = format!("topic{number}").parse().expect("a legal name");
        // The first topic comes at once, the others while faults go on.
        let start = match number {
            0 => world.fabric.now,
            _ => world.fabric.now + Duration::from_millis(world.fabric.rng.u64(1_000..12_000)),
        };
        let mut add = |job, partition| {
            let index = world.clients.len();
            let client = Client::new(index, brokers, job, topic.clone(), partition, start);
            world.clients.push(client);
        };
        add(Job::Create { partitions }, 0);
        for partition in 0..partitions {
            add(Job::Produce(Acks::All), partition);
            add(Job::ProduceNumbered, partition);
            add(Job::Consume, partition);
        }
        add(Job::Move { partitions }, 0);
        add(Job::Produce(Acks::Leader), 0);
        add(Job::Produce(Acks::None), partitions - 1);
    }
}
