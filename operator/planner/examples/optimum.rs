//! Plans small clusters and writes them, with their plans and bounds, to a file, for
//! bench/optimum.py to find the true optimum of each.
//!
//! optimum FILE [CLUSTERS] [LARGE]: so many small ones, and so many of 23 to 50 brokers.
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
/// Most of the mean that a broker may have of a resource, as the default profile asks.
const LIMIT: f64 = 1.10;
/// Large clusters that are looked through for those whose goals can be met.
const SEEDS: u64 = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("give the file to write")?;
    let clusters: u64 = arguments.next().map_or(Ok(20), |count| count.parse())?;
    let profile = Profile::kintsugi(Thresholds::default())?;
    let large: usize = arguments.next().map_or(Ok(5), |count| count.parse())?;
    let mut made = Vec::new();
    let fine = (0..SEEDS)
        .map(large_shape)
        .filter(|cluster| !has_too_heavy(*cluster));
    let shapes = (0..clusters).map(shape).chain(fine.take(large));
    for cluster in shapes {
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
            "seed": cluster.seed,
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
/// few middle ones, of none of the largest.
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
        load_sigma: Skewed::HEAVY,
        seed,
    }
}

/// 23 to 50 brokers. The loads of so few partitions spread less than elsewhere, or one of them would
/// be more than a broker may have, and the goals could not be met.
fn large_shape(seed: u64) -> Skewed {
    let mut random = fastrand::Rng::with_seed(seed);
    let brokers = random.u32(23..=50);
    Skewed {
        brokers,
        new_brokers: random.u32(0..=brokers / 8),
        racks: random.u32(3..=5),
        partitions: random.u32(300..=500),
        replication: random.u32(2..=3),
        topics: 10,
        load_sigma: 0.5 + 0.1 * (seed % 6) as f64,
        seed,
    }
}

/// Whether a single leader is more than a broker may have.
fn has_too_heavy(cluster: Skewed) -> bool {
    let (mut total, mut most) = ([0.0; 4], [0.0f64; 4]);
    for at in cluster.cluster().partitions {
        let (leader, follower) = (numbers(at.leader_load), numbers(at.follower_load));
        let followers = at.replicas.len() as f64 - 1.0;
        for resource in 0..4 {
            total[resource] += leader[resource] + followers * follower[resource];
            most[resource] = most[resource].max(leader[resource]);
        }
    }
    let limits = total.map(|total| LIMIT * total / f64::from(cluster.brokers));
    most.iter().zip(limits).any(|(most, limit)| *most > limit)
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
