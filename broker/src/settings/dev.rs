//! `--dev`: one process that is broker and controller, for a laptop.

use std::collections::BTreeMap;

/// What `--dev` gives; the file and `--override` win over it.
const DEV: &[(&str, &str)] = &[
    ("process.roles", "broker,controller"),
    ("node.id", "1"),
    ("cluster.id", "kintsugi-dev"),
    ("log.dirs", "kintsugi-data"),
    ("listeners", "PLAINTEXT://127.0.0.1:9092"),
    ("advertised.listeners", "PLAINTEXT://localhost:9092"),
    ("kintsugi.replication.listener", "127.0.0.1:9091"),
    ("kintsugi.control.listener", "127.0.0.1:9094"),
    ("kintsugi.controller.listener", "127.0.0.1:9093"),
    ("kintsugi.http.listener", "127.0.0.1:9404"),
    ("controller.quorum.voters", "1@127.0.0.1:9093"),
    ("default.replication.factor", "1"),
    ("min.insync.replicas", "1"),
    ("offsets.topic.replication.factor", "1"),
    ("offsets.topic.num.partitions", "1"),
    ("group.initial.rebalance.delay.ms", "0"),
];

/// The values of `--dev`.
pub fn dev_values() -> BTreeMap<String, String> {
    DEV.iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}
