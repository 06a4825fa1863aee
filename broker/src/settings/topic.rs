//! Settings that a topic may have of its own, and which setting of the process each falls back to.

use super::definition::{Definition, Kind};

/// One topic setting.
#[derive(Clone, Copy, Debug)]
pub struct TopicDefinition {
    /// Its name, type and text.
    pub definition: Definition,
    /// The process's setting that stands in where the topic has none.
    pub synonym: Option<&'static str>,
}

const fn topic(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    synonym: Option<&'static str>,
    doc: &'static str,
) -> TopicDefinition {
    TopicDefinition {
        definition: Definition {
            name,
            kind,
            default: Some(default),
            doc,
        },
        synonym,
    }
}

const INT_MAX: i64 = i32::MAX as i64;

/// Every topic setting that is obeyed, or whose only obeyed value is told.
pub const TOPIC_DEFINITIONS: &[TopicDefinition] = &[
    topic(
        "cleanup.policy",
        Kind::OneOf(&["delete", "compact", "compact,delete"]),
        "delete",
        None,
        "What happens to old records. Where compact is named, nothing is deleted before compaction exists.",
    ),
    topic(
        "retention.ms",
        Kind::Integer(-1, i64::MAX),
        "604800000",
        Some("log.retention.ms"),
        "How long records are kept; -1 for ever.",
    ),
    topic(
        "retention.bytes",
        Kind::Integer(-1, i64::MAX),
        "-1",
        Some("log.retention.bytes"),
        "How many bytes of a partition are kept; -1 for all.",
    ),
    topic(
        "segment.bytes",
        Kind::Integer(1_048_576, INT_MAX),
        "1073741824",
        Some("log.segment.bytes"),
        "The size at which a new log file is begun.",
    ),
    topic(
        "segment.ms",
        Kind::Integer(1, i64::MAX),
        "604800000",
        Some("log.roll.ms"),
        "The age at which a new log file is begun.",
    ),
    topic(
        "index.interval.bytes",
        Kind::Integer(0, INT_MAX),
        "4096",
        Some("log.index.interval.bytes"),
        "The bytes of log between two entries of the index.",
    ),
    topic(
        "max.message.bytes",
        Kind::Integer(0, INT_MAX),
        "1048588",
        Some("message.max.bytes"),
        "The largest record batch that a producer may send.",
    ),
    topic(
        "min.insync.replicas",
        Kind::Integer(1, 1_000),
        "2",
        Some("min.insync.replicas"),
        "How many in-sync replicas an acks=all record needs.",
    ),
    topic(
        "message.timestamp.type",
        Kind::OneOf(&["CreateTime", "LogAppendTime"]),
        "CreateTime",
        Some("log.message.timestamp.type"),
        "Who sets a record's timestamp.",
    ),
    topic(
        "flush.messages",
        Kind::Integer(1, i64::MAX),
        "9223372036854775807",
        Some("log.flush.interval.messages"),
        "1: appends are synced before they are acknowledged.",
    ),
    topic(
        "unclean.leader.election.enable",
        Kind::OneOf(&["false"]),
        "false",
        None,
        "Off: a leader is always one that holds every acknowledged record.",
    ),
];
