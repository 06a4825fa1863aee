//! The broker settings that can be changed while brokers run: of one broker, or of all. Every one
//! here is obeyed by running brokers (or by the controllers); any other is refused.

use super::kind::ConfigKind;
use super::topic::{MIN_INSYNC_REPLICAS, UNCLEAN_LEADER_ELECTION};

/// Bytes a second that a leader sends to throttled replicas.
pub const LEADER_THROTTLED_RATE: &str = "leader.replication.throttled.rate";
/// Bytes a second that a follower fetches of throttled replicas.
pub const FOLLOWER_THROTTLED_RATE: &str = "follower.replication.throttled.rate";
/// Log directories that take no new replicas (KIP-1066). A broker here has one, so that `*` means
/// the broker: it goes on serving what it holds, and is given nothing more.
pub const CORDONED_LOG_DIRS: &str = "cordoned.log.dirs";
/// How many connections of clients a broker keeps.
pub const MAX_CONNECTIONS: &str = "max.connections";

/// The rate of moves between a broker's directories, of which ours have one: nobody can set it, but
/// Kafka's reassignment tool takes it away together with the rates above.
pub const ALTER_LOG_DIRS_RATE: &str = "replica.alter.log.dirs.io.max.bytes.per.second";

/// Whose value may be changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// One broker's, or all brokers' (Kafka's per-broker update mode).
    EachBroker,
    /// Only all brokers': the controllers decide by it.
    WholeCluster,
}

/// One setting of brokers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BrokerConfig {
    /// Its name in Kafka.
    pub name: &'static str,
    /// What it takes.
    pub kind: ConfigKind,
    /// Whose value may be changed.
    pub scope: Scope,
}

const fn each_broker(name: &'static str, kind: ConfigKind) -> BrokerConfig {
    let scope = Scope::EachBroker;
    BrokerConfig { name, kind, scope }
}

const fn whole_cluster(name: &'static str, kind: ConfigKind) -> BrokerConfig {
    let scope = Scope::WholeCluster;
    BrokerConfig { name, kind, scope }
}

const fn int(min: i32, max: i32) -> ConfigKind {
    ConfigKind::Int { min, max }
}

const fn long(min: i64) -> ConfigKind {
    ConfigKind::Long { min }
}

/// Every setting that may be changed while brokers run.
pub const BROKER_CONFIGS: &[BrokerConfig] = &[
    each_broker(CORDONED_LOG_DIRS, ConfigKind::Words(&["*"])),
    each_broker(FOLLOWER_THROTTLED_RATE, long(0)),
    each_broker(LEADER_THROTTLED_RATE, long(0)),
    each_broker("log.flush.interval.messages", long(1)),
    each_broker("log.flush.interval.ms", long(0)),
    each_broker("log.index.interval.bytes", int(0, i32::MAX)),
    each_broker("log.retention.bytes", long(-1)),
    each_broker("log.retention.ms", long(-1)),
    each_broker("log.roll.ms", long(1)),
    each_broker("log.segment.bytes", int(1_048_576, i32::MAX)),
    each_broker(MAX_CONNECTIONS, int(1, 100_000)),
    each_broker("message.max.bytes", int(0, i32::MAX)),
    whole_cluster(MIN_INSYNC_REPLICAS, int(1, 1_000)),
    whole_cluster(UNCLEAN_LEADER_ELECTION, ConfigKind::Boolean),
];

/// The setting of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static BrokerConfig> {
    BROKER_CONFIGS.iter().find(|config| config.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configs::topic::TOPIC_CONFIGS;

    #[test]
    fn names_are_in_order() {
        let mut pairs = BROKER_CONFIGS.windows(2);
        assert!(pairs.all(|pair| pair[0].name < pair[1].name));
    }

    #[test]
    fn a_topics_default_takes_what_the_topic_takes() {
        for topic in TOPIC_CONFIGS {
            let broker = topic.broker_setting.and_then(find);
            let same = broker.is_none_or(|broker| {
                std::mem::discriminant(&broker.kind) == std::mem::discriminant(&topic.kind)
            });
            assert!(same, "{}", topic.name);
        }
    }
}
