//! One run: build, trouble, heal, judge.

use std::time::Duration;

use kintsugi_node::message::shard::Acks;
use kintsugi_types::{Time, TopicName};

use crate::client::{Client, Job, Member};
use crate::fabric::Fabric;
use crate::faults::Fault;
use crate::happening::Happening;
use crate::network::Network;
use crate::oracle::Oracles;
use crate::place::{CONTROLLERS, MACHINES, Node};
use crate::report::Outcome;
use crate::scenario::{Options, Scenario};
use crate::site::{Site, Standing};
use crate::trace::Trace;
use crate::world::World;

/// How long the cluster may take to form before faults begin.
const FORMING: Duration = Duration::from_secs(3);

/// A run has so many faults, or goes on.
const FAULTS_MIN: u64 = 20;

/// How long clients go on after the last fault.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// How long healing may take after the last fault.
const HEALING_MAX: Duration = Duration::from_secs(90);

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Runs one seed.
#[must_use]
pub fn run(options: &Options) -> Outcome {
    #[cfg(feature = "bugs")]
    kintsugi_types::bug::switch(options.bug);
    let mut world = build(options);
    let start = world.fabric.now;
    world.fabric.after(FORMING, Happening::Fault(Fault::Next));
    world.is_troubled = options.faults;
    let mut calm = start + FORMING + Duration::from_secs(options.seconds);
    while go_on(&mut world, calm, options.steps_max)
        && options.faults
        && world.fabric.counts.faults < FAULTS_MIN
    {
        calm = calm + LOOK;
    }
    let calm = world.fabric.now;
    world.calm_down();
    go_on(&mut world, calm + AFTERWARDS, options.steps_max);
    for client in &mut world.clients {
        client.stop();
    }
    heal(&mut world, calm, options.steps_max);
    let fabric = &world.fabric;
    let mut counts = fabric.counts;
    counts.elections = fabric.oracles.raft.elections;
    counts.divergence_truncations = fabric.oracles.mirrors.truncations;
    let elections = fabric.oracles.images.elections;
    counts.elr_elections = elections.from_elr;
    counts.last_known_leader_elections = elections.by_log_ends;
    counts.incarnation_replacements = elections.replacements;
    counts.duplicates_after_leader_change = fabric.oracles.committed.repeated;
    counts.group_generations = fabric.oracles.groups.generations;
    counts.group_commits = fabric.oracles.groups.commits_acknowledged;
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
            Err(_) if world.is_beyond_repair() && world.fabric.now.since(calm) > HEALING_MAX => {
                world.fabric.counts.beyond_repair += 1;
                return;
            }
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
    let mut controllers: Vec<_> = (0..CONTROLLERS).map(|_| Site::new(sites.u64(..))).collect();
    for site in &mut controllers[..scenario.controllers] {
        site.standing = Standing::InForce;
    }
    let mut brokers: Vec<_> = (0..MACHINES).map(|_| Site::new(sites.u64(..))).collect();
    for site in &mut brokers[..scenario.brokers] {
        site.standing = Standing::InForce;
    }
    let machines = (0..scenario.brokers).collect();
    let mut world = World {
        brokers,
        controllers,
        fabric,
        scenario,
        clients: Vec::new(),
        replacement: None,
        replacements: 0,
        last_answer: String::new(),
        is_last_copy: false,
        members_wanted: None,
        split: (Vec::new(), 0),
        decays: Vec::new(),
        is_rolling: false,
        is_troubled: false,
    };
    world.fabric.machines = machines;
    world.fabric.oracles.committed.excuses_nothing = world.scenario.syncs_each;
    add_clients(&mut world);
    for index in 0..world.controllers.len() {
        world.start(Node::Controller(index));
    }
    for node in world.broker_nodes() {
        world.start(node);
    }
    for client in &mut world.clients {
        client.arm(&mut world.fabric);
    }
    world
}

/// Who works on a topic, and from when on.
fn add_client(world: &mut World, job: Job, topic: &TopicName, partition: i32, start: Time) {
    let (index, brokers) = (world.clients.len(), world.scenario.brokers);
    let client = Client::new(index, brokers, job, topic.clone(), partition, start);
    world.clients.push(client);
}

fn add_clients(world: &mut World) {
    let partitions = world.scenario.partitions;
    for number in 0..world.scenario.topics {
        let topic: TopicName = format!("topic{number}").parse().expect("a legal name");
        // The first topic comes at once, the others while faults go on.
        let start = match number {
            0 => world.fabric.now,
            _ => world.fabric.now + Duration::from_millis(world.fabric.rng.u64(1_000..12_000)),
        };
        add_client(world, Job::Create { partitions }, &topic, 0, start);
        for partition in 0..partitions {
            add_client(world, Job::Produce(Acks::All), &topic, partition, start);
            add_client(world, Job::ProduceNumbered, &topic, partition, start);
            add_client(world, Job::Consume, &topic, partition, start);
        }
        if world.scenario.moves {
            add_client(world, Job::Move { partitions }, &topic, 0, start);
        }
        add_client(world, Job::Produce(Acks::Leader), &topic, 0, start);
        add_client(
            world,
            Job::Produce(Acks::None),
            &topic,
            partitions - 1,
            start,
        );
        for _ in 0..world.scenario.members {
            let member = Box::new(Member::new("readers", topic.clone()));
            add_client(world, Job::Join(member), &topic, 0, start);
        }
        // One group reads one topic.
        world.scenario.members = 0;
    }
    if world.scenario.churns {
        let topic: TopicName = "churn".parse().expect("a legal name");
        let start = world.fabric.now;
        let (partitions, deletes) = (1, false);
        let churn = Job::Churn {
            partitions,
            deletes,
        };
        add_client(world, churn, &topic, 0, start);
        add_client(world, Job::ProduceNumbered, &topic, 0, start);
        add_client(world, Job::Consume, &topic, 0, start);
    }
}
