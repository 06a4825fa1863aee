//! The bound against the optimum, found by trying every placement of tiny clusters.
//! `make planner-optimum` does the same for larger ones.

mod support;

use kintsugi_planner::synthetic::Skewed;
use kintsugi_planner::{
    ClusterInput, Limits, Model, PartitionInput, Profile, Scope, Thresholds, plan,
};
use proptest::prelude::*;
use support::{broker, load, topic};

const BROKERS: usize = 4;
const PARTITIONS: usize = 5;
const LIMIT: f64 = 1.35;
/// All pairs of two brokers, each broker on a rack of its own.
const PAIRS: [[usize; 2]; 6] = [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]];

fn tiny() -> impl Strategy<Value = Vec<PartitionInput>> {
    let one = (
        0..6usize,
        any::<bool>(),
        1..20u32,
        1..20u32,
        0..20u32,
        1..20u32,
    );
    prop::collection::vec(one, PARTITIONS).prop_map(|partitions| {
        let numbered = partitions.into_iter().enumerate();
        numbered
            .map(
                |(number, (pair, swapped, disk, network_in, network_out, cpu))| {
                    let mut replicas = PAIRS[pair].map(|at| at as i32).to_vec();
                    if swapped {
                        replicas.reverse();
                    }
                    let of = |out: u32, cpu: f64| {
                        load(f64::from(disk), f64::from(network_in), f64::from(out), cpu)
                    };
                    PartitionInput {
                        topic: 0,
                        number: number as i32,
                        leader: Some(replicas[0]),
                        replicas,
                        leader_load: of(network_out, f64::from(cpu) / 10.0),
                        follower_load: of(0, f64::from(cpu) / 20.0),
                    }
                },
            )
            .collect()
    })
}

fn values(at: &PartitionInput, leads: bool) -> [f64; 4] {
    let load = if leads {
        at.leader_load
    } else {
        at.follower_load
    };
    [
        load.disk_bytes,
        load.network_in_bytes_per_second,
        load.network_out_bytes_per_second,
        load.cpu,
    ]
}

/// The least bytes with which every broker is within the limit; none if it cannot be.
fn optimum(partitions: &[PartitionInput]) -> Option<f64> {
    let mut limits = [0.0; 4];
    for at in partitions {
        let both = values(at, true).into_iter().zip(values(at, false));
        for (limit, (leads, follows)) in limits.iter_mut().zip(both) {
            *limit += (leads + follows) * LIMIT / BROKERS as f64;
        }
    }
    let mut best = None;
    place(
        partitions,
        &limits,
        &mut [[0.0; 4]; BROKERS],
        0.0,
        &mut best,
    );
    best
}

fn place(
    left: &[PartitionInput],
    limits: &[f64; 4],
    used: &mut [[f64; 4]; BROKERS],
    bytes: f64,
    best: &mut Option<f64>,
) {
    if best.is_some_and(|best| bytes >= best) {
        return;
    }
    let Some((first, rest)) = left.split_first() else {
        *best = Some(bytes);
        return;
    };
    for pair in PAIRS {
        for leader in 0..2 {
            let mut fits = true;
            let mut copied = bytes;
            for (at, broker) in pair.into_iter().enumerate() {
                let values = values(first, at == leader);
                for resource in 0..4 {
                    used[broker][resource] += values[resource];
                    fits &= used[broker][resource] <= limits[resource] * (1.0 + 1e-9);
                }
                if !first.replicas.contains(&(broker as i32)) {
                    copied += first.follower_load.disk_bytes;
                }
            }
            if fits {
                place(rest, limits, used, copied, best);
            }
            for (at, broker) in pair.into_iter().enumerate() {
                let values = values(first, at == leader);
                for resource in 0..4 {
                    used[broker][resource] -= values[resource];
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn the_bound_is_never_above_the_optimum_nor_the_plan_below_it(partitions in tiny()) {
        let least = optimum(&partitions);
        let model = Model::build(ClusterInput {
            brokers: (0..BROKERS as i32).map(|id| broker(id, &format!("rack-{id}"))).collect(),
            topics: vec![topic("orders")],
            partitions,
        }).expect("sound");
        let thresholds = Thresholds { usage_balance: [LIMIT; 4], ..Thresholds::default() };
        let profile = Profile::kintsugi(thresholds).expect("sound");
        let plan = plan(&model, &profile, &Scope::Full, &Limits::default()).expect("a plan");
        let met = plan.goals.iter().all(|goal| goal.violations_after == 0);
        if met {
            let least = least.expect("the plan is one that meets the goals");
            prop_assert!(plan.bytes as f64 >= least * (1.0 - 1e-6), "{plan:?} under {least}");
            if let Some(bound) = plan.bound_bytes {
                prop_assert!(bound as f64 <= least * (1.0 + 1e-6) + 1.0, "{bound} over {least}");
            }
        }
    }
}

/// Brokers, new ones, racks, partitions, replicas of each, seed, and the least bytes, as HiGHS
/// proved them; see bench/optimum.py.
const PROVEN: [(u32, u32, u32, u32, u32, u64, f64); 4] = [
    (4, 0, 4, 30, 3, 17, 3.53545e10),
    (9, 0, 3, 111, 3, 48, 9.27018e10),
    (6, 0, 4, 54, 2, 70, 4.14701e09),
    (6, 1, 5, 31, 2, 76, 1.11872e10),
];

#[test]
fn a_small_cluster_whose_optimum_is_known_gets_a_plan_that_is_at_most_a_fifth_dearer() {
    for (brokers, new_brokers, racks, partitions, replication, seed, least) in PROVEN {
        let skewed = Skewed {
            brokers,
            new_brokers,
            racks,
            partitions,
            replication,
            topics: 10,
            load_sigma: Skewed::HEAVY,
            seed,
        };
        let mut cluster = skewed.cluster();
        for broker in &mut cluster.brokers {
            broker.capacity = load(1e6, 1e12, 1e12, 1e6);
        }
        let model = Model::build(cluster).expect("sound");
        let profile = Profile::kintsugi(Thresholds::default()).expect("sound");
        let plan = plan(&model, &profile, &Scope::Full, &Limits::default()).expect("a plan");
        let left: u64 = plan.goals.iter().map(|goal| goal.violations_after).sum();
        assert_eq!(left, 0, "seed {seed}: {:?}", plan.goals);
        let share = plan.bytes as f64 / least;
        assert!(
            (1.0 - 1e-4..1.2).contains(&share),
            "seed {seed}: {share} of the optimum"
        );
    }
}
