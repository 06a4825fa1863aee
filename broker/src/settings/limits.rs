//! Settings that bound connections, threads and memory.

use super::definition::{Definition, Kind};
use super::table::{MILLIS, PORTABLE_MAX, setting};

/// Limits of connections, threads and memory.
pub const LIMITS: &[Definition] = &[
    setting(
        "socket.request.max.bytes",
        Kind::Integer(65_536, 104_857_600),
        Some("8388608"),
        "The largest request, in bytes. 8 MiB, to be at home in 256 MiB; clients send 1 MiB by default.",
    ),
    setting(
        "queued.max.request.bytes",
        Kind::Integer(1_048_576, i64::MAX),
        Some("67108864"),
        "The most bytes of requests in memory, of all connections and as they arrive; more wait in their sockets. Beyond it lie 16 KiB a connection and one request.",
    ),
    setting(
        "fetch.max.bytes",
        Kind::Integer(1_024, 104_857_600),
        Some("8388608"),
        "The most bytes of one answer to a consumer (or one batch). 8 MiB, to be at home in 256 MiB.",
    ),
    setting(
        "kintsugi.fetch.memory.bytes",
        Kind::Integer(1_048_576, i64::MAX),
        Some("67108864"),
        "Once answers to consumers take this much memory, further ones carry one batch a partition.",
    ),
    setting(
        "max.connections",
        Kind::Integer(1, 100_000),
        Some("2000"),
        "The most connections of clients; more are closed at once. About 20 KiB each.",
    ),
    setting(
        "connections.max.idle.ms",
        Kind::Integer(1_000, PORTABLE_MAX),
        Some("600000"),
        "How long a client's connection may be idle. Kafka's default: ten minutes.",
    ),
    setting(
        "max.connections.per.ip",
        Kind::Integer(1, PORTABLE_MAX),
        Some("2147483647"),
        "The most connections of clients from one address; more are closed at once. Kafka's default: no bound but max.connections.",
    ),
    setting(
        "kintsugi.first.request.ms",
        MILLIS,
        Some("30000"),
        "How long a new connection may take to send its first request. Clients send it at once; 30 s outlives a slow start of theirs.",
    ),
    setting(
        "kintsugi.request.arrival.ms",
        MILLIS,
        Some("30000"),
        "How long a request may take to arrive once its length has. 30 s: Kafka's request.timeout.ms, after which clients give up.",
    ),
    setting(
        "kintsugi.write.stall.ms",
        MILLIS,
        Some("30000"),
        "How long a client may take nothing of an answer before its connection ends. 30 s, as for requests.",
    ),
    setting(
        "kintsugi.connection.stall.ms",
        Kind::Integer(10, 60_000),
        Some("1000"),
        "While others wait for memory, a connection that moves less than 16 KiB of its request or answer in this time is ended.",
    ),
    setting(
        "kintsugi.answer.memory.bytes",
        Kind::Integer(1_048_576, i64::MAX),
        Some("33554432"),
        "Once answers without records take this much memory, further ones that may be large wait. 32 MiB, to be at home in 256 MiB.",
    ),
    setting(
        "kintsugi.connection.requests.max",
        Kind::Integer(1, 1_000),
        Some("16"),
        "How many requests of one connection are served at a time; more wait in its socket.",
    ),
    setting(
        "num.network.threads",
        Kind::Integer(0, 64),
        Some("0"),
        "Threads that serve sockets. 0: as many as cores, at most 4.",
    ),
    setting(
        "kintsugi.shards",
        Kind::Integer(0, 64),
        Some("0"),
        "Event loops that own partitions. 0: as many as cores.",
    ),
    setting(
        "kintsugi.io.threads",
        Kind::Integer(1, 64),
        Some("4"),
        "Threads that sync log files and make and remove the logs of partitions, so that no event loop waits for a disk.",
    ),
    setting(
        "kintsugi.log.scrub.bytes",
        Kind::Integer(0, 1_073_741_824),
        Some("131072"),
        "How many bytes of its logs each event loop reads a second to find what the disk has changed; 0: none. 128 KiB: 10 GiB a day, less than a thousandth of what a disk can do.",
    ),
    setting(
        "kintsugi.internal.unacknowledged.ms",
        Kind::Integer(500, 60_000),
        Some("1500"),
        "How long bytes sent to another broker or controller may stay unacknowledged before the connection is given up. 1.5 s: a session; a machine without power resets nothing.",
    ),
    setting(
        "kintsugi.internal.keepalive.seconds",
        Kind::Integer(1, 60),
        Some("1"),
        "How long a connection to another broker or controller is silent before that one is asked whether it lives.",
    ),
    setting(
        "kintsugi.metrics.partitions.max",
        Kind::Integer(0, 1_000_000),
        Some("1000"),
        "Partitions that GET /metrics/partitions shows at most; how many it leaves out stands at its end. 1000: about 1 MB a scrape. GET /v1/load has them all.",
    ),
    setting(
        "kintsugi.log.level",
        Kind::Text,
        Some("info"),
        "Which log lines are written: error, warn, info, debug, trace, or filters such as kintsugi_node=debug.",
    ),
];
