//! Plans small clusters and writes them, with their plans and bounds, to a file, for
//! bench/optimum.py to find the true optimum of each.
//!
//! optimum FILE [CLUSTERS]
#![allow(
    clippy::disallowed_methods,
    reason = "a tool reads its arguments; the library does not"
)]

use std::error::Error;

use kintsugi_planner::synthetic::Skewed;
use kintsugi_planner::{Limits, Load, Model, Profile, Scope, Thresholds, plan};

/// Capacities are so many times what they are elsewhere, so that they never bind: a few partitions
/// of a small cluster may ask for more than all its brokers have, and HiGHS is told nothing of it.
const ROOM: f64 = 10.0;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("give the file to write")?;
    let clusters: u64 = arguments.next().map_or(Ok(20), |count| count.parse())?;
    let profile = Profile::kintsugi(Thresholds::default())?;
    let mut made = Vec::new();
    for seed in 0..clusters {
        let cluster = shape(seed);
        let mut roomy = cluster.cluster();
        for broker in &mut roomy.brokers {
            broker.capacity = times(broker.capacity, ROOM);
        }
        let model = Model::build(roomy)?;
        let planned = plan(&model, &profile, &Scope::Full, &Limits::default())?;
        let left: u64 = planned.goals.iter().map(|goal| goal.violations_after).sum();
        let input = cluster.cluster();
        let racks: Vec<_> = input
            .brokers
            .iter()
            .map(|broker| broker.rack.clone())
            .collect();
        let partitions: Vec<_> = input
            .partitions
            .map(|at| {
                (
                    at.replicas,
                    numbers(at.leader_load),
                    numbers(at.follower_load),
                )
            })
            .collect();
        made.push(serde_json::json!({
            "seed": seed,
            "racks": racks,
            "partitions": partitions,
            "bytes": planned.bytes,
            "bound_bytes": planned.bound_bytes,
            "violations": left,
        }));
    }
    std::fs::write(file, serde_json::to_vec(&made)?)?;
    Ok(())
}

/// One of three sizes in turn: HiGHS proves the optimum of most small ones within seconds, of
/// few middle ones, of none of the large ones.
fn shape(seed: u64) -> Skewed {
    let mut random = fastrand::Rng::with_seed(seed);
    let (brokers, partitions) = match seed % 5 {
        0..=2 => (random.u32(4..=6), random.u32(24..=64)),
        3 => (random.u32(6..=12), random.u32(60..=150)),
        _ => (random.u32(20..=50), random.u32(300..=500)),
    };
    Skewed {
        brokers,
        new_brokers: random.u32(0..=brokers / 4),
        racks: random.u32(3..=5).min(brokers),
        partitions,
        replication: random.u32(2..=3),
        topics: 10,
        seed,
    }
}

fn times(load: Load, factor: f64) -> Load {
    Load {
        disk_bytes: load.disk_bytes * factor,
        network_in_bytes_per_second: load.network_in_bytes_per_second * factor,
        network_out_bytes_per_second: load.network_out_bytes_per_second * factor,
        cpu: load.cpu * factor,
    }
}

fn numbers(load: Load) -> [f64; 4] {
    [
        load.disk_bytes,
        load.network_in_bytes_per_second,
        load.network_out_bytes_per_second,
        load.cpu,
    ]
}
