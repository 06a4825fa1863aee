//! The same metadata offset is the same metadata, on every controller and broker, however it came
//! there: entry by entry, by deltas or by a snapshot.
//!
//! Source: Raft's State Machine Safety (§5.4.3), carried on to the brokers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kintsugi_metadata::{Image, RecoveryState};
use kintsugi_types::{BrokerId, Incarnation, LeaderEpoch, MetadataOffset, PartitionId};

use crate::place::{Node, machine_of};

/// How many offsets back images are kept.
const KEPT: usize = 4_000;

/// The first image seen of each offset.
#[derive(Default)]
pub(crate) struct Images {
    seen: BTreeMap<MetadataOffset, (Node, Arc<Image>)>,
    last: BTreeMap<Node, MetadataOffset>,
    pub(crate) elections: Elections,
    violation: Option<String>,
}

/// The metadata says that a broker has everything that is committed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub(super) partition: PartitionId,
    pub(super) leader_epoch: LeaderEpoch,
    pub(super) incarnation: Incarnation,
    pub(super) machine: usize,
    /// By what.
    pub(super) set: &'static str,
}

/// Who joined an ISR, and who stayed in an ELR though it was started anew.
fn claims_of(before: &Image, after: &Image) -> Vec<Claim> {
    let mut claims = Vec::new();
    for (partition, state) in after.partitions() {
        let Some(old) = before.partition(partition) else {
            continue;
        };
        let mut claim = |id: BrokerId, set| {
            if let Some(broker) = after.brokers.get(&id) {
                claims.push(Claim {
                    partition,
                    leader_epoch: state.leader_epoch,
                    incarnation: broker.registration.incarnation,
                    machine: machine_of(after, id),
                    set,
                });
            }
        };
        for id in &state.isr {
            if !old.isr.contains(id) && state.leader != Some(*id) {
                claim(*id, "ISR");
            }
        }
        for id in &state.elr {
            let epoch = |image: &Image| image.brokers.get(id).map(|broker| broker.epoch);
            if epoch(before) != epoch(after) {
                claim(*id, "ELR");
            }
        }
    }
    claims
}

/// What the metadata tells of leaders, counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Elections {
    pub(crate) from_elr: u64,
    pub(crate) by_log_ends: u64,
    /// Registrations that took the place of one that was not fenced.
    pub(crate) replacements: u64,
}

impl Elections {
    fn count(&mut self, before: &Image, after: &Image) {
        for (id, state) in after.partitions() {
            let Some(old) = before.partition(id) else {
                continue;
            };
            let is_new = state.leader_epoch > old.leader_epoch;
            let Some(leader) = state.leader.filter(|_| is_new) else {
                continue;
            };
            let is_recovering = state.recovery == RecoveryState::Recovering;
            if !old.isr.contains(&leader) && old.elr.contains(&leader) {
                self.from_elr += 1;
            } else if is_recovering && old.isr.is_empty() && old.elr.is_empty() {
                self.by_log_ends += 1;
            }
        }
        for (id, broker) in &after.brokers {
            let old = before.brokers.get(id);
            let is_replaced = old.is_some_and(|old| {
                !old.fenced && old.registration.incarnation != broker.registration.incarnation
            });
            self.replacements += u64::from(is_replaced);
        }
    }
}

impl Images {
    /// Takes an image over; gives what it claims first of brokers. Only the newest metadata claims
    /// something of the present: what somebody reads late, after others went on, may be over.
    pub(super) fn observe(&mut self, node: Node, image: &Arc<Image>) -> Vec<Claim> {
        if self.last.insert(node, image.offset) == Some(image.offset) {
            return Vec::new();
        }
        let mut claims = Vec::new();
        if !self.seen.contains_key(&image.offset) {
            let before = self.seen.range(..image.offset).next_back();
            if let Some((offset, (_, before))) = before
                && offset.next() == image.offset
            {
                self.elections.count(before, image);
                let is_newest = self.newest().is_none_or(|held| held.offset < image.offset);
                if is_newest {
                    claims = claims_of(before, image);
                }
            }
        }
        let new = || (node, Arc::clone(image));
        let (first, seen) = self.seen.entry(image.offset).or_insert_with(new);
        if seen != image {
            let what = format!(
                "metadata at offset {} is not the same on {first:?} and {node:?}: {}",
                image.offset,
                difference(&format!("{seen:?}"), &format!("{image:?}"))
            );
            self.violation.get_or_insert(what);
        }
        if self.seen.len() > KEPT {
            self.seen.pop_first();
        }
        claims
    }

    /// If this epoch's leader was elected from outside ISR and ELR: the replicas that were live
    /// then, by the images on both sides of the election.
    pub(super) fn unclean_election(
        &self,
        partition: PartitionId,
        epoch: LeaderEpoch,
    ) -> Option<BTreeSet<usize>> {
        let (mut before, mut after, mut is_recovering) = (None, None, false);
        for (_, image) in self.seen.values().rev() {
            let Some(state) = image.partition(partition) else {
                break;
            };
            if state.leader_epoch < epoch {
                before = Some((image, state));
                break;
            }
            if state.leader_epoch == epoch {
                is_recovering |= state.recovery == RecoveryState::Recovering;
                after = Some((image, state));
            }
        }
        let (after, state) = after.filter(|_| is_recovering)?;
        let Some((before, old)) = before else {
            return Some(BTreeSet::new());
        };
        let was_sure = !old.isr.is_empty() || !old.elr.is_empty();
        if was_sure && before.offset.next() == after.offset {
            // The partition was recovering from an earlier one.
            return None;
        }
        let live_epoch = |image: &Image, broker: &BrokerId| {
            let known = image.brokers.get(broker);
            known.filter(|known| !known.fenced).map(|known| known.epoch)
        };
        let is_live = |broker: &&BrokerId| {
            let epoch = live_epoch(before, broker);
            epoch.is_some() && epoch == live_epoch(after, broker)
        };
        let live = state.replicas.iter().filter(is_live);
        Some(live.map(|id| machine_of(before, *id)).collect())
    }

    /// Adds a partition's states, each with the offset that it began at.
    pub(crate) fn with_history(&self, what: String, partition: PartitionId) -> String {
        let mut text = what;
        let mut last = None;
        for (offset, (_, image)) in &self.seen {
            let state = image.partition(partition);
            if let Some(now) = state
                && state != last
            {
                let ids = |ids: &[BrokerId]| ids.iter().map(|id| id.0).collect::<Vec<_>>();
                text += &format!(
                    "\n    @{offset} leader {:?} epoch {} ISR {:?} ELR {:?} last known {:?} of {:?}",
                    now.leader.map(|id| id.0),
                    now.leader_epoch,
                    ids(&now.isr),
                    ids(&now.elr),
                    now.last_known_leader.map(|id| id.0),
                    ids(&now.replicas)
                );
            }
            last = state;
        }
        text
    }

    pub(super) fn violation(&self) -> Option<&str> {
        self.violation.as_deref()
    }

    /// The newest metadata that anybody has.
    pub(crate) fn newest(&self) -> Option<&Arc<Image>> {
        self.seen.last_key_value().map(|(_, (_, image))| image)
    }
}

/// Where two texts part.
fn difference(first: &str, second: &str) -> String {
    let mut pairs = first.chars().zip(second.chars());
    let same = pairs.by_ref().take_while(|(a, b)| a == b).count();
    let around = |text: &str| {
        let from = same.saturating_sub(120);
        text.chars().skip(from).take(260).collect::<String>()
    };
    format!("{} | and | {}", around(first), around(second))
}
