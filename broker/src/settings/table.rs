//! Every setting of the process.

use super::definition::{Definition, Kind};
use super::limits::LIMITS;

pub(super) const fn setting(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    doc: &'static str,
) -> Definition {
    Definition {
        name,
        kind,
        default,
        doc,
    }
}

pub(super) const PORTABLE_MAX: i64 = i32::MAX as i64;
pub(super) const MILLIS: Kind = Kind::Integer(1, PORTABLE_MAX);
const COUNT: Kind = Kind::Integer(1, PORTABLE_MAX);

/// Identity: who this process is and where it keeps its data.
const IDENTITY: &[Definition] = &[
    setting(
        "process.roles",
        Kind::List,
        None,
        "What this process is: broker, controller, or both with a comma between them.",
    ),
    setting(
        "node.id",
        Kind::Integer(0, PORTABLE_MAX),
        None,
        "The id of this broker or controller; no other process of the cluster has it.",
    ),
    setting(
        "cluster.id",
        Kind::Text,
        None,
        "The cluster's id: 1 to 64 characters of A-Z, a-z, 0-9, '_' or '-'; the same everywhere.",
    ),
    setting(
        "log.dirs",
        Kind::List,
        None,
        "The directory that holds the partitions. One: a pod has one volume.",
    ),
    setting(
        "metadata.log.dir",
        Kind::Text,
        None,
        "The directory that holds the controller's journal. Without it, the first of log.dirs.",
    ),
    setting(
        "broker.rack",
        Kind::Text,
        None,
        "The rack (on Kubernetes the zone) of this broker; replicas are spread over racks.",
    ),
    setting(
        "controller.quorum.voters",
        Kind::List,
        None,
        "The controllers that form the quorum, as ID@host:port with commas between them; the same everywhere. A controller that is not among them waits until it is added.",
    ),
    setting(
        "kintsugi.generation",
        Kind::Integer(1, PORTABLE_MAX),
        Some("1"),
        "How often this broker id was given to a new volume. 1: the first volume.",
    ),
];

/// Listeners: where this process is reached.
const LISTENERS: &[Definition] = &[
    setting(
        "listeners",
        Kind::List,
        Some("PLAINTEXT://0.0.0.0:9092"),
        "Where clients connect. Kafka's port on every address, so that a container is reachable.",
    ),
    setting(
        "advertised.listeners",
        Kind::List,
        None,
        "Where clients are told to connect. Without it, `listeners`, if that names a host.",
    ),
    setting(
        "kintsugi.replication.listener",
        Kind::Text,
        Some("0.0.0.0:9091"),
        "Where other brokers fetch from this one. A port of its own, so that it can be closed to clients.",
    ),
    setting(
        "kintsugi.replication.advertised",
        Kind::Text,
        None,
        "Where other brokers are told to fetch. Without it, the host of advertised.listeners.",
    ),
    setting(
        "kintsugi.control.listener",
        Kind::Text,
        Some("0.0.0.0:9094"),
        "Where controllers dial this broker to learn whether it lives. Opened first, held until exit.",
    ),
    setting(
        "kintsugi.control.advertised",
        Kind::Text,
        None,
        "Where controllers are told to dial: the pod's own address. Without it, the host of advertised.listeners.",
    ),
    setting(
        "kintsugi.controller.listener",
        Kind::Text,
        Some("0.0.0.0:9093"),
        "Where brokers and other controllers connect to this controller.",
    ),
    setting(
        "kintsugi.controller.advertised",
        Kind::Text,
        None,
        "Where they are told to connect. Without it, this controller's own entry among the voters.",
    ),
    setting(
        "kintsugi.cluster.secret.file",
        Kind::Text,
        None,
        "A file with the cluster's secret, one a line, 32 characters or more: whoever knows none is not let onto the replication and controller ports, and changes nothing over HTTP. Read again when it changes. Without it, nothing is asked.",
    ),
    setting(
        "kintsugi.http.listener",
        Kind::Text,
        Some("0.0.0.0:9404"),
        "Where /metrics, /livez, /readyz and a controller's /v1 are served.",
    ),
];

