//! Clusters of tests, made by the code that callers use.
#![allow(dead_code, reason = "each test binary uses a part")]

use kintsugi_planner::{
    BrokerInput, BrokerState, ClusterInput, Goal, Load, Model, PartitionInput, Plan, TopicInput,
};

pub const GIB: f64 = 1024.0 * 1024.0 * 1024.0;

pub fn load(disk_gib: f64, network_in: f64, network_out: f64, cpu: f64) -> Load {
    Load {
        disk_bytes: disk_gib * GIB,
        network_in_bytes_per_second: network_in,
        network_out_bytes_per_second: network_out,
        cpu,
    }
}

pub fn broker(id: i32, rack: &str) -> BrokerInput {
    BrokerInput {
        id,
        rack: Some(rack.to_owned()),
        capacity: load(1000.0, 1e6, 1e6, 100.0),
        state: BrokerState::Alive,
    }
}

pub fn topic(name: &str) -> TopicInput {
    TopicInput {
        name: name.to_owned(),
        ..TopicInput::default()
    }
}

/// A partition of the first topic, led by its first replica.
pub fn partition(number: i32, replicas: &[i32], disk_gib: f64) -> PartitionInput {
    PartitionInput {
        topic: 0,
        number,
        replicas: replicas.to_vec(),
        leader: replicas.first().copied(),
        leader_load: load(disk_gib, 10.0, 10.0, 0.1),
        follower_load: load(disk_gib, 10.0, 0.0, 0.05),
    }
}

/// `brokers` brokers, each on a rack of its own.
pub fn cluster(brokers: i32, partitions: Vec<PartitionInput>) -> ClusterInput {
    ClusterInput {
        brokers: (0..brokers)
            .map(|id| broker(id, &format!("rack-{id}")))
            .collect(),
        topics: vec![topic("orders")],
        partitions,
    }
}

pub fn model(input: ClusterInput) -> Model {
    Model::build(input).expect("the cluster is sound")
}

pub fn after(plan: &Plan, goal: Goal) -> u64 {
    plan.goals
        .iter()
        .find(|outcome| outcome.goal == goal)
        .expect("the goal is in the profile")
        .violations_after
}

pub fn hard_left(plan: &Plan) -> u64 {
    let hard = plan.goals.iter().filter(|outcome| outcome.goal.is_hard());
    hard.map(|outcome| outcome.violations_after).sum()
}
