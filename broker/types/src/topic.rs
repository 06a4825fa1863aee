//! Topics and partitions.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::id::integer_id;

/// A topic's id (KIP-516): never reused, so a topic deleted and created again is another topic.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TopicId(pub Uuid);

impl TopicId {
    /// Kafka's "no topic id": all zeros.
    pub const ZERO: Self = Self(Uuid::nil());
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

integer_id! {
    /// A partition's number within its topic, from zero.
    PartitionIndex(i32)
}

/// One partition of one topic.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct PartitionId {
    /// The topic.
    pub topic: TopicId,
    /// The partition's number within it.
    pub index: PartitionIndex,
}

impl PartitionId {
    /// Which of `shards` event loops owns this partition on a broker with that many.
    ///
    /// Every broker computes the same shard for the same count, so that a follower knows the
    /// shard of the leader that it has to ask.
    #[must_use]
    pub fn shard_of(self, shards: u16) -> u16 {
        let (high, low) = self.topic.0.as_u64_pair();
        let mut hash = high ^ low.rotate_left(32) ^ u64::from(self.index.0.cast_unsigned());
        // The finaliser of SplitMix64, so that neighbouring partitions spread over the shards.
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^= hash >> 31;
        u16::try_from(hash % u64::from(shards.max(1))).unwrap_or(0)
    }
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.index)
    }
}

/// A topic's name: 1 to 249 characters of `[a-zA-Z0-9._-]`, not `.` or `..` (Kafka's
/// `Topic.validate`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TopicName(Arc<str>);

impl TopicName {
    /// The longest topic name, in bytes.
    pub const LENGTH_MAX: usize = 249;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Failed to accept a topic name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "failed to accept topic name: it must have 1 to 249 characters of a-z, A-Z, 0-9, '.', '_' or '-', and not be '.' or '..'"
)]
pub struct InvalidTopicName;

impl FromStr for TopicName {
    type Err = InvalidTopicName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let length_is_legal = (1..=Self::LENGTH_MAX).contains(&text.len());
        if !length_is_legal || text == "." || text == ".." || !text.bytes().all(legal) {
            return Err(InvalidTopicName);
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for TopicName {
    type Error = InvalidTopicName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TopicName> for String {
    fn from(name: TopicName) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_name_with_a_slash_or_only_dots_is_refused() {
        for bad in ["", ".", "..", "a/b", "a b", "ä", &"x".repeat(250)] {
            assert_eq!(bad.parse::<TopicName>(), Err(InvalidTopicName), "{bad:?}");
        }
        for good in ["a", "a.b_c-D9", "...", &"x".repeat(249)] {
            assert!(good.parse::<TopicName>().is_ok(), "{good:?}");
        }
    }

    #[test]
    fn partitions_of_one_topic_spread_over_the_shards() {
        let topic = TopicId(Uuid::from_u128(7));
        let mut counts = [0_u32; 4];
        for index in 0..1_000 {
            let partition = PartitionId {
                topic,
                index: PartitionIndex(index),
            };
            counts[usize::from(partition.shard_of(4))] += 1;
        }
        assert!(
            counts.iter().all(|count| (200..300).contains(count)),
            "{counts:?}"
        );
    }
}
