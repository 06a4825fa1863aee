//! The topic settings that Kintsugi obeys: one table, which checks what clients set and which
//! DescribeConfigs shows. What is not in it is refused, so that no setting is taken and ignored.

use super::kind::ConfigKind;

/// A topic's own `min.insync.replicas`.
pub const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";
/// Whether a replica that may lack records may be elected while no other is live.
pub const UNCLEAN_LEADER_ELECTION: &str = "unclean.leader.election.enable";
/// Replicas whose leaders throttle what they send to them.
pub const LEADER_THROTTLED_REPLICAS: &str = "leader.replication.throttled.replicas";
/// Replicas that throttle what they fetch.
pub const FOLLOWER_THROTTLED_REPLICAS: &str = "follower.replication.throttled.replicas";

/// One setting of a topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TopicConfig {
    /// Its name in Kafka.
    pub name: &'static str,
    /// What it takes.
    pub kind: ConfigKind,
    /// What holds where neither the topic nor the broker sets it (Kafka's default, unless the
    /// documentation says otherwise).
    pub default: &'static str,
    /// The broker's setting that gives the default of topics that do not set it, if there is one.
    pub broker_setting: Option<&'static str>,
    /// What it does, for people.
    pub documentation: &'static str,
}

/// Every setting that a topic may have.
pub const TOPIC_CONFIGS: &[TopicConfig] = &[
    TopicConfig {
        name: "cleanup.policy",
        kind: ConfigKind::Words(&["delete"]),
        default: "delete",
        broker_setting: Some("log.cleanup.policy"),
        documentation: "What becomes of old segments.",
    },
    TopicConfig {
        name: "compression.type",
        kind: ConfigKind::Word(&["producer"]),
        default: "producer",
        broker_setting: Some("compression.type"),
        documentation: "Batches are kept as their producer compressed them.",
    },
    TopicConfig {
        name: "flush.messages",
        kind: ConfigKind::Long { min: 1 },
        default: "9223372036854775807",
        broker_setting: Some("log.flush.interval.messages"),
        documentation: "How many records may be unsynced before a sync begins; 1: an ack waits for the sync.",
    },
    TopicConfig {
        name: "flush.ms",
        kind: ConfigKind::Long { min: 0 },
        default: "9223372036854775807",
        broker_setting: Some("log.flush.interval.ms"),
        documentation: "How long records may be unsynced before a sync begins, looked at twice a second.",
    },
    TopicConfig {
        name: FOLLOWER_THROTTLED_REPLICAS,
        kind: ConfigKind::ThrottledReplicas,
        default: "",
        broker_setting: None,
        documentation: "Replicas whose fetches are held to follower.replication.throttled.rate.",
    },
    TopicConfig {
        name: "index.interval.bytes",
        kind: ConfigKind::Int {
            min: 0,
            max: i32::MAX,
        },
        default: "4096",
        broker_setting: Some("log.index.interval.bytes"),
        documentation: "How many bytes lie between two entries of the offset index.",
    },
    TopicConfig {
        name: LEADER_THROTTLED_REPLICAS,
        kind: ConfigKind::ThrottledReplicas,
        default: "",
        broker_setting: None,
        documentation: "Replicas to which leaders send at most leader.replication.throttled.rate.",
    },
    TopicConfig {
        name: "max.message.bytes",
        kind: ConfigKind::Int {
            min: 0,
            max: i32::MAX,
        },
        default: "1048588",
        broker_setting: Some("message.max.bytes"),
        documentation: "The largest batch, in bytes.",
    },
    TopicConfig {
        name: "message.timestamp.type",
        kind: ConfigKind::Word(&["CreateTime"]),
        default: "CreateTime",
        broker_setting: Some("log.message.timestamp.type"),
        documentation: "Whose time a record carries.",
    },
    TopicConfig {
        name: MIN_INSYNC_REPLICAS,
        kind: ConfigKind::Int {
            min: 1,
            max: i32::MAX,
        },
        default: "2",
        broker_setting: Some(MIN_INSYNC_REPLICAS),
        documentation: "How many replicas must have a record before acks=all is answered.",
    },
    TopicConfig {
        name: "retention.bytes",
        kind: ConfigKind::Long { min: -1 },
        default: "-1",
        broker_setting: Some("log.retention.bytes"),
        documentation: "How large a partition may grow before old segments go; -1: any size.",
    },
    TopicConfig {
        name: "retention.ms",
        kind: ConfigKind::Long { min: -1 },
        default: "604800000",
        broker_setting: Some("log.retention.ms"),
        documentation: "How old a segment may grow before it goes; -1: any age.",
    },
    TopicConfig {
        name: "segment.bytes",
        kind: ConfigKind::Int {
            min: 1_048_576,
            max: i32::MAX,
        },
        default: "1073741824",
        broker_setting: Some("log.segment.bytes"),
        documentation: "How large a segment may grow before the next one begins.",
    },
    TopicConfig {
        name: "segment.ms",
        kind: ConfigKind::Long { min: 1 },
        default: "604800000",
        broker_setting: Some("log.roll.ms"),
        documentation: "How old a segment may grow before the next one begins.",
    },
    TopicConfig {
        name: UNCLEAN_LEADER_ELECTION,
        kind: ConfigKind::Boolean,
        default: "false",
        broker_setting: Some(UNCLEAN_LEADER_ELECTION),
        documentation: "Whether a live replica that may lack records leads where no other can.",
    },
];

/// Settings that topics have in Kafka 4.1 and that no broker here obeys.
const NOT_OBEYED: &[&str] = &[
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.zstd.level",
    "delete.retention.ms",
    "file.delete.delay.ms",
    "local.retention.bytes",
    "local.retention.ms",
    "max.compaction.lag.ms",
    "message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
    "preallocate",
    "remote.log.copy.disable",
    "remote.log.delete.on.disable",
    "remote.storage.enable",
    "segment.index.bytes",
    "segment.jitter.ms",
];

/// The setting of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static TopicConfig> {
    TOPIC_CONFIGS.iter().find(|config| config.name == name)
}

/// Checks one setting of a topic.
///
/// # Errors
/// With what is wrong and what would be right, for the person who set it.
pub fn check(name: &str, value: &str) -> Result<(), String> {
    match find(name) {
        Some(config) => config.kind.check(name, value),
        None => Err(unknown(name)),
    }
}

/// What is said of a name that is not in the table.
#[must_use]
pub fn unknown(name: &str) -> String {
    match NOT_OBEYED.contains(&name) {
        true => format!("Topic config {name} cannot be set: no broker of this cluster obeys it."),
        false => format!("Unknown topic config name: {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_passes_its_own_check() {
        for config in TOPIC_CONFIGS {
            assert_eq!(
                check(config.name, config.default),
                Ok(()),
                "{}",
                config.name
            );
        }
    }

    #[test]
    fn names_are_in_order_and_nothing_that_is_obeyed_is_said_not_to_be() {
        assert!(
            TOPIC_CONFIGS
                .windows(2)
                .all(|pair| pair[0].name < pair[1].name)
        );
        assert!(NOT_OBEYED.iter().all(|name| find(name).is_none()));
    }

    #[test]
    fn unknown_names_and_wrong_values_are_refused_with_a_reason() {
        for (name, value) in [
            ("no.such.setting", "1"),
            ("preallocate", "true"),
            (MIN_INSYNC_REPLICAS, "0"),
            ("retention.ms", "soon"),
            ("cleanup.policy", "compact"),
            ("message.timestamp.type", "LogAppendTime"),
        ] {
            assert!(check(name, value).is_err(), "{name}={value}");
        }
    }
}
