//! Partitions under a load that is never quite what it was, brokers that tell of it, and
//! KafkaRebalances that are planned and carried out as the operator would.

use std::collections::{BTreeMap, BTreeSet};

use kintsugi_load::{BrokerSample, Counters, LoadModel, PartitionSample, TopicSample};
use kintsugi_survey::{Cluster as Survey, Partition as Placed, PartitionKey};

use super::*;
use crate::balance::measure;
use crate::build::rebalance;
use crate::rebalance::observe::{LoadView, Snapshot};
use crate::rebalance::propose::propose;
use crate::rebalance::validate::validate;

/// How often brokers tell, and are looked at, in milliseconds.
const ROUND_MS: i64 = 5_000;
/// A partition's load drifts by so much of itself, and forgets it by half within 20 s.
const DRIFT: f64 = 0.3;
const KEPT: f64 = 0.84;
/// On top of that, each round's differs by so much.
const JITTER: f64 = 0.3;
/// Cores for a byte a second: 100 MB/s keep a core busy.
const CORES_PER_BYTE: f64 = 1e-8;

pub struct Partition {
    pub replicas: Vec<i32>,
    pub leader: i32,
    /// What comes in on average, in bytes a second.
    pub rate: f64,
    drift: f64,
    log_end: f64,
    size_bytes: f64,
    counters: BTreeMap<i32, Counters>,
}

impl Partition {
    pub fn new(replicas: &[i32], rate: f64) -> Self {
        Self {
            replicas: replicas.to_vec(),
            leader: replicas[0],
            rate,
            drift: 0.0,
            log_end: 0.0,
            size_bytes: 0.0,
            counters: BTreeMap::new(),
        }
    }
}

pub struct World {
    pub looks: Looks,
    pub partitions: Vec<Partition>,
    model: LoadModel,
    cpu_seconds: BTreeMap<i32, f64>,
    random: fastrand::Rng,
    /// Changes of plans that were carried out.
    pub changes: usize,
}

impl World {
    pub fn new(partitions: Vec<Partition>, seed: u64) -> Self {
        Self {
            looks: Looks::at(Measured::default()),
            partitions,
            model: LoadModel::default(),
            cpu_seconds: BTreeMap::new(),
            random: fastrand::Rng::with_seed(seed),
            changes: 0,
        }
    }

    /// Lets so much time pass.
    pub fn run(&mut self, seconds: i64) {
        let end = self.looks.now_ms + seconds * 1_000;
        while self.looks.now_ms < end {
            self.looks.now_ms += ROUND_MS;
            self.pass();
            self.tell();
            self.look();
        }
    }