/// Topics: what a topic gets that says nothing else.
const TOPICS: &[Definition] = &[
    setting(
        "num.partitions",
        COUNT,
        Some("1"),
        "Partitions of a topic that is created without a number. Kafka's default.",
    ),
    setting(
        "default.replication.factor",
        Kind::Integer(1, 1_000),
        Some("3"),
        "Replicas of a topic that is created without a number. 3, so that losing a broker loses nothing.",
    ),
    setting(
        "min.insync.replicas",
        Kind::Integer(1, 1_000),
        Some("2"),
        "How many in-sync replicas an acks=all record needs. 2, so that an acknowledged record survives one loss.",
    ),
    setting(
        "unclean.leader.election.enable",
        Kind::Boolean,
        Some("false"),
        "Whether a live replica that may lack records leads where no other can. Kafka's default: records before service.",
    ),
    setting(
        "auto.create.topics.enable",
        Kind::Boolean,
        Some("true"),
        "Whether naming an unknown topic creates it. Kafka's default.",
    ),
    setting(
        "message.max.bytes",
        Kind::Integer(0, PORTABLE_MAX),
        Some("1048588"),
        "The largest record batch that a producer may send, in bytes. Kafka's default.",
    ),
    setting(
        "log.segment.bytes",
        Kind::Integer(1_048_576, PORTABLE_MAX),
        Some("1073741824"),
        "The size at which a new log file is begun. Kafka's default.",
    ),
    setting(
        "log.roll.ms",
        Kind::Integer(1, i64::MAX),
        Some("604800000"),
        "The age at which a new log file is begun. Kafka's default: a week.",
    ),
    setting(
        "log.retention.ms",
        Kind::Integer(-1, i64::MAX),
        Some("604800000"),
        "How long records are kept; -1 for ever. Kafka's default: a week.",
    ),
    setting(
        "log.retention.bytes",
        Kind::Integer(-1, i64::MAX),
        Some("-1"),
        "How many bytes of a partition are kept; -1 for all. Kafka's default.",
    ),
    setting(
        "log.retention.check.interval.ms",
        Kind::Integer(1_000, i64::MAX),
        Some("300000"),
        "How often old log files are looked for. Kafka's default: five minutes.",
    ),
    setting(
        "log.flush.interval.messages",
        Kind::Integer(1, i64::MAX),
        Some("9223372036854775807"),
        "How many records may be unsynced before a sync begins. 1: acks wait for the sync. Kafka's default: no bound.",
    ),
    setting(
        "log.flush.interval.ms",
        Kind::Integer(0, i64::MAX),
        Some("9223372036854775807"),
        "How long records may be unsynced before a sync begins, looked at twice a second. Kafka's default: no bound.",
    ),
    setting(
        "producer.id.expiration.ms",
        Kind::Integer(1, PORTABLE_MAX),
        Some("86400000"),
        "How long a partition knows an idle idempotent producer. Kafka's default: a day.",
    ),
    setting(
        "kintsugi.producer.ids.max",
        COUNT,
        Some("5000"),
        "How many idempotent producers a partition knows; beyond, the one that wrote longest ago is forgotten. About 300 bytes each.",
    ),
    setting(
        "log.index.interval.bytes",
        Kind::Integer(0, PORTABLE_MAX),
        Some("4096"),
        "The bytes of log between two entries of the index. Kafka's default.",
    ),
];

