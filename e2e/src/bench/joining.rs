//! How long a broker that joins takes until it carries its share of many partitions.
//!
//! Assumes a load that is the same on every partition, so that a broker's share of partitions is its
//! share of the load. Never does: choose the size; the operator decides by the load that it measures.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::json;

use super::topology::Topology;
use crate::scenario::autoscale::wait_for_size;
use crate::scenario::environment::Environment;

/// How much of its even share a broker has to carry.
const SHARE: f64 = 0.9;
/// How long a decision may take: loads are measured for 15 s, and a size decided each 15 s.
const DECISION_LIMIT: Duration = Duration::from_secs(180);
/// How long the new broker may take to carry its share.
const FILL_LIMIT: Duration = Duration::from_secs(600);
/// Each broker is said to be able to receive so much more than what is its part of the load before
/// one joins: with a target of 70 %, three brokers are then too few and four are enough.
const ROOM: f64 = 1.3;

/// What a broker carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Carried {
    /// The partitions that it leads.
    led: usize,
    /// The partitions that it has an in-sync replica of, those that it leads too.
    in_sync: usize,
}

/// What was measured, each from the moment in which the decision stood in the status.
#[derive(Clone, Copy, Debug)]
pub struct Joining {
    /// The broker that joined.
    pub broker: i32,
    /// Until its pod was there and it was listed in Metadata.
    pub listed: Duration,
    /// Until it led nine tenths of an even share of the partitions.
    pub leads: Duration,
    /// Until it had nine tenths of an even share of the replicas in sync.
    pub replicates: Duration,
    /// What it carried then.
    carried: Carried,
    /// An even share of it.
    even: Carried,
}

impl fmt::Display for Joining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (carried, even) = (self.carried, self.even);
        write!(
            f,
            "from the decision: broker {} listed after {:.1?}, leads {:.0} % of its share after {:.1?}, \
             has {:.0} % of its replicas in sync after {:.1?}; it leads {} of {} and has {} of {}",
            self.broker,
            self.listed,
            SHARE * 100.0,
            self.leads,
            SHARE * 100.0,
            self.replicates,
            carried.led,
            even.led,
            carried.in_sync,
            even.in_sync
        )
    }
}

/// Turns autoscaling on, with targets by which one broker more is needed than there are, and
/// watches until that one carries its share of `topic`.
///
/// # Errors
/// If nothing is decided, or the broker does not get its share in time.
pub fn watch(
    environment: &Environment,
    topology: &Topology,
    received_bytes_per_second: f64,
) -> anyhow::Result<Joining> {
    let before: BTreeSet<i32> = environment.brokers()?.into_keys().collect();
    let size = before.len() + 1;
    let receives = received_bytes_per_second * ROOM / before.len() as f64;
    ensure!(
        (1.0..f64::from(u32::MAX)).contains(&receives),
        "a load of {received_bytes_per_second} bytes a second cannot be aimed at"
    );
    let autoscaling = json!({
        "minReplicas": before.len(),
        "maxReplicas": size,
        "targets": {"cpuPercent": 0, "networkIn": {"bytesPerSecond": receives as u32}},
    });
    let change = json!({"spec": {"brokers": {"autoscaling": autoscaling}}});
    let (kubernetes, cluster) = (&environment.kubernetes, &environment.cluster);
    kubernetes.patch_cluster(cluster, &change)?;
    let asked = Instant::now();
    let reason = wait_for_size(environment, size, DECISION_LIMIT)?;
    let decided = Instant::now();
    println!("  decided after {:.1?}: {reason}", asked.elapsed());
    follow(environment, topology, &before, decided)
}

fn follow(
    environment: &Environment,
    topology: &Topology,
    before: &BTreeSet<i32>,
    decided: Instant,
) -> anyhow::Result<Joining> {
    let bootstrap = environment.bootstrap()?;
    let even = even_share(topology, before.len() + 1);
    let has = |carried: usize, even: usize| carried as f64 >= SHARE * even as f64;
    let (listed, leads): (Cell<Option<Duration>>, Cell<Option<Duration>>) = Default::default();
    environment
        .kubernetes
        .wait("the new broker's share", FILL_LIMIT, |_| {
            let now = Topology::fetch(&bootstrap, &topology.topic)?;
            let mut brokers = now.brokers.keys();
            let Some(broker) = brokers.find(|id| !before.contains(id)).copied() else {
                return Ok(Err("no broker has joined".to_owned()));
            };
            listed.set(listed.get().or(Some(decided.elapsed())));
            let carried = carried_by(&now, broker);
            if has(carried.led, even.led) {
                leads.set(leads.get().or(Some(decided.elapsed())));
            }
            let joining = listed
                .get()
                .zip(leads.get())
                .filter(|_| has(carried.in_sync, even.in_sync))
                .map(|(listed, leads)| Joining {
                    broker,
                    listed,
                    leads,
                    replicates: decided.elapsed(),
                    carried,
                    even,
                });
            Ok(joining.ok_or_else(|| format!("broker {broker} carries {carried:?} of {even:?}")))
        })
        .context("the broker that joined did not get its share")
}

fn carried_by(topology: &Topology, broker: i32) -> Carried {
    let views = topology.partitions.values();
    Carried {
        led: topology.led_by(broker).len(),
        in_sync: views.filter(|view| view.isr.contains(&broker)).count(),
    }
}

fn even_share(topology: &Topology, brokers: usize) -> Carried {
    let replicas: usize = topology
        .partitions
        .values()
        .map(|view| view.replicas.len())
        .sum();
    Carried {
        led: topology.partitions.len() / brokers,
        in_sync: replicas / brokers,
    }
}
