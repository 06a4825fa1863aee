//! How long a broker that joins takes until it carries what is meant for it.
//!
//! What is meant for it is what it carries when the KafkaRebalance that fills it is done: the fewest
//! moves after which no broker has more than a tenth above the mean. Brokers of one zone can only
//! take from each other, so the cluster is made without zones.
//!
//! Assumes a load that is the same on every partition, so that a broker's share of partitions is its
//! share of the load. Never does: choose the size; the operator decides by the load that it measures.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::json;

use super::topology::Topology;
use crate::scenario::autoscale::wait_for_size;
use crate::scenario::environment::Environment;

/// How much of what is meant for it a broker has to carry.
const SHARE: f64 = 0.9;
/// How long a decision may take: loads are measured for 15 s, and a size decided each 15 s.
const DECISION_LIMIT: Duration = Duration::from_secs(180);
/// How long the new broker may take to be filled.
const FILL_LIMIT: Duration = Duration::from_secs(600);
/// Each broker is said to be able to receive so much more than what is its part of the load before
/// one joins: with a target of 70 %, three brokers are then too few and four are enough.
const ROOM: f64 = 1.3;

/// What a broker carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Carried {
    /// The partitions that it leads.
    led: usize,
    /// The partitions that it has an in-sync replica of, those that it leads too.
    in_sync: usize,
}

/// What was seen of the broker that joins, each from the moment in which the decision stood in the
/// status.
#[derive(Debug, Default)]
struct Seen {
    broker: Option<(i32, Duration)>,
    began: Option<Duration>,
    carried: Vec<(Duration, Carried)>,
}

/// What was measured, each from the moment in which the decision stood in the status.
#[derive(Clone, Copy, Debug)]
pub struct Joining {
    /// The broker that joined.
    pub broker: i32,
    /// Until its pod was there and it was listed in Metadata.
    pub listed: Duration,
    /// Until there was a KafkaRebalance to fill it.
    pub began: Duration,
    /// Until it led nine tenths of the partitions that it was to lead.
    pub leads: Duration,
    /// Until it had nine tenths of the replicas that it was to have in sync.
    pub replicates: Duration,
    /// Until the KafkaRebalance was completed.
    pub filled: Duration,
    /// What it carried then.
    carried: Carried,
    /// The mean over all brokers.
    mean: Carried,
}

impl fmt::Display for Joining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (carried, mean) = (self.carried, self.mean);
        let share = SHARE * 100.0;
        write!(
            f,
            "from the decision: broker {} listed after {:.1?}, its filling begun after {:.1?}, \
             {share:.0} % of its leaderships after {:.1?}, {share:.0} % of its replicas in sync after {:.1?}, \
             filled after {:.1?}; it leads {} (the mean is {}) and has {} (the mean is {})",
            self.broker,
            self.listed,
            self.began,
            self.leads,
            self.replicates,
            self.filled,
            carried.led,
            mean.led,
            carried.in_sync,
            mean.in_sync
        )
    }
}

/// Turns autoscaling on, with targets by which one broker more is needed than there are, and
/// watches until that one is filled with partitions of `topology`'s topic.
///
/// # Errors
/// If nothing is decided, or the broker is not filled in time, or with nothing.
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
    let (seen, filled) = follow(environment, topology, &before, decided)?;
    judge(&seen, filled, mean(topology, size))
}

