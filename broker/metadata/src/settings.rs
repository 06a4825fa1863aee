//! What the decisions need to know of the cluster's configuration.

use kintsugi_types::TopicId;

use crate::configs::topic::{MIN_INSYNC_REPLICAS, UNCLEAN_LEADER_ELECTION};
use crate::image::Image;
use crate::record::PartitionState;

/// The cluster's defaults, by Kafka's names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClusterSettings {
    /// `num.partitions`: of a topic whose creator names none.
    pub num_partitions: i32,
    /// `default.replication.factor`: of a topic whose creator names none.
    pub default_replication_factor: i16,
    /// `min.insync.replicas`: of a topic that does not set its own.
    pub min_insync_replicas: i32,
    /// `unclean.leader.election.enable`: of a topic that does not set its own.
    pub unclean_leader_election: bool,
}

impl Default for ClusterSettings {
    /// Three copies of which two must acknowledge: the fewest that survive the loss of one broker
    /// without losing either data or the ability to write.
    fn default() -> Self {
        Self {
            num_partitions: 1,
            default_replication_factor: 3,
            min_insync_replicas: 2,
            unclean_leader_election: false,
        }
    }
}

impl ClusterSettings {
    /// How many replicas of this partition have to be in sync before an acks=all write is
    /// acknowledged: `min.insync.replicas` of the topic, as set for all brokers while they run, or
    /// as the controllers were started with, but never more than
    /// there are replicas (KIP-966's effective minimum), and at least one.
    #[must_use]
    pub fn min_isr(&self, image: &Image, topic: TopicId, state: &PartitionState) -> usize {
        let set = set_value(image, topic, MIN_INSYNC_REPLICAS);
        let set = set.and_then(|value| value.parse::<i32>().ok());
        let asked = set.unwrap_or(self.min_insync_replicas);
        let asked = usize::try_from(asked).unwrap_or(1);
        asked.clamp(1, state.replicas_in_force().max(1))
    }

    /// Whether a live replica of this topic that may lack committed records is elected where no
    /// other can lead (`unclean.leader.election.enable`).
    #[must_use]
    pub fn allows_unclean_election(&self, image: &Image, topic: TopicId) -> bool {
        let set = set_value(image, topic, UNCLEAN_LEADER_ELECTION);
        set.map_or(self.unclean_leader_election, |value| {
            value.eq_ignore_ascii_case("true")
        })
    }
}

/// What a topic, or the whole cluster, was set to while it runs.
fn set_value<'a>(image: &'a Image, topic: TopicId, name: &str) -> Option<&'a str> {
    let own = image.topics.get(&topic)?.configs.get(name);
    let shared = || image.dynamic_configs.all_brokers.get(name);
    own.or_else(shared).map(String::as_str)
}