/// Replication and failure detection.
const REPLICATION: &[Definition] = &[
    setting(
        "replica.lag.time.max.ms",
        MILLIS,
        Some("5000"),
        "How long a follower may lag before it leaves the ISR. 5 s: seconds, not tens of them, delay acks=all.",
    ),
    setting(
        "replica.fetch.wait.max.ms",
        MILLIS,
        Some("500"),
        "How long a leader holds a follower's fetch with nothing new. Kafka's default.",
    ),
    setting(
        "replica.fetch.response.max.bytes",
        Kind::Integer(65_536, 33_554_432),
        Some("4194304"),
        "The most bytes of one answer to a follower. 4 MiB, to be at home in 256 MiB.",
    ),
    setting(
        "broker.heartbeat.interval.ms",
        Kind::Integer(10, 60_000),
        Some("150"),
        "How often a broker tells the controller that it is alive. 150 ms: ten in a session.",
    ),
    setting(
        "broker.session.timeout.ms",
        Kind::Integer(100, 600_000),
        Some("1500"),
        "How long a silent broker keeps its leaderships; a dead one is found by dialling, not by this.",
    ),
    setting(
        "auto.leader.rebalance.enable",
        Kind::Boolean,
        Some("true"),
        "Whether leadership goes back to preferred leaders. Kafka's default.",
    ),
    setting(
        "leader.imbalance.check.interval.seconds",
        Kind::Integer(1, 86_400),
        Some("300"),
        "How often that is looked at. Kafka's default: five minutes.",
    ),
    setting(
        "kintsugi.stop.timeout.ms",
        Kind::Integer(100, 600_000),
        Some("25000"),
        "How long a stop may hand over before the process ends all the same. 25 s: within Kubernetes's grace of 30.",
    ),
];

/// Internal topics and groups.
const GROUPS: &[Definition] = &[
    setting(
        "offsets.topic.num.partitions",
        Kind::Integer(1, 10_000),
        Some("50"),
        "Partitions of __consumer_offsets. Kafka's default; fixed once the topic exists.",
    ),
    setting(
        "offsets.topic.replication.factor",
        Kind::Integer(1, 1_000),
        Some("3"),
        "Replicas of __consumer_offsets. Kafka's default.",
    ),
    setting(
        "offsets.retention.minutes",
        COUNT,
        Some("10080"),
        "How long committed offsets stay that no group with members has a use for. Kafka's default: a week.",
    ),
    setting(
        "offsets.retention.check.interval.ms",
        MILLIS,
        Some("600000"),
        "How often such offsets are looked for. Kafka's default: ten minutes.",
    ),
    setting(
        "kintsugi.offsets.log.bytes",
        Kind::Integer(65_536, i64::MAX),
        Some("4194304"),
        "The size of a partition of __consumer_offsets from which on it is rewritten to what is in use. 4 MiB: read in tens of milliseconds.",
    ),
    setting(
        "offset.metadata.max.bytes",
        Kind::Integer(0, 65_536),
        Some("4096"),
        "The longest text that a consumer may commit with an offset. Kafka's default.",
    ),
    setting(
        "group.min.session.timeout.ms",
        MILLIS,
        Some("6000"),
        "The shortest session that a group member may ask for. Kafka's default.",
    ),
    setting(
        "group.max.session.timeout.ms",
        MILLIS,
        Some("1800000"),
        "The longest session that a group member may ask for. Kafka's default.",
    ),
    setting(
        "group.initial.rebalance.delay.ms",
        Kind::Integer(0, 600_000),
        Some("3000"),
        "How long an empty group waits for more members before its first rebalance. Kafka's default.",
    ),
    setting(
        "group.max.size",
        Kind::Integer(1, 100_000),
        Some("1000"),
        "The most members of a group. Kafka has no bound; memory has one.",
    ),
];

/// Every setting, by theme.
pub const DEFINITIONS: &[&[Definition]] =
    &[IDENTITY, LISTENERS, TOPICS, REPLICATION, GROUPS, LIMITS];

/// The definition of this name.
pub fn find(name: &str) -> Option<&'static Definition> {
    all().find(|definition| definition.name == name)
}

/// Every setting in order.
pub fn all() -> impl Iterator<Item = &'static Definition> {
    DEFINITIONS.iter().flat_map(|theme| theme.iter())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_legal_and_no_name_is_there_twice() {
        let mut names = std::collections::BTreeSet::new();
        for definition in all() {
            assert!(names.insert(definition.name), "{} twice", definition.name);
            if let Some(default) = definition.default {
                assert!(definition.kind.accepts(default), "{}", definition.name);
            }
        }
    }
}