/// Looks until the KafkaRebalance that fills the broker is completed.
fn follow(
    environment: &Environment,
    topology: &Topology,
    before: &BTreeSet<i32>,
    decided: Instant,
) -> anyhow::Result<(Seen, Duration)> {
    let bootstrap = environment.bootstrap()?;
    let seen = RefCell::new(Seen::default());
    let filled = environment
        .kubernetes
        .wait("the new broker to be filled", FILL_LIMIT, |kubernetes| {
            let mut seen = seen.borrow_mut();
            let now = Topology::fetch(&bootstrap, &topology.topic)?;
            let mut brokers = now.brokers.keys();
            let Some(broker) = brokers.find(|id| !before.contains(id)).copied() else {
                return Ok(Err("no broker has joined".to_owned()));
            };
            seen.broker = seen.broker.or(Some((broker, decided.elapsed())));
            let carried = carried_by(&now, broker);
            if seen.carried.last().map(|(_, last)| *last) != Some(carried) {
                seen.carried.push((decided.elapsed(), carried));
            }
            let fill = format!("{}-fill-{broker}", environment.cluster);
            // An error until it is there, and waited for like any other.
            let phase = &kubernetes.rebalance_status(&fill)?["phase"];
            seen.began = seen.began.or(Some(decided.elapsed()));
            Ok((phase == "Completed")
                .then(|| decided.elapsed())
                .ok_or_else(|| format!("{fill} is {phase}, broker {broker} carries {carried:?}")))
        })
        .context("the broker that joined was not filled")?;
    Ok((seen.into_inner(), filled))
}

fn judge(seen: &Seen, filled: Duration, mean: Carried) -> anyhow::Result<Joining> {
    let (broker, listed) = seen.broker.context("no broker has joined")?;
    let began = seen.began.context("nothing filled it")?;
    let (_, carried) = *seen.carried.last().context("nothing was carried")?;
    ensure!(
        carried.led > 0 && carried.in_sync > 0,
        "broker {broker} was filled with nothing: {carried:?}"
    );
    Ok(Joining {
        broker,
        listed,
        began,
        leads: since(seen, carried.led, |carried| carried.led)?,
        replicates: since(seen, carried.in_sync, |carried| carried.in_sync)?,
        filled,
        carried,
        mean,
    })
}

/// From when on a count never was below its share of what it came to.
fn since(seen: &Seen, last: usize, count: impl Fn(Carried) -> usize) -> anyhow::Result<Duration> {
    let reached =
        |(_, carried): &&(Duration, Carried)| count(*carried) as f64 >= SHARE * last as f64;
    let stayed = seen.carried.iter().rev().take_while(reached).last();
    Ok(stayed.context("its share was never reached")?.0)
}

fn carried_by(topology: &Topology, broker: i32) -> Carried {
    let views = topology.partitions.values();
    Carried {
        led: topology.led_by(broker).len(),
        in_sync: views.filter(|view| view.isr.contains(&broker)).count(),
    }
}

fn mean(topology: &Topology, brokers: usize) -> Carried {
    let views = topology.partitions.values();
    let replicas: usize = views.map(|view| view.replicas.len()).sum();
    Carried {
        led: topology.partitions.len() / brokers,
        in_sync: replicas / brokers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(led: usize, in_sync: usize) -> Carried {
        Carried { led, in_sync }
    }

    #[test]
    fn a_share_counts_from_when_it_was_reached_for_good() -> anyhow::Result<()> {
        let at = Duration::from_secs;
        let seen = Seen {
            broker: Some((3, at(2))),
            began: Some(at(4)),
            carried: vec![
                (at(2), carried(0, 0)),
                (at(5), carried(9, 40)),
                (at(6), carried(8, 85)),
                (at(7), carried(9, 90)),
                (at(9), carried(10, 100)),
            ],
        };
        let joining = judge(&seen, at(10), carried(12, 120))?;
        assert_eq!((joining.leads, joining.replicates), (at(7), at(7)));
        assert_eq!((joining.carried, joining.broker), (carried(10, 100), 3));
        Ok(())
    }

    #[test]
    fn a_broker_that_is_filled_with_nothing_is_an_error() {
        let seen = Seen {
            broker: Some((3, Duration::ZERO)),
            began: Some(Duration::ZERO),
            carried: vec![(Duration::ZERO, carried(0, 0))],
        };
        assert!(judge(&seen, Duration::ZERO, carried(12, 120)).is_err());
    }
}
