//! What brokers and groups do, read from the brokers' HTTP ports again and again.
//!
//! Guarantees: a read is bounded in time and bytes; a broker that does not answer, or answers
//! nonsense, keeps no other one waiting and takes nothing from what is known of it; what is exported
//! is bounded in series, and says what it left out.
//! Assumes that looks at clusters name the brokers ([`Loads::watch`]) and forget clusters.
//! Never does: talk to the Kubernetes API, decide.

mod announce;
mod export;
mod kept;
mod poll;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use kintsugi_load::{GroupModel, LoadModel};

pub use announce::Announced;
pub use poll::run;

use crate::cluster::Cluster;
use crate::names::Role;
use crate::observe::Observed;
use crate::remembered::{CLUSTERS_MAX, Key};

/// A broker that has not answered for this long tells nothing any more, in milliseconds: three rounds.
pub const FRESH_MS: u64 = 15_000;

/// What a look found is known no more after so long, in milliseconds: six looks at a settled cluster.
const LOOKED_AT_MS: u64 = 30_000;

/// A broker and the address of its pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its id.
    pub id: i32,
    /// Its pod's address.
    pub ip: String,
}

/// What a broker's volume holds and could, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Disk {
    /// Its logs.
    pub logs_bytes: f64,
    /// All that is used, by whatever.
    pub used_bytes: f64,
    /// Its size. None where the broker does not tell.
    pub capacity_bytes: Option<f64>,
}

/// What is known of one cluster.
#[derive(Debug, Default)]
pub struct ClusterLoad {
    targets: Vec<Target>,
    uid: String,
    /// Its load. Times are those of [`Loads::now`].
    pub model: LoadModel,
    /// Its groups.
    pub groups: GroupModel,
    announced: Announced,
    /// What the last look found, and when: what keeps the cluster from being whole, if anything does.
    found: Option<(u64, Option<String>)>,
    /// Committed offsets that brokers did not tell, for want of room.
    left_out: u64,
    failures: u64,
}

impl ClusterLoad {
    /// Ok if the cluster was whole at the last look, and that was lately.
    ///
    /// # Errors
    /// What keeps it from being whole, in words: what is measured meanwhile is not what it is like.
    pub fn is_whole(&self, now: u64) -> Result<(), String> {
        match &self.found {
            Some((at, amiss)) if now.saturating_sub(*at) < LOOKED_AT_MS => match amiss {
                Some(amiss) => Err(format!("nothing is decided while {amiss}")),
                None => Ok(()),
            },
            _ => {
                let seconds = LOOKED_AT_MS / 1_000;
                Err(format!("the cluster was not looked at for {seconds} s"))
            }
        }
    }
}

/// The load of every cluster.
pub struct Loads {
    began: Instant,
    clusters: Mutex<BTreeMap<Key, Arc<Mutex<ClusterLoad>>>>,
    exported: Mutex<String>,
}

impl Default for Loads {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            clusters: Mutex::default(),
            exported: Mutex::default(),
        }
    }
}

impl Loads {
    /// Now, as the models count it.
    pub fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A look saw these pods: the running brokers among them are read from now on.
    pub fn watch(&self, key: &Key, cluster: &Cluster, observed: &Observed) {
        let running = observed
            .pods
            .iter()
            .filter(|pod| pod.member.role == Role::Broker && pod.is_running());
        let targets = running.filter_map(|pod| {
            let ip = pod.ip.clone()?;
            Some(Target {
                id: pod.member.id,
                ip,
            })
        });
        self.watch_targets(key, &cluster.uid, targets.collect());
    }

    fn watch_targets(&self, key: &Key, uid: &str, targets: Vec<Target>) {
        let mut clusters = lock(&self.clusters);
        if clusters.len() >= CLUSTERS_MAX && !clusters.contains_key(key) {
            return;
        }
        let load = clusters.entry(key.clone()).or_default();
        let mut load = lock(load);
        if load.uid != uid {
            // Another cluster of the same name: nothing of the one before is true of it.
            *load = ClusterLoad {
                uid: uid.to_owned(),
                ..ClusterLoad::default()
            };
        }
        load.targets = targets;
    }

    /// A look at a cluster found this to keep it from being whole, or nothing.
    pub fn found(&self, key: &Key, cluster: &Cluster, amiss: Option<String>) {
        if let Some(load) = self.of(key) {
            let mut load = lock(&load);
            if load.uid == cluster.uid {
                load.found = Some((self.now(), amiss));
            }
        }
    }

    /// A cluster is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        lock(&self.clusters).remove(&(namespace.to_owned(), name.to_owned()));
    }

    /// What is known of a cluster, if it is watched.
    pub fn of(&self, key: &Key) -> Option<Arc<Mutex<ClusterLoad>>> {
        lock(&self.clusters).get(key).cloned()
    }

    /// What the volumes of a cluster's brokers hold, once that is known.
    pub fn disks(&self, key: &Key) -> BTreeMap<i32, Disk> {
        let Some(load) = self.of(key) else {
            return BTreeMap::new();
        };
        let load = lock(&load);
        if !load.model.is_useful() {
            return BTreeMap::new();
        }
        let brokers = load.model.brokers().into_iter();
        let disks = brokers.map(|broker| {
            let disk = Disk {
                logs_bytes: load.model.logs_on(broker.id),
                used_bytes: broker.load.disk_bytes,
                capacity_bytes: broker.disk_capacity_bytes,
            };
            (broker.id, disk)
        });
        disks.collect()
    }

    /// Lags, loads and skews in Prometheus's text, as of the last round.
    pub fn exported(&self) -> String {
        lock(&self.exported).clone()
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
