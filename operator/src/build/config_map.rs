//! server.properties of a role: what all its nodes share. What differs from node to node goes
//! onto the command line, see [`super::pod`].

use std::collections::BTreeMap;
use std::str::FromStr;

use k8s_openapi::api::core::v1::ConfigMap;
use kintsugi_crds::schema::hash_text;

use super::{Object, owned_metadata};
use crate::cluster::Cluster;
use crate::names::{
    CONTROL_PORT, CONTROLLER_PORT, HTTP_PORT, REPLICATION_PORT, Role, config_map,
    controller_service, role_labels,
};

/// The file's name in the ConfigMap and in the pod.
pub const FILE: &str = "server.properties";
/// Where a node keeps its data: below the mount, because a fresh ext4 has a lost+found at its root.
pub const DATA_DIRECTORY: &str = "/var/lib/kintsugi/data";
/// Replication factor of topics that name none.
const REPLICATION_FACTOR: i32 = 3;
/// The setting that says so of topics of clients.
const DEFAULT_FACTOR: &str = "default.replication.factor";
/// The same, and that of the topic that groups' offsets are in.
const FACTORS: [&str; 2] = [DEFAULT_FACTOR, "offsets.topic.replication.factor"];
/// Copies that must have a record before acks=all is answered.
const MIN_IN_SYNC_REPLICAS: i32 = 2;

/// The ConfigMap of `role`. It never changes: another content has another name.
pub fn build(cluster: &Cluster, role: Role) -> Object {
    let data = [(FILE.to_owned(), properties(cluster, role))].into();
    Object::ConfigMap(Box::new(ConfigMap {
        metadata: owned_metadata(
            cluster,
            name(cluster, role),
            role_labels(&cluster.name, role),
        ),
        data: Some(data),
        immutable: Some(true),
        ..ConfigMap::default()
    }))
}

/// The name of the ConfigMap of `role`.
pub fn name(cluster: &Cluster, role: Role) -> String {
    let hash = hash_text(&properties(cluster, role));
    config_map(&cluster.name, role, &hash)
}

/// Brokers that the cluster's settings want for the copies of topics that name no number.
pub fn copies_of_new_topics(cluster: &Cluster) -> usize {
    let settings = settings(cluster, Role::Broker);
    let copies = FACTORS.iter().filter_map(|key| factor(&settings, key));
    copies.max().unwrap_or(1)
}

/// Copies of clients' topics that name no number.
pub fn default_replication_factor(cluster: &Cluster) -> u32 {
    factor(&settings(cluster, Role::Broker), DEFAULT_FACTOR).unwrap_or(1)
}

fn factor<T: FromStr>(settings: &BTreeMap<String, String>, key: &str) -> Option<T> {
    settings.get(key)?.parse().ok()
}

/// The text of server.properties.
pub fn properties(cluster: &Cluster, role: Role) -> String {
    settings(cluster, role)
        .iter()
        .map(|(key, value)| format!("{key}={}\n", escape(value)))
        .collect()
}

fn settings(cluster: &Cluster, role: Role) -> BTreeMap<String, String> {
    let mut settings: BTreeMap<String, String> = BTreeMap::new();
    let mut set = |key: &str, value: String| {
        settings.insert(key.to_owned(), value);
    };
    // Never more copies than brokers, or the first topic could not be created. Controllers read
    // the same settings: they decide on topics' defaults, elections and fencing.
    let brokers = cluster.brokers.replicas.max(cluster.brokers_present);
    let replication_factor = REPLICATION_FACTOR.min(brokers);
    let minimum = MIN_IN_SYNC_REPLICAS.min(replication_factor);
    for factor in FACTORS {
        set(factor, replication_factor.to_string());
    }
    set("min.insync.replicas", minimum.to_string());
    for (key, value) in &cluster.config {
        set(key, value.clone());
    }
    match role {
        Role::Controller => {
            set(
                "kintsugi.controller.listener",
                format!("0.0.0.0:{CONTROLLER_PORT}"),
            );
        }
        Role::Broker => {
            set(
                "listeners",
                format!("PLAINTEXT://0.0.0.0:{}", cluster.client_port),
            );
            set(
                "kintsugi.replication.listener",
                format!("0.0.0.0:{REPLICATION_PORT}"),
            );
            set(
                "kintsugi.control.listener",
                format!("0.0.0.0:{CONTROL_PORT}"),
            );
        }
    }
    set("process.roles", role.to_string());
    set("cluster.id", cluster.cluster_id.clone());
    set("log.dirs", DATA_DIRECTORY.to_owned());
    set("controller.quorum.voters", voters(cluster));
    set("kintsugi.http.listener", format!("0.0.0.0:{HTTP_PORT}"));
    settings
}

/// Each controller by the name of its own ClusterIP Service.
///
/// Not by its pod's name: a pod's name has no address before the pod runs, and CoreDNS keeps such
/// an answer for 30 s, so one look-up a moment too early would delay forming beyond its budget;
/// and when a pod comes back with a new address, the old one is kept as long. A Service has its
/// address before any pod starts and keeps it. Proof of death never goes by these names.
fn voters(cluster: &Cluster) -> String {
    let voters: Vec<String> = cluster
        .controller_ids()
        .map(|id| {
            format!(
                "{id}@{}:{CONTROLLER_PORT}",
                controller_service(&cluster.name, id)
            )
        })
        .collect();
    voters.join(",")
}

/// Escapes a value for a properties file: a line break must not begin another setting.
fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for (index, character) in value.chars().enumerate() {
        match character {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            ' ' if index == 0 => escaped.push_str("\\ "),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn brokers_share_listeners_defaults_and_voters() {
        assert_eq!(
            properties(&fixtures::cluster(), Role::Broker),
            "cluster.id=ESIzRFVmd4iZqrvM3e7_AA\n\
             controller.quorum.voters=1000@demo-controller-1000:9093,1001@demo-controller-1001:9093,1002@demo-controller-1002:9093\n\
             default.replication.factor=3\n\
             kintsugi.control.listener=0.0.0.0:9094\n\
             kintsugi.http.listener=0.0.0.0:9404\n\
             kintsugi.replication.listener=0.0.0.0:9091\n\
             listeners=PLAINTEXT://0.0.0.0:9092\n\
             log.dirs=/var/lib/kintsugi/data\n\
             min.insync.replicas=2\n\
             offsets.topic.replication.factor=3\n\
             process.roles=broker\n"
        );
    }

    #[test]
    fn a_line_break_in_a_value_begins_no_other_setting() {
        let mut cluster = fixtures::cluster();
        cluster
            .config
            .insert("log.retention.ms".to_owned(), "1\nnode.id=9".to_owned());
        let text = properties(&cluster, Role::Broker);
        assert!(text.contains("log.retention.ms=1\\nnode.id=9\n"), "{text}");
    }

    #[test]
    fn one_broker_has_one_copy() {
        let mut cluster = fixtures::cluster();
        cluster.brokers.replicas = 1;
        let text = properties(&cluster, Role::Broker);
        assert!(text.contains("default.replication.factor=1\n"), "{text}");
        assert!(text.contains("min.insync.replicas=1\n"), "{text}");
    }
}
