//! The same metadata offset is the same metadata, on every controller and broker, however it came
//! there: entry by entry, by deltas or by a snapshot.
//!
//! Source: Raft's State Machine Safety (§5.4.3), carried on to the brokers.

use std::collections::BTreeMap;
use std::sync::Arc;

use kintsugi_metadata::{Image, RecoveryState};
use kintsugi_types::{BrokerId, LeaderEpoch, MetadataOffset, PartitionId, TopicId};

use crate::place::Node;

/// How many offsets back images are kept.
const KEPT: usize = 4_000;

/// The first image seen of each offset.
#[derive(Default)]
pub(crate) struct Images {
    seen: BTreeMap<MetadataOffset, (Node, Arc<Image>)>,
    last: BTreeMap<Node, MetadataOffset>,
    violation: Option<String>,
}

impl Images {
    pub(crate) fn observe(&mut self, node: Node, image: &Arc<Image>) {
        if self.last.insert(node, image.offset) == Some(image.offset) {
            return;
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
    }

    /// Whether this epoch's leader was elected from outside ISR and ELR.
    pub(super) fn is_lossy(&self, partition: PartitionId, epoch: LeaderEpoch) -> bool {
        let states = self.seen.values().rev();
        let mut states = states.filter_map(|(_, image)| image.partition(partition));
        states
            .by_ref()
            .take_while(|state| state.leader_epoch >= epoch)
            .any(|state| state.leader_epoch == epoch && state.recovery == RecoveryState::Recovering)
    }

    /// Adds a partition's states, each with the offset that it began at.
    pub(super) fn with_history(&self, what: String, partition: PartitionId) -> String {
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

    /// The ids of all topics by name.
    pub(super) fn topics(&self) -> BTreeMap<String, TopicId> {
        let names = self.newest().map(|image| image.names.iter());
        let names = names.into_iter().flatten();
        names
            .map(|(name, id)| (name.as_str().to_owned(), *id))
            .collect()
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
