//! From what was measured of partitions to how far each broker's use of a resource is above the mean.
//!
//! A broker's use is the sum of its replicas': what a plan can move, and what the planner goes by.
//! What else it uses (its own work, other files on its volume) no plan evens out.

use std::collections::BTreeMap;

use kintsugi_load::{LoadModel, PartitionLoad};
use kintsugi_planner::{Load, Resource};

use crate::cluster::Cluster;
use crate::load::{FRESH_MS, Loads, lock};
use crate::names::Role;
use crate::observe::Observed;
use crate::quantity::units;
use crate::remembered::Key;

/// A broker that uses less than this share of what it can give hurts nobody, however little the
/// others use.
const SHARE_MIN: f64 = 0.2;
/// The same of traffic, in bytes a second; what a network can do is not known. No machine that runs
/// a broker takes notice of a megabyte a second.
const TRAFFIC_MIN: f64 = 1_000_000.0;
/// The same of a disk whose size is not known: a gibibyte.
const DISK_BYTES_MIN: f64 = 1_073_741_824.0;

/// What one broker's replicas use.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokerUse {
    /// Its id.
    pub id: i32,
    /// Whether replicas may be placed on it, so that it counts in the mean.
    pub takes_replicas: bool,
    /// What its replicas use, as smoothed by the load model.
    pub load: Load,
    /// The size of its volume, where it tells.
    pub disk_bytes: Option<f64>,
}

/// What all brokers' replicas use.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// The brokers.
    pub brokers: Vec<BrokerUse>,
    /// The CPU limit of each.
    pub cpu_cores: Option<f64>,
}

/// A broker's use of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The broker.
    pub broker: i32,
    /// The resource.
    pub resource: Resource,
}

/// How much it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Use {
    /// Of what.
    pub place: Place,
    /// A share of what the broker can give where that is known, else bytes or bytes a second.
    pub value: f64,
    /// The mean of the brokers that take replicas.
    pub mean: f64,
    /// Whether `value` and `mean` are shares.
    pub is_share: bool,
    /// Whether it is enough to hurt anybody.
    pub counts: bool,
}

impl Use {
    /// How far above the mean it is, as a share of the mean.
    pub fn excess(&self) -> f64 {
        match self.mean > 0.0 {
            true => self.value / self.mean - 1.0,
            false => 0.0,
        }
    }
}

/// The brokers' loads now, or why they are not known.
///
/// # Errors
/// What is missing, in words.
pub fn take(
    key: &Key,
    cluster: &Cluster,
    observed: &Observed,
    loads: &Loads,
) -> Result<Measured, String> {
    let unknown = || "loads are not measured".to_owned();
    let load = loads.of(key).ok_or_else(unknown)?;
    let load = lock(&load);
    let oldest = loads.now().saturating_sub(FRESH_MS);
    measured(cluster, observed, &load.model, oldest)
}

/// The loads of the brokers that run, if all of them have answered since `oldest`.
///
/// # Errors
/// What is missing, in words.
pub fn measured(
    cluster: &Cluster,
    observed: &Observed,
    model: &LoadModel,
    oldest: u64,
) -> Result<Measured, String> {
    if !model.is_useful() {
        return Err("loads are measured for 15 s before anything is decided by them".to_owned());
    }
    let told = model.brokers();
    let mut brokers = Vec::new();
    let pods = observed.pods.iter();
    for pod in pods.filter(|pod| pod.member.role == Role::Broker && !pod.is_terminating()) {
        let id = pod.member.id;
        let is_fresh = |one: &&kintsugi_load::BrokerLoad| one.id == id && one.sampled_at >= oldest;
        let Some(one) = told.iter().find(is_fresh) else {
            let seconds = FRESH_MS / 1_000;
            return Err(format!("broker {id} has not told its load for {seconds} s"));
        };
        brokers.push(BrokerUse {
            id,
            takes_replicas: observed.broker(id).is_some_and(|broker| !broker.cordoned),
            load: Load::default(),
            disk_bytes: one.disk_capacity_bytes.filter(|bytes| *bytes > 0.0),
        });
    }
    add_replicas(&mut brokers, &model.partitions());
    Ok(Measured {
        brokers,
        cpu_cores: units(&cluster.brokers.amounts.cpu_limit).filter(|cores| *cores > 0.0),
    })
}

fn add_replicas(brokers: &mut [BrokerUse], partitions: &[PartitionLoad]) {
    let places = brokers.iter().enumerate();
    let places: BTreeMap<i32, usize> = places.map(|(at, broker)| (broker.id, at)).collect();
    for partition in partitions {
        for id in &partition.brokers {
            let load = match partition.leader == Some(*id) {
                true => &partition.leader_load,
                false => &partition.follower_load,
            };
            if let Some(broker) = places.get(id).and_then(|at| brokers.get_mut(*at)) {
                broker.load.disk_bytes += load.disk_bytes;
                broker.load.network_in_bytes_per_second += load.network_in_bytes_per_second;
                broker.load.network_out_bytes_per_second += load.network_out_bytes_per_second;
                broker.load.cpu += load.cpu;
            }
        }
    }
}

impl Measured {
    /// Every broker's use of every resource.
    pub fn uses(&self) -> Vec<Use> {
        let all = Resource::ALL.into_iter();
        all.flat_map(|resource| self.uses_of(resource)).collect()
    }

    /// As the planner has it: the mean is what all use, over those that may be given replicas.
    fn uses_of(&self, resource: Resource) -> Vec<Use> {
        let is_share = self.is_capacity_known(resource);
        let capacity = |broker: &BrokerUse| match resource {
            Resource::Disk if is_share => broker.disk_bytes.unwrap_or(1.0),
            Resource::Cpu if is_share => self.cpu_cores.unwrap_or(1.0),
            _ => 1.0,
        };
        let takers = self.brokers.iter().filter(|broker| broker.takes_replicas);
        let of_takers: f64 = takers.map(capacity).sum();
        let loads = self.brokers.iter().map(|broker| broker.load.of(resource));
        let total: f64 = loads.sum();
        if of_takers <= 0.0 {
            return Vec::new();
        }
        let least = match resource {
            _ if is_share => SHARE_MIN,
            Resource::Disk => DISK_BYTES_MIN,
            Resource::NetworkIn | Resource::NetworkOut => TRAFFIC_MIN,
            // Cores of brokers without a limit: the share is of one core.
            Resource::Cpu => SHARE_MIN,
        };
        let brokers = self.brokers.iter().map(|broker| {
            let value = broker.load.of(resource) / capacity(broker);
            Use {
                place: Place {
                    broker: broker.id,
                    resource,
                },
                value,
                mean: total / of_takers,
                is_share,
                counts: value >= least,
            }
        });
        brokers.collect()
    }

    /// As for the planner: a known disk beside an unknown one would look full.
    fn is_capacity_known(&self, resource: Resource) -> bool {
        match resource {
            Resource::Disk => self.brokers.iter().all(|one| one.disk_bytes.is_some()),
            Resource::Cpu => self.cpu_cores.is_some(),
            Resource::NetworkIn | Resource::NetworkOut => false,
        }
    }
}
