//! Names that a checkpoint of recovery points may still hold from a log that is gone.

use std::collections::BTreeSet;

use kintsugi_types::{PartitionIndex, TopicName};

/// How many names are remembered; beyond that every name counts as stale.
const NAMES_MAX: usize = 100_000;

/// Names of logs that were dropped. One that is made anew under such a name must not believe the
/// checkpoint until this shard is opened again.
#[derive(Debug)]
pub(super) struct StaleNames {
    names: BTreeSet<(TopicName, PartitionIndex)>,
    has_forgotten: bool,
}

impl StaleNames {
    pub fn new(names: BTreeSet<(TopicName, PartitionIndex)>) -> Self {
        Self {
            names,
            has_forgotten: false,
        }
    }

    pub fn insert(&mut self, topic: &TopicName, index: PartitionIndex) {
        if self.names.len() >= NAMES_MAX {
            self.has_forgotten = true;
        } else {
            self.names.insert((topic.clone(), index));
        }
    }

    pub fn contains(&self, topic: &TopicName, index: PartitionIndex) -> bool {
        self.has_forgotten || self.names.contains(&(topic.clone(), index))
    }
}
