//! What the decisions need to know of the cluster's configuration.

use kintsugi_types::TopicId;

use crate::image::Image;
use crate::record::PartitionState;
use crate::topics::config;

/// The cluster's defaults, by Kafka's names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClusterSettings {
    /// `num.partitions`: of a topic whose creator names none.
    pub num_partitions: i32,
    /// `default.replication.factor`: of a topic whose creator names none.
    pub default_replication_factor: i16,
    /// `min.insync.replicas`: of a topic that does not set its own.
    pub min_insync_replicas: i32,
}

impl Default for ClusterSettings {
    /// Three copies of which two must acknowledge: the fewest that survive the loss of one broker
    /// without losing either data or the ability to write.
    fn default() -> Self {
        Self {
            num_partitions: 1,
            default_replication_factor: 3,
            min_insync_replicas: 2,
        }
    }
}

impl ClusterSettings {
    /// How many replicas of this partition have to be in sync before an acks=all write is
    /// acknowledged: the topic's `min.insync.replicas` or the cluster's, but never more than
    /// there are replicas (KIP-966's effective minimum), and at least one.
    #[must_use]
    pub fn min_isr(&self, image: &Image, topic: TopicId, state: &PartitionState) -> usize {
        let own = image
            .topics
            .get(&topic)
            .and_then(|topic| topic.configs.get(config::MIN_INSYNC_REPLICAS))
            .and_then(|value| value.parse::<i32>().ok());
        let asked = own.unwrap_or(self.min_insync_replicas);
        let asked = usize::try_from(asked).unwrap_or(1);
        asked.clamp(1, state.replicas_in_force().max(1))
    }
}
