//! Settings and limits.

use std::time::Duration;

/// The settings of a coordinator, by Kafka's names where Kafka has one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CoordinatorConfig {
    /// `group.initial.rebalance.delay.ms`: how long a new group waits for more members.
    pub initial_rebalance_delay: Duration,
    /// `group.min.session.timeout.ms`.
    pub session_timeout_min: Duration,
    /// `group.max.session.timeout.ms`.
    pub session_timeout_max: Duration,
    /// `group.max.size`: the most members of a group.
    pub members_max: usize,
    /// `offset.metadata.max.bytes`: the most text that a commit may attach to an offset.
    pub offset_metadata_max_bytes: usize,
    /// `offsets.retention.minutes`: how long offsets stay that no group with members has a use for.
    pub offsets_retention: Duration,
    /// `offsets.retention.check.interval.ms`: how often such offsets are looked for.
    pub offsets_check: Duration,
    /// The most groups of one partition. A join or commit for one more is refused.
    pub groups_max: usize,
    /// The most partitions that a group may have offsets of.
    pub offsets_max: usize,
    /// The most bytes of subscriptions (over all its protocols) or of assignment of one member.
    pub member_bytes_max: usize,
    /// The most appends that await their commit. Requests that would need one more are told to
    /// come again.
    pub appends_max: usize,
}

impl Default for CoordinatorConfig {
    /// Kafka's defaults. Where Kafka has no limit: 1,000 members, 10,000 groups, 100,000 offsets
    /// a group, 256 KiB a member (a subscription to 1,000 topics takes about 30 KiB; the record of
    /// the whole group must fit `message.max.bytes` anyway), 1,000 appends.
    fn default() -> Self {
        Self {
            initial_rebalance_delay: Duration::from_secs(3),
            session_timeout_min: Duration::from_secs(6),
            session_timeout_max: Duration::from_secs(30 * 60),
            members_max: 1_000,
            offset_metadata_max_bytes: 4_096,
            offsets_retention: Duration::from_secs(7 * 24 * 3_600),
            offsets_check: Duration::from_secs(600),
            groups_max: 10_000,
            offsets_max: 100_000,
            member_bytes_max: 256 * 1024,
            appends_max: 1_000,
        }
    }
}

/// The longest name of a group, member, instance, client or protocol, in bytes.
pub(crate) const NAME_MAX_BYTES: usize = 1_024;

/// The most protocols (assignors) that a member may offer.
pub(crate) const PROTOCOLS_MAX: usize = 100;

/// The shortest time that members get to join again, whatever they ask for: with less a group
/// would go from one generation to the next without end.
pub(crate) const REBALANCE_TIMEOUT_MIN: Duration = Duration::from_secs(1);
