//! Random histories of one partition: cuts, kills, elections, ISR changes, late metadata. What was
//! acknowledged must be in every later leader's log, and what an idempotent producer sent must be
//! there once and in its order.

use bytes::Bytes;
use kintsugi_metadata::MetadataRecord;
use kintsugi_replica::bugs::Bugs;
use kintsugi_types::{BrokerEpoch, BrokerId, ErrorCode, Time};
use kintsugi_wire::batch;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::harness::{Cluster, PARTITION, numbered, open_with, registration, state};
use crate::message::link::IsrChange;
use crate::message::shard::{Acks, Command, Event};

const STEPS: usize = 120;

/// A cluster with a controller that knows one partition.
struct History {
    cluster: Cluster,
    rng: fastrand::Rng,
    bugs: Bugs,
    leader: usize,
    epoch: i32,
    partition_epoch: i32,
    isr: Vec<usize>,
    broker_epochs: [i64; 3],
    dead: [bool; 3],
    last_token: u64,
    /// Values that were acknowledged with acks=all.
    acknowledged: Vec<String>,
    /// The records below the largest high watermark that any leader reached.
    committed: Vec<Bytes>,
    idempotent: Idempotent,
    /// How many kinds of steps there are: the last ones are those of the idempotent producer.
    kinds: u32,
}

const KINDS: u32 = 12;
const KINDS_WITH_NUMBERS: u32 = 15;

/// A producer that numbers its batches and sends each until it is acknowledged, with at most five
/// of them under way.
#[derive(Default)]
struct Idempotent {
    next: i32,
    unacknowledged: Vec<i32>,
    tokens: BTreeMap<u64, i32>,
}

impl History {
    fn new(seed: u64, bugs: Bugs) -> Self {
        let mut cluster = Cluster::with_bugs(bugs);
        cluster.create_topic();
        Self {
            cluster,
            rng: fastrand::Rng::with_seed(seed),
            bugs,
            leader: 0,
            epoch: 1,
            partition_epoch: 1,
            isr: vec![0, 1, 2],
            broker_epochs: [100, 101, 102],
            dead: [false; 3],
            last_token: 0,
            acknowledged: Vec::new(),
            committed: Vec::new(),
            idempotent: Idempotent::default(),
            kinds: KINDS,
        }
    }

    fn step(&mut self) -> Result<(), String> {
        let some = self.rng.usize(0..3);
        match self.rng.u32(0..self.kinds) {
            0..=3 => self.produce(self.leader),
            // A client that knows an old leader.
            4 => self.produce(some),
            5 => {
                self.cluster.cut_off.insert(some);
            }
            6 => self.cluster.cut_off.clear(),
            7 => self.cluster.pass(self.rng.u64(1..2_000)),
            8 => self.cluster.pass(6_000),
            9 => self.kill(some),
            10 => self.revive(some),
            11 => self.elect(),
            12 => self.send_numbered(some),
            _ => self.send_numbered(self.leader),
        }
        self.decide_isr();
        self.observe()
    }

    fn produce(&mut self, at: usize) {
        self.last_token += 1;
        let token = self.last_token;
        let acks = if self.rng.bool() {
            Acks::All
        } else {
            Acks::Leader
        };
        if !self.dead[at] {
            self.cluster.produce(at, token, acks, &token.to_string());
        }
    }

    /// Sends everything that is not acknowledged, the oldest first, and something new.
    fn send_numbered(&mut self, at: usize) {
        if self.dead[at] {
            return;
        }
        let own = &mut self.idempotent;
        let oldest = own.unacknowledged.first().copied().unwrap_or(own.next);
        if own.next < oldest + 5 {
            own.unacknowledged.push(own.next);
            own.next += 1;
        }
        for sequence in own.unacknowledged.clone() {
            self.last_token += 1;
            let token = self.last_token;
            self.idempotent.tokens.insert(token, sequence);
            let batch = numbered(0, sequence, &format!("number {sequence}"));
            self.cluster.produce_batch(at, token, Acks::All, batch);
        }
    }

    fn kill(&mut self, id: usize) {
        if self.dead[id] || self.dead.iter().any(|dead| *dead) {
            return;
        }
        self.dead[id] = true;
        self.cluster.brokers[id].shard = None;
        self.cluster.brokers[id].fs.crash_process();
        self.cluster.drop_fetches(id);
        self.fence(id);
    }

