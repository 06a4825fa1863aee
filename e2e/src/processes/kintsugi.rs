//! Kintsugi as processes.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use super::{ClusterPlan, Engine, NodePlan, write_properties};

/// Runs this broker binary.
#[derive(Clone, Debug)]
pub struct Kintsugi {
    /// The path of `kintsugi-broker`.
    pub binary: PathBuf,
}

impl Engine for Kintsugi {
    fn name(&self) -> String {
        "Kintsugi".to_owned()
    }

    fn prepare(&self, node: &NodePlan, cluster: &ClusterPlan) -> io::Result<()> {
        let controllers = cluster.nodes.iter().filter(|other| other.is_controller);
        let voters: Vec<String> = controllers
            .map(|other| format!("{}@127.0.0.1:{}", other.id, other.ports[0]))
            .collect();
        let local = |port: usize| format!("127.0.0.1:{}", node.ports[port]);
        let mut settings = BTreeMap::from([
            ("node.id".to_owned(), node.id.to_string()),
            ("cluster.id".to_owned(), "benchmark".to_owned()),
            (
                "log.dirs".to_owned(),
                node.folder.join("data").display().to_string(),
            ),
            ("controller.quorum.voters".to_owned(), voters.join(",")),
            ("kintsugi.http.listener".to_owned(), local(3)),
        ]);
        let mut set = |key: &str, value: String| settings.insert(key.to_owned(), value);
        if node.is_controller {
            set("process.roles", "controller".to_owned());
            set("kintsugi.controller.listener", local(0));
            set("kintsugi.controller.advertised", local(0));
        } else {
            set("process.roles", "broker".to_owned());
            set("listeners", format!("PLAINTEXT://{}", local(0)));
            set("advertised.listeners", format!("PLAINTEXT://{}", local(0)));
            set("kintsugi.replication.listener", local(1));
            set("kintsugi.replication.advertised", local(1));
            set("kintsugi.control.listener", local(2));
            set("kintsugi.control.advertised", local(2));
        }
        settings.extend(cluster.settings.clone());
        write_properties(&node.folder.join("server.properties"), &settings)
    }

    fn command(&self, node: &NodePlan) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .arg("--config")
            .arg(node.folder.join("server.properties"));
        command
    }
}
