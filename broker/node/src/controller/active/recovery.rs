//! Partitions of which nobody is known to hold everything: their replicas are asked what they
//! hold, and a leader is elected by their answers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kintsugi_metadata::decision::unclean_recovery::{Evidence, ReplicaLogEnd, is_needed};
use kintsugi_metadata::{Image, PartitionState};
use kintsugi_types::{BrokerEpoch, BrokerId, LeaderEpoch, PartitionId, Time};

use super::Active;
use crate::controller::config::ControllerConfig;
use crate::controller::link::Links;
use crate::controller::request::Request;
use crate::message::controller::{Command, LinkId};
use crate::message::link::{LOG_ENDS_MAX, LogEnd, ToBroker};

/// How often such partitions are looked for.
const SCAN_INTERVAL: Duration = Duration::from_secs(1);
/// How often while there are some: replicas that have not answered are asked again.
const ASK_INTERVAL: Duration = Duration::from_millis(250);

/// For how long an election that was asked for is tried.
const WISH_LASTS: Duration = Duration::from_secs(30);
/// The most partitions whose elections are tried at once because they were asked for.
const WISHES_MAX: usize = 100_000;

/// What is known of the partitions that wait. Another active controller asks anew.
#[derive(Debug)]
pub(super) struct Recoveries {
    waiting: BTreeMap<PartitionId, Waiting>,
    /// Partitions for which somebody asked for an unclean election, until when it is tried.
    wishes: BTreeMap<PartitionId, Time>,
    pub(super) next_scan: Time,
}

#[derive(Debug)]
struct Waiting {
    since: Time,
    evidence: Evidence,
}

impl Recoveries {
    pub(super) const fn new(now: Time) -> Self {
        Self {
            waiting: BTreeMap::new(),
            wishes: BTreeMap::new(),
            next_scan: now,
        }
    }

    /// Forgets partitions that wait no more, and notes those that do now.
    fn refresh(&mut self, now: Time, config: &ControllerConfig, image: &Image) {
        self.wishes.retain(|_, until| now < *until);
        let wishes: BTreeSet<PartitionId> = self.wishes.keys().copied().collect();
        let may_lose = |partition: PartitionId| {
            let settings = &config.settings;
            wishes.contains(&partition) || settings.allows_unclean_election(image, partition.topic)
        };
        let waits = |partition: PartitionId, state: &PartitionState| {
            state.leader.is_none() && (is_needed(state) || may_lose(partition))
        };
        self.waiting.retain(|partition, _| {
            let state = image.partition(*partition);
            state.is_some_and(|state| waits(*partition, state))
        });
        for (partition, state) in image.partitions() {
            if waits(partition, state) {
                let may_lose = may_lose(partition);
                let waiting = self.waiting.entry(partition).or_insert_with(|| Waiting {
                    since: now,
                    evidence: Evidence::default(),
                });
                waiting.evidence.may_lose = may_lose;
                waiting.evidence.is_wait_over =
                    may_lose || now >= waiting.since + config.last_known_leader_wait;
            }
        }
    }

    /// What those partitions have that can be decided.
    fn decidable(&self, image: &Image) -> BTreeMap<PartitionId, Evidence> {
        let can_be = |(id, waiting): &(&PartitionId, &Waiting)| {
            let state = image.partition(**id);
            state.is_some_and(|state| waiting.evidence.best(image, state).is_some())
        };
        let waiting = self.waiting.iter().filter(can_be);
        waiting
            .map(|(id, waiting)| (*id, waiting.evidence.clone()))
            .collect()
    }

    /// Asks live replicas that have not answered.
    fn ask(&self, image: &Image, links: &Links, out: &mut Vec<Command>) {
        let mut asked: BTreeMap<LinkId, Vec<(PartitionId, LeaderEpoch)>> = BTreeMap::new();
        for (partition, waiting) in &self.waiting {
            let Some(state) = image.partition(*partition) else {
                continue;
            };
            let live = state.replicas.iter().filter(|b| image.is_unfenced(**b));
            for broker in live.filter(|b| !waiting.evidence.has_answer(image, state, **b)) {
                if let Some(link) = links.of_broker(*broker) {
                    let partitions = asked.entry(link).or_default();
                    if partitions.len() < LOG_ENDS_MAX {
                        partitions.push((*partition, state.leader_epoch));
                    }
                }
            }
        }
        for (link, partitions) in asked {
            let message = ToBroker::AskLogEnds { partitions };
            out.push(Command::ToBroker { link, message });
        }
    }

    /// Notes a broker's answers about partitions that wait; tells whether there were any.
    fn answered(
        &mut self,
        image: &Image,
        (broker, broker_epoch): (BrokerId, BrokerEpoch),
        ends: &[LogEnd],
    ) -> bool {
        let mut is_new = false;
        for end in ends {
            let is_replica = image
                .partition(end.partition)
                .is_some_and(|state| state.replicas.contains(&broker));
            let waiting = self.waiting.get_mut(&end.partition);
            if let Some(waiting) = waiting.filter(|_| is_replica) {
                let answer = ReplicaLogEnd {
                    broker_epoch,
                    leader_epoch: end.leader_epoch,
                    last_epoch: end.last_epoch,
                    log_end: end.log_end,
                };
                let before = waiting.evidence.answers.insert(broker, answer);
                is_new |= before != Some(answer);
            }
        }
        is_new
    }
}

impl Active {
    /// Looks for partitions that need it, and asks their replicas.
    pub(super) fn recover(
        &mut self,
        now: Time,
        config: &ControllerConfig,
        image: &Image,
        out: &mut Vec<Command>,
    ) {
        let recoveries = &mut self.recoveries;
        recoveries.refresh(now, config, image);
        let interval = if recoveries.waiting.is_empty() {
            SCAN_INTERVAL
        } else {
            ASK_INTERVAL
        };
        recoveries.next_scan = now + interval;
        recoveries.ask(image, &self.links, out);
        self.decide_recoveries(image);
    }

    /// Somebody asks for unclean elections of these partitions: looks for them at once.
    pub(super) fn wish(&mut self, now: Time, partitions: impl Iterator<Item = PartitionId>) {
        let wishes = &mut self.recoveries.wishes;
        for partition in partitions {
            if wishes.len() < WISHES_MAX || wishes.contains_key(&partition) {
                wishes.insert(partition, now + WISH_LASTS);
            }
        }
        self.recoveries.next_scan = now;
    }

    /// Has decided what can be, one request at a time.
    fn decide_recoveries(&mut self, image: &Image) {
        let is_recovery = |request: &Request| matches!(request, Request::Recover(_));
        let mut in_flight = self.in_flight.iter().flat_map(|f| &f.requests);
        if in_flight.any(is_recovery) || self.queue.has_recovery() {
            return;
        }
        let decidable = self.recoveries.decidable(image);
        if !decidable.is_empty() {
            self.queue.push(Request::Recover(decidable));
        }
    }

    /// A broker told where its logs end; what can be decided by that is decided at once.
    pub(super) fn log_ends(
        &mut self,
        image: &Image,
        broker: (BrokerId, BrokerEpoch),
        ends: &[LogEnd],
    ) {
        if self.recoveries.answered(image, broker, ends) {
            self.decide_recoveries(image);
        }
    }
}