    fn revive(&mut self, id: usize) {
        if !self.dead[id] {
            return;
        }
        self.dead[id] = false;
        let fs = self.cluster.brokers[id].fs.clone();
        let shard = open_with(&fs, id, &crate::directory::LastRun::default(), self.bugs);
        self.cluster.brokers[id].shard = Some(shard);
        self.broker_epochs[id] += 10;
        let epoch = BrokerEpoch(self.broker_epochs[id]);
        self.publish(vec![MetadataRecord::BrokerRestored {
            registration: Arc::new(registration(i32::try_from(id).unwrap())),
            epoch,
            fenced: false,
            stopping: false,
        }]);
        self.cluster.push_image(None, &[id]);
        let until = Time::from_millis(3_600_000_000);
        self.cluster.send(id, Event::ExtendLease { until });
    }

    /// Takes a broker out of the ISR, and the leadership from it, if another can lead.
    fn fence(&mut self, id: usize) {
        let rest: Vec<usize> = self.isr.iter().copied().filter(|m| *m != id).collect();
        let live = rest.iter().copied().find(|member| !self.dead[*member]);
        if let Some(next) = live {
            self.isr = rest;
            if self.leader == id {
                self.leader = next;
                self.epoch += 1;
            }
            self.publish_state();
        }
    }

    fn elect(&mut self) {
        let candidates: Vec<usize> = self
            .isr
            .iter()
            .copied()
            .filter(|m| !self.dead[*m])
            .collect();
        if let Some(next) = self.rng.choice(&candidates) {
            self.leader = *next;
            self.epoch += 1;
            self.publish_state();
        }
    }

    fn publish_state(&mut self) {
        self.partition_epoch += 1;
        let isr: Vec<i32> = self
            .isr
            .iter()
            .map(|m| i32::try_from(*m).unwrap())
            .collect();
        let leader = i32::try_from(self.leader).unwrap();
        self.publish(vec![state(leader, self.epoch, self.partition_epoch, &isr)]);
    }

    /// Some brokers hear of it later: with the next image that reaches them.
    fn publish(&mut self, records: Vec<MetadataRecord>) {
        let hears = |id: &usize| !self.dead[*id];
        let live: Vec<usize> = (0..3).filter(hears).collect();
        let (now, late): (Vec<_>, Vec<_>) = live.iter().partition(|_| self.rng.u8(0..4) > 0);
        self.cluster.publish_to(records, &[]);
        self.cluster.push_image(None, &now);
        if self.rng.bool() {
            self.cluster.push_image(None, &late);
        }
    }

    fn decide_isr(&mut self) {
        for id in 0..3 {
            for change in self.cluster.isr_changes(id) {
                // A request or its answer may be lost.
                let lost = self.rng.u8(0..8);
                let error = match lost {
                    0 => ErrorCode::RequestTimedOut,
                    _ => self.decide(id, &change),
                };
                let error = if lost == 1 {
                    ErrorCode::RequestTimedOut
                } else {
                    error
                };
                let results = vec![(PARTITION, error)];
                if !self.dead[id] {
                    self.cluster
                        .send(id, Event::AlterPartitionAnswered { results });
                }
            }
        }
    }

    fn decide(&mut self, sender: usize, change: &IsrChange) -> ErrorCode {
        if sender != self.leader || change.leader_epoch.0 != self.epoch {
            return ErrorCode::FencedLeaderEpoch;
        }
        if change.partition_epoch.0 != self.partition_epoch {
            return ErrorCode::RequestTimedOut;
        }
        let index = |id: &BrokerId| usize::try_from(id.0).unwrap();
        let mut members = change.isr.iter();
        let is_eligible = |(id, epoch): (&BrokerId, &BrokerEpoch)| {
            !self.dead[index(id)] && epoch.0 == self.broker_epochs[index(id)]
        };
        if !members.all(is_eligible) {
            return ErrorCode::IneligibleReplica;
        }
        self.isr = change.isr.keys().map(index).collect();
        self.publish_state();
        ErrorCode::None
    }

    /// Notes acknowledgements, and compares the leader's log with what was committed before.
    fn observe(&mut self) -> Result<(), String> {
        for id in 0..3 {
            for command in std::mem::take(&mut self.cluster.brokers[id].commands) {
                match command {
                    Command::AnswerProduce { token, results } => {
                        let result = &results[0];
                        let is_all = self.cluster.acks_all.contains(&token.0);
                        if is_all && result.error.is_none() {
                            let own = &mut self.idempotent;
                            let sequence = own.tokens.get(&token.0);
                            own.unacknowledged.retain(|n| Some(n) != sequence);
                            self.acknowledged.push(match sequence {
                                Some(sequence) => format!("number {sequence}"),
                                None => token.0.to_string(),
                            });
                        }
                    }
                    Command::Fatal { reason } => return Err(format!("broker {id}: {reason}")),
                    _ => {}
                }
            }
        }
        for broker in &mut self.cluster.brokers {
            if let Some(shard) = &mut broker.shard {
                shard.check_unwatched(self.cluster.now)?;
            }
        }
        let leader = self.leader;
        if self.dead[leader] || !self.cluster.leads(leader, self.epoch) {
            return Ok(());
        }
        let records = split(&self.cluster.log(leader));
        let high_watermark = usize::try_from(self.cluster.high_watermark(leader)).unwrap();
        let known = self.committed.len().min(records.len());
        if records[..known] != self.committed[..known] || known < self.committed.len() {
            return Err(format!("leader {leader} lacks committed records"));
        }
        if high_watermark > self.committed.len() {
            self.committed = records[..high_watermark].to_vec();
        }
        Ok(())
    }

