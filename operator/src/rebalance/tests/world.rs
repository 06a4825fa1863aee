//! A cluster and a resource that decisions are carried out on, command by command, as brokers and
//! the API server would.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kintsugi_crds::{KafkaRebalance, REBALANCE_ANNOTATION};
use kintsugi_planner::Load;
use kintsugi_survey::{Cluster, Partition, PartitionKey, PartitionLoads};
use serde_json::{Value, json};

use crate::fixtures::at;
use crate::kafka::{ConfigResource, Moving, Operation};
use crate::rebalance::act::{entries, marks};
use crate::rebalance::decide::{Look, decide};
use crate::rebalance::held::Held;
use crate::rebalance::observe::{ClusterView, KafkaView, LoadView, Observed, Snapshot};
use crate::rebalance::plan::{Command, Plan};
use crate::rebalance::validate::{Rebalance, validate};

/// Bytes of each partition.
pub const BYTES: f64 = 1_000.0;
/// Partitions of the topic.
pub const PARTITIONS: i32 = 12;

pub fn key(number: i32) -> PartitionKey {
    PartitionKey {
        topic: "orders".to_owned(),
        number,
    }
}

/// Everything that decisions are made of, and that acts change.
#[derive(Clone)]
pub struct World {
    pub resource: KafkaRebalance,
    pub observed: Observed,
    pub held: Option<Held>,
    pub rates: BTreeMap<i32, u64>,
    /// `topic p:b` by the setting's name.
    pub throttled: BTreeSet<(String, String)>,
    pub seconds: i64,
    /// Bytes of the moves that came to their end.
    pub copied: i64,
    /// What replicas a partition had before its move.
    original: BTreeMap<PartitionKey, Vec<i32>>,
}

impl World {
    /// Twelve partitions on brokers 0, 1 and 2, each led by its first; brokers 3 and above are empty.
    pub fn new(brokers: i32, spec: Value) -> Self {
        let mut full = json!({"clusterName": "demo"});
        for (key, value) in spec.as_object().unwrap() {
            full[key] = value.clone();
        }
        let mut resource: KafkaRebalance = serde_json::from_value(json!({
            "apiVersion": "kintsugi.dev/v1alpha1",
            "kind": "KafkaRebalance",
            "metadata": {"name": "grow", "namespace": "kafka", "uid": "uid-b", "generation": 1},
            "spec": full,
        }))
        .unwrap();
        resource.metadata.creation_timestamp = Some(Time(at(-100)));
        let partition = |number: i32| {
            let replicas = [number % 3, (number + 1) % 3].to_vec();
            let partition = Partition {
                leader: replicas.first().copied(),
                in_sync: replicas.clone(),
                replicas,
            };
            (key(number), partition)
        };
        let cluster = Cluster {
            brokers: (0..brokers).map(|id| (id, None)).collect(),
            partitions: (0..PARTITIONS).map(partition).collect(),
        };
        let snapshot = Snapshot {
            cluster,
            moving: BTreeMap::new(),
        };
        Self {
            resource,
            observed: Observed {
                cluster: ClusterView::Present {
                    paused: false,
                    rollout: None,
                },
                rivals: Vec::new(),
                leaving: BTreeSet::new(),
                quorum_trouble: None,
                under_min_isr: 0,
                kafka: KafkaView::Answered(Box::new(snapshot)),
                load: Some(load()),
                asked_ms: 3,
            },
            held: None,
            rates: BTreeMap::new(),
            throttled: BTreeSet::new(),
            seconds: 0,
            copied: 0,
            original: BTreeMap::new(),
        }
    }

    pub fn snapshot(&mut self) -> &mut Snapshot {
        match &mut self.observed.kafka {
            KafkaView::Answered(snapshot) => snapshot,
            other => panic!("{other:?}"),
        }
    }

    pub fn now(&self) -> Timestamp {
        at(self.seconds)
    }

    pub fn rebalance(&self) -> Rebalance {
        validate(&self.resource).unwrap()
    }

    pub fn say(&mut self, word: Option<&str>) {
        let annotations = self.resource.metadata.annotations.get_or_insert_default();
        match word {
            Some(word) => annotations.insert(REBALANCE_ANNOTATION.to_owned(), word.to_owned()),
            None => annotations.remove(REBALANCE_ANNOTATION),
        };
    }

    /// What is to be done, seen from `observed`.
    pub fn plan_of(&self, observed: &Observed) -> Plan {
        decide(&Look {
            rebalance: &self.rebalance(),
            observed,
            held: self.held.as_ref(),
            written: self.resource.status.as_ref(),
            now: self.now(),
        })
    }

    /// One look with all of its acts; gives these.
    pub fn look(&mut self) -> Vec<Command> {
        let plan = self.plan_of(&self.observed.clone());
        for command in &plan.commands {
            self.apply(command);
        }
        self.held = plan.held;
        self.seconds += 1;
        plan.commands
    }

    /// Looks until nothing is done, and every move that begins ends at once.
    pub fn settle(&mut self) {
        for _ in 0..200 {
            let commands = self.look();
            if commands.is_empty() && self.snapshot().moving.is_empty() {
                return;
            }
            self.complete(usize::MAX);
        }
        panic!("it does not settle");
    }