    /// The greatest excess over the mean, of averages and not of what was measured.
    pub fn excess(&self) -> f64 {
        let mut sent = BTreeMap::from([(0, 0.0), (1, 0.0), (2, 0.0)]);
        let mut received = sent.clone();
        for one in &self.partitions {
            let copies = one.replicas.len() as f64;
            *sent.entry(one.leader).or_default() += one.rate * copies;
            for id in &one.replicas {
                *received.entry(*id).or_default() += one.rate;
            }
        }
        let excess = |sums: &BTreeMap<i32, f64>| {
            let mean = sums.values().sum::<f64>() / sums.len() as f64;
            sums.values().copied().fold(0.0, f64::max) / mean - 1.0
        };
        excess(&sent).max(excess(&received))
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.random.f64()).sum::<f64>() - 6.0
    }

    fn pass(&mut self) {
        let seconds = ROUND_MS as f64 / 1_000.0;
        for at in 0..self.partitions.len() {
            let (drift, jitter) = (self.normal(), self.normal());
            let one = &mut self.partitions[at];
            one.drift = KEPT * one.drift + DRIFT * (1.0 - KEPT * KEPT).sqrt() * drift;
            let bytes = one.rate * seconds * (1.0 + one.drift + JITTER * jitter).max(0.0);
            one.log_end += bytes / 1_000.0;
            // A day's worth is kept.
            one.size_bytes = one.rate * 86_400.0;
            let copies = one.replicas.len() as f64;
            *one.counters.entry(one.leader).or_default() += Counters {
                bytes_in: bytes,
                messages_in: bytes / 1_000.0,
                produce_requests: bytes / 10_000.0,
                bytes_out: bytes,
                fetch_requests: 2.0 * seconds,
                replication_bytes_out: bytes * (copies - 1.0),
            };
            let used = self.cpu_seconds.entry(one.leader).or_default();
            *used += bytes * CORES_PER_BYTE;
        }
    }

    fn tell(&mut self) {
        let now_ms = u64::try_from(self.looks.now_ms).unwrap();
        let of_all = self.partitions.iter();
        // A third of every disk is used, on average.
        let disk_bytes: f64 = of_all
            .map(|one| one.size_bytes * one.replicas.len() as f64)
            .sum();
        for id in 0..3 {
            let held = self.partitions.iter().enumerate();
            let held = held.filter(|(_, one)| one.replicas.contains(&id));
            let partitions = held.map(|(number, one)| PartitionSample {
                number: i32::try_from(number).unwrap(),
                is_leader: one.leader == id,
                size_bytes: one.size_bytes,
                log_end: one.log_end,
                high_watermark: one.log_end,
                counters: Some(one.counters.get(&id).copied().unwrap_or_default()),
            });
            let sample = BrokerSample {
                start_seconds: Some(1.0),
                uptime_ms: Some(now_ms),
                cpu_seconds: Some(self.cpu_seconds.get(&id).copied().unwrap_or(0.0)),
                disk_total_bytes: Some(disk_bytes),
                disk_usable_bytes: Some(disk_bytes / 2.0),
                topics: vec![TopicSample {
                    name: "orders".into(),
                    counters: None,
                    partitions: partitions.collect(),
                }],
                ..BrokerSample::default()
            };
            self.model.take(id, now_ms, &sample);
        }
    }

    fn look(&mut self) {
        let looks = &mut self.looks;
        let oldest = u64::try_from(looks.now_ms).unwrap().saturating_sub(15_000);
        let found = measure::measured(&looks.cluster, &looks.observed, &self.model, oldest);
        let Ok(measured) = found else {
            return;
        };
        looks.measured = measured;
        let acted = looks.look().act;
        looks.complete(20);
        if let Some(Act::Create(scope)) = acted {
            self.carry_out(scope);
        }
    }

    /// Plans and moves, by the same functions as the operator.
    fn carry_out(&mut self, scope: RebalanceScope) {
        let mut resource = rebalance::balance(&self.looks.cluster, scope);
        resource.metadata.uid = Some("uid-balance".to_owned());
        let rebalance = validate(&resource).unwrap();
        assert!(rebalance.is_approved(), "nobody need approve it");
        let key = |number: usize| PartitionKey {
            topic: "orders".to_owned(),
            number: i32::try_from(number).unwrap(),
        };
        let placed = self.partitions.iter().enumerate().map(|(number, one)| {
            let placed = Placed {
                replicas: one.replicas.clone(),
                in_sync: one.replicas.clone(),
                leader: Some(one.leader),
            };
            (key(number), placed)
        });
        let snapshot = Snapshot {
            cluster: Survey {
                brokers: (0..3).map(|id| (id, None)).collect(),
                partitions: placed.collect(),
            },
            moving: BTreeMap::new(),
        };
        let load = LoadView::of(&self.model, Some(2.0), true).unwrap();
        let proposal = propose(&rebalance, &snapshot, &load, &BTreeSet::new());
        assert_eq!(proposal.failed, None);
        self.changes += proposal.changes.len();
        for change in &proposal.changes {
            let at = usize::try_from(change.key.number).unwrap();
            let one = &mut self.partitions[at];
            one.replicas.clone_from(&change.to);
            one.leader = change.leader.unwrap_or(change.to[0]);
        }
        let under_way = self.looks.observed.rebalances.iter();
        assert!(
            under_way
                .clone()
                .all(|one| one.phase != Some(RebalancePhase::Failed))
        );
    }
}
