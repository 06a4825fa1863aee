//! From what was measured of brokers and partitions to what the scaler takes.

use kintsugi_forecast::{Brokers, Loads as ScalerLoads, Resource, Sample};
use kintsugi_load::{BrokerLoad, PartitionLoad};

use crate::cluster::Cluster;
use crate::load::{FRESH_MS, Loads, lock};
use crate::names::Role;
use crate::observe::Observed;
use crate::quantity::units;
use crate::remembered::Key;

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

/// What producers and consumers ask of the brokers in force that answered since `oldest`: what is
/// appended, once for each replica, and what is read. Bytes that only bring replicas up to date, in
/// moves and after a loss, are none of it: they end by themselves, and a broker that joined for their
/// sake would cause more of them.
pub fn sample(
    cluster: &Cluster,
    observed: &Observed,
    brokers: &[BrokerLoad],
    partitions: &[PartitionLoad],
    oldest: u64,
) -> Sample {
    let mut counted = Brokers::default();
    let mut cores = 0.0;
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
            }
        }
    }
    let is_led = |partition: &&PartitionLoad| {
        let leader = partition.leader;
        leader.is_some_and(|leader| reporting.contains(&leader))
    };
    let (mut work, mut received, mut sent) = (0.0, 0.0, 0.0);
    for partition in partitions.iter().filter(is_led) {
        let (leader, follower) = (&partition.leader_load, &partition.follower_load);
        let followers = partition.brokers.len().saturating_sub(1) as f64;
        work += partition.rates.bytes_in + partition.rates.bytes_out;
        received +=
            leader.network_in_bytes_per_second + followers * follower.network_in_bytes_per_second;
        sent += leader.network_out_bytes_per_second;
    }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kintsugi_load::{Load, Rates, TopicPartition};

    use super::*;
    use crate::fixtures;

    #[test]
    fn bytes_that_only_bring_a_replica_up_to_date_are_no_load() {
        let broker = |id, network_in, network_out| BrokerLoad {
            id,
            load: Load {
                network_in_bytes_per_second: network_in,
                network_out_bytes_per_second: network_out,
                cpu: 0.1,
                ..Load::default()
            },
            disk_capacity_bytes: None,
            observed_ms: 60_000,
            sampled_at: 1_000,
        };
        // The first leads, the second follows, the third catches up with 50 MB/s.
        let brokers = [
            broker(0, 1e6, 53e6),
            broker(1, 1e6, 0.0),
            broker(2, 51e6, 0.0),
        ];
        let load = |network_out| Load {
            network_in_bytes_per_second: 1e6,
            network_out_bytes_per_second: network_out,
            ..Load::default()
        };
        let partition = PartitionLoad {
            partition: TopicPartition {
                topic: Arc::from("t"),
                number: 0,
            },
            leader: Some(0),
            brokers: vec![0, 1, 2],
            rates: Rates {
                bytes_in: 1e6,
                bytes_out: 1e6,
                ..Rates::default()
            },
            leader_load: load(3e6),
            follower_load: load(0.0),
            observed_ms: 60_000,
        };
        let (cluster, observed) = (fixtures::cluster(), fixtures::formed());
        let sample = sample(&cluster, &observed, &brokers, &[partition], 0);
        assert_eq!(sample.brokers.reporting, 3);
        let expected = ScalerLoads::default()
            .with(Resource::Cpu, 2e6)
            .with(Resource::NetworkIn, 3e6)
            .with(Resource::NetworkOut, 3e6);
        assert_eq!(sample.loads, expected);
    }
}