    fn heal(&mut self) -> Result<(), String> {
        self.cluster.cut_off.clear();
        for id in 0..3 {
            self.revive(id);
        }
        for _ in 0..8 {
            self.cluster.push_image(None, &[0, 1, 2]);
            if self.kinds == KINDS_WITH_NUMBERS {
                self.send_numbered(self.leader);
            }
            self.cluster.pass(2_500);
            self.decide_isr();
            self.observe()?;
        }
        let logs = [0, 1, 2].map(|id| self.cluster.log(id));
        if logs[0] != logs[1] || logs[0] != logs[2] {
            return Err("logs differ after healing".to_owned());
        }
        if self.isr.len() != 3 {
            return Err(format!("the ISR is {:?} after healing", self.isr));
        }
        let records = split(&logs[0]);
        self.check_numbered(&records)?;
        for value in &self.acknowledged {
            let value = value.as_bytes();
            let has_value = |record: &Bytes| record_value(record) == value;
            if !records.iter().any(has_value) {
                let value = String::from_utf8_lossy(value);
                return Err(format!("acknowledged record {value} is lost"));
            }
        }
        Ok(())
    }
}

impl History {
    /// Every number once and in order, and none that could not be acknowledged.
    fn check_numbered(&self, records: &[Bytes]) -> Result<(), String> {
        let values = records.iter().map(record_value);
        let text = values.map(|value| String::from_utf8_lossy(&value).into_owned());
        let found: Vec<String> = text.filter(|t| t.starts_with("number ")).collect();
        let own = &self.idempotent;
        let expected: Vec<String> = (0..own.next).map(|n| format!("number {n}")).collect();
        if found != expected || !own.unacknowledged.is_empty() {
            let left = &own.unacknowledged;
            return Err(format!("{} numbers: {found:?}, left: {left:?}", own.next));
        }
        Ok(())
    }
}

fn split(bytes: &Bytes) -> Vec<Bytes> {
    batch::split(bytes.clone())
        .map(|item| item.unwrap().1)
        .collect()
}

fn record_value(bytes: &Bytes) -> Bytes {
    let mut records = kintsugi_wire::records::read(bytes).unwrap();
    records.next().unwrap().unwrap().record.value.unwrap()
}

fn run(seed: u64, bugs: Bugs) -> Result<usize, String> {
    run_kinds(seed, bugs, KINDS)
}

fn run_kinds(seed: u64, bugs: Bugs, kinds: u32) -> Result<usize, String> {
    let mut history = History::new(seed, bugs);
    history.kinds = kinds;
    for _ in 0..STEPS {
        history.step()?;
    }
    history.heal()?;
    Ok(history.acknowledged.len())
}

#[test]
fn no_acknowledged_record_is_lost_in_any_history() {
    let mut acknowledged = 0;
    for seed in 0..SEEDS {
        match run(seed, Bugs::default()) {
            Ok(count) => acknowledged += count,
            Err(what) => panic!("seed {seed}: {what}"),
        }
    }
    assert!(
        acknowledged > 5 * SEEDS as usize,
        "only {acknowledged} acknowledged"
    );
}

const SEEDS: u64 = 150;

#[test]
fn what_an_idempotent_producer_sent_is_there_once_and_in_order_after_any_history() {
    for seed in 0..SEEDS {
        if let Err(what) = run_kinds(seed, Bugs::default(), KINDS_WITH_NUMBERS) {
            panic!("seed {seed}: {what}");
        }
    }
}

#[test]
fn a_broker_that_acknowledges_too_early_is_found_out() {
    let bugs = Bugs {
        acknowledge_before_isr: true,
        ..Bugs::default()
    };
    assert!((0..10 * SEEDS).any(|seed| run(seed, bugs).is_err()));
}

#[test]
fn a_broker_that_truncates_to_the_high_watermark_is_found_out() {
    let bugs = Bugs {
        truncate_to_high_watermark: true,
        ..Bugs::default()
    };
    assert!((0..10 * SEEDS).any(|seed| run(seed, bugs).is_err()));
}
