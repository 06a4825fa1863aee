//! The topic settings that Kintsugi knows: one table, which checks what clients set and which
//! DescribeConfigs shows. What is not in it is refused, so that no setting is taken and ignored.

/// A topic's own `min.insync.replicas`.
pub const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";

/// What values a setting takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConfigType {
    /// A 32-bit number in this range.
    Int {
        /// The least.
        min: i32,
        /// The greatest.
        max: i32,
    },
    /// A 64-bit number, at least this.
    Long {
        /// The least.
        min: i64,
    },
    /// One of these words.
    Word(&'static [&'static str]),
}

/// One setting of a topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TopicConfig {
    /// Its name in Kafka.
    pub name: &'static str,
    /// What it takes.
    pub kind: ConfigType,
    /// What holds where neither the topic nor the broker sets it (Kafka's default, unless the
    /// documentation says otherwise).
    pub default: &'static str,
    /// The broker's setting that gives the default of topics that do not set it.
    pub broker_setting: &'static str,
    /// What it does, for people.
    pub documentation: &'static str,
}

/// Every setting that a topic may have.
pub const TOPIC_CONFIGS: &[TopicConfig] = &[
    TopicConfig {
        name: "cleanup.policy",
        kind: ConfigType::Word(&["delete"]),
        default: "delete",
        broker_setting: "log.cleanup.policy",
        documentation: "What becomes of old segments.",
    },
    TopicConfig {
        name: "compression.type",
        kind: ConfigType::Word(&["producer"]),
        default: "producer",
        broker_setting: "compression.type",
        documentation: "Batches are kept as their producer compressed them.",
    },
    TopicConfig {
        name: "flush.messages",
        kind: ConfigType::Long { min: 1 },
        default: "9223372036854775807",
        broker_setting: "log.flush.interval.messages",
        documentation: "How many records may be unsynced before a sync begins; 1: an ack waits for the sync.",
    },
    TopicConfig {
        name: "flush.ms",
        kind: ConfigType::Long { min: 0 },
        default: "9223372036854775807",
        broker_setting: "log.flush.interval.ms",
        documentation: "How long records may be unsynced before a sync begins, looked at twice a second.",
    },
    TopicConfig {
        name: "index.interval.bytes",
        kind: ConfigType::Int {
            min: 0,
            max: i32::MAX,
        },
        default: "4096",
        broker_setting: "log.index.interval.bytes",
        documentation: "How many bytes lie between two entries of the offset index.",
    },
    TopicConfig {
        name: "max.message.bytes",
        kind: ConfigType::Int {
            min: 0,
            max: i32::MAX,
        },
        default: "1048588",
        broker_setting: "message.max.bytes",
        documentation: "The largest batch, in bytes.",
    },
    TopicConfig {
        name: "message.timestamp.type",
        kind: ConfigType::Word(&["CreateTime"]),
        default: "CreateTime",
        broker_setting: "log.message.timestamp.type",
        documentation: "Whose time a record carries.",
    },
    TopicConfig {
        name: MIN_INSYNC_REPLICAS,
        kind: ConfigType::Int {
            min: 1,
            max: i32::MAX,
        },
        default: "2",
        broker_setting: MIN_INSYNC_REPLICAS,
        documentation: "How many replicas must have a record before acks=all is answered.",
    },
    TopicConfig {
        name: "retention.bytes",
        kind: ConfigType::Long { min: -1 },
        default: "-1",
        broker_setting: "log.retention.bytes",
        documentation: "How large a partition may grow before old segments go; -1: any size.",
    },
    TopicConfig {
        name: "retention.ms",
        kind: ConfigType::Long { min: -1 },
        default: "604800000",
        broker_setting: "log.retention.ms",
        documentation: "How old a segment may grow before it goes; -1: any age.",
    },
    TopicConfig {
        name: "segment.bytes",
        kind: ConfigType::Int {
            min: 1_048_576,
            max: i32::MAX,
        },
        default: "1073741824",
        broker_setting: "log.segment.bytes",
        documentation: "How large a segment may grow before the next one begins.",
    },
    TopicConfig {
        name: "segment.ms",
        kind: ConfigType::Long { min: 1 },
        default: "604800000",
        broker_setting: "log.roll.ms",
        documentation: "How old a segment may grow before the next one begins.",
    },
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
    let Some(config) = find(name) else {
        return Err(format!("Unknown topic config name: {name}"));
    };
    let expected = match config.kind {
        ConfigType::Int { min, max } => match value.parse::<i32>() {
            Ok(number) if (min..=max).contains(&number) => return Ok(()),
            _ => format!("a number from {min} to {max}"),
        },
        ConfigType::Long { min } => match value.parse::<i64>() {
            Ok(number) if number >= min => return Ok(()),
            _ => format!("a number of at least {min}"),
        },
        ConfigType::Word(words) if words.contains(&value) => return Ok(()),
        ConfigType::Word(words) => format!("one of: {}", words.join(", ")),
    };
    Err(format!(
        "Invalid value for configuration {name}: expected {expected}"
    ))
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
    fn unknown_names_and_wrong_values_are_refused_with_a_reason() {
        for (name, value) in [
            ("no.such.setting", "1"),
            (MIN_INSYNC_REPLICAS, "0"),
            ("retention.ms", "soon"),
            ("cleanup.policy", "compact"),
            ("message.timestamp.type", "LogAppendTime"),
        ] {
            assert!(check(name, value).is_err(), "{name}={value}");
        }
    }
}