    /// So many of the moves in flight come to their end.
    pub fn complete(&mut self, count: usize) {
        let mut copies = 0;
        let snapshot = self.snapshot();
        let keys: Vec<PartitionKey> = snapshot.moving.keys().take(count).cloned().collect();
        for key in keys {
            let moving = snapshot.moving.remove(&key).unwrap();
            let partition = snapshot.cluster.partitions.get_mut(&key).unwrap();
            let target = moving.target();
            copies += moving.adding.len();
            partition.leader = partition
                .leader
                .filter(|leader| target.contains(leader))
                .or(target.first().copied());
            partition.in_sync = target.clone();
            partition.replicas = target;
        }
        self.copied += i64::try_from(copies).unwrap() * BYTES as i64;
    }

    pub fn apply(&mut self, command: &Command) {
        match command {
            Command::Mark(change) => {
                let metadata = marks(&self.resource, None, change).unwrap();
                let mut whole = serde_json::to_value(&self.resource.metadata).unwrap();
                merge(&mut whole, metadata);
                self.resource.metadata = serde_json::from_value(whole).unwrap();
            }
            Command::SetRates {
                brokers,
                bytes_per_second,
                ..
            } => self
                .rates
                .extend(brokers.iter().map(|id| (*id, *bytes_per_second))),
            Command::ClearRates(brokers) => self.rates.retain(|id, _| !brokers.contains(id)),
            Command::Throttle(intents) => {
                for (topic, list) in list(&entries(intents, Operation::Append)) {
                    self.throttled.insert((topic, list));
                }
            }
            Command::Unthrottle(intents) => {
                for entry in list(&entries(intents, Operation::Subtract)) {
                    self.throttled.remove(&entry);
                }
            }
            Command::Reassign(targets) => {
                for (key, target) in targets {
                    self.reassign(key, target);
                }
            }
            Command::Cancel(keys) => {
                for key in keys {
                    self.cancel(key);
                }
            }
            Command::Elect(keys) => {
                for key in keys {
                    let partition = self.snapshot().cluster.partitions.get_mut(key).unwrap();
                    let first = partition.replicas[0];
                    if partition.in_sync.contains(&first) {
                        partition.leader = Some(first);
                    }
                }
            }
            Command::Announce(_) => {}
            Command::WriteStatus(status) => self.resource.status = Some((**status).clone()),
        }
    }

    fn reassign(&mut self, key: &PartitionKey, target: &[i32]) {
        let snapshot = self.snapshot();
        let partition = snapshot.cluster.partitions.get_mut(key).unwrap();
        let before = partition.replicas.clone();
        let is_in = |ids: &[i32]| {
            let ids = ids.to_vec();
            move |id: &&i32| ids.contains(id)
        };
        let adding: Vec<i32> = target
            .iter()
            .filter(|id| !is_in(&before)(id))
            .copied()
            .collect();
        let removing: Vec<i32> = before
            .iter()
            .filter(|id| !is_in(target)(id))
            .copied()
            .collect();
        partition.replicas = target.iter().chain(&removing).copied().collect();
        if adding.is_empty() && removing.is_empty() {
            return;
        }
        let moving = Moving {
            replicas: partition.replicas.clone(),
            adding,
            removing,
        };
        if snapshot.moving.insert(key.clone(), moving).is_none() {
            self.original.insert(key.clone(), before);
        }
    }

    fn cancel(&mut self, key: &PartitionKey) {
        if self.snapshot().moving.remove(key).is_some() {
            let before = self.original.remove(key).unwrap();
            let partition = self.snapshot().cluster.partitions.get_mut(key).unwrap();
            partition.replicas = before;
        }
    }

    /// Replicas on a broker.
    pub fn replicas_on(&mut self, broker: i32) -> usize {
        let partitions = self.snapshot().cluster.partitions.values();
        partitions
            .filter(|partition| partition.replicas.contains(&broker))
            .count()
    }

    /// Nothing of it is left in Kafka, and nothing holds the resource.
    pub fn assert_clean(&mut self) {
        assert_eq!(self.snapshot().moving, BTreeMap::new());
        assert_eq!(self.rates, BTreeMap::new());
        assert_eq!(self.throttled, BTreeSet::new());
        let marks = self.rebalance().marks;
        assert_eq!((marks.is_held, marks.underway), (false, None));
    }
}

/// Loads of twelve partitions that all weigh the same.
pub fn load() -> LoadView {
    let one = Load {
        disk_bytes: BYTES,
        network_in_bytes_per_second: 1.0,
        ..Load::default()
    };
    let loads = PartitionLoads {
        leader: one,
        follower: one,
    };
    LoadView {
        partitions: (0..PARTITIONS).map(|number| (key(number), loads)).collect(),
        cpu_cores: Some(2.0),
        cpu_share: Some(0.1),
        ..LoadView::default()
    }
}

fn list(changes: &BTreeMap<ConfigResource, BTreeMap<String, Operation>>) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (resource, changes) in changes {
        for (name, operation) in changes {
            let (Operation::Append(list) | Operation::Subtract(list)) = operation else {
                panic!("{operation:?}")
            };
            let each = list
                .split(',')
                .map(|entry| (name.clone(), format!("{resource:?} {entry}")));
            all.extend(each);
        }
    }
    all
}

/// RFC 7386.
fn merge(target: &mut Value, patch: Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    target.remove(&key);
                } else {
                    merge(target.entry(key).or_insert(json!({})), value);
                }
            }
        }
        (target, patch) => *target = patch,
    }
}
