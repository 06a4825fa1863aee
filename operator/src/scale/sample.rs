//! From what was measured of brokers and partitions to what the scaler takes.

use kintsugi_forecast::{Brokers, Loads as ScalerLoads, Resource, Sample};
use kintsugi_load::{BrokerLoad, PartitionLoad};

use crate::cluster::Cluster;
use crate::load::{Key, Loads, lock};
use crate::names::Role;
use crate::observe::Observed;
use crate::quantity::units;

/// A broker that has not answered for this long is missing, in milliseconds: three rounds.
const FRESH_MS: u64 = 15_000;

/// The cluster's load now; None before enough rounds were made.
pub fn take(key: &Key, cluster: &Cluster, observed: &Observed, loads: &Loads) -> Option<Sample> {
    let load = loads.of(key)?;
    let load = lock(&load);
    if !load.model.is_useful() {
        return None;
    }
    let (brokers, partitions) = (load.model.brokers(), load.model.partitions());
    let oldest = loads.now().saturating_sub(FRESH_MS);
    Some(sample(cluster, observed, &brokers, &partitions, oldest))
}

/// The sum over the brokers in force that answered since `oldest`.
pub fn sample(
    cluster: &Cluster,
    observed: &Observed,
    brokers: &[BrokerLoad],
    partitions: &[PartitionLoad],
    oldest: u64,
) -> Sample {
    let mut counted = Brokers::default();
    let (mut cores, mut received, mut sent) = (0.0, 0.0, 0.0);
    let mut reporting = Vec::new();
    let pods = observed.pods.iter();
    for pod in pods.filter(|pod| pod.member.role == Role::Broker && !pod.is_terminating()) {
        let load = brokers
            .iter()
            .find(|broker| broker.id == pod.member.id && broker.sampled_at >= oldest);
        match load {
            _ if !pod.ready => counted.unready += 1,
            None => counted.missing += 1,
            Some(broker) => {
                counted.reporting += 1;
                reporting.push(broker.id);
                cores += broker.load.cpu;
                received += broker.load.network_in_bytes_per_second;
                sent += broker.load.network_out_bytes_per_second;
            }
        }
    }
    let is_led = |partition: &&PartitionLoad| {
        let leader = partition.leader;
        leader.is_some_and(|leader| reporting.contains(&leader))
    };
    let work: f64 = partitions
        .iter()
        .filter(is_led)
        .map(|partition| partition.rates.bytes_in + partition.rates.bytes_out)
        .sum();
    if reporting.is_empty() {
        return Sample {
            loads: ScalerLoads::default(),
            brokers: counted,
            cpu_utilization: None,
        };
    }
    let loads = ScalerLoads::default()
        .with(Resource::Cpu, work)
        .with(Resource::NetworkIn, received)
        .with(Resource::NetworkOut, sent);
    let limit = units(&cluster.brokers.amounts.cpu_limit).filter(|limit| *limit > 0.0);
    Sample {
        loads,
        brokers: counted,
        cpu_utilization: limit.map(|limit| cores / limit / f64::from(counted.reporting)),
    }
}
