//! What a broker asks of the active controller about moves of partitions.

use kintsugi_types::{BrokerId, PartitionIndex, TopicName};
use serde::{Deserialize, Serialize};

/// One partition to move, or whose move to cancel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PartitionMove {
    /// Its topic.
    pub topic: TopicName,
    /// Which of its partitions.
    pub partition: PartitionIndex,
    /// The replicas that it is to have, the preferred leader first; `None` cancels.
    pub target: Option<Vec<BrokerId>>,
}
