//! Kintsugi as processes.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::{ClusterPlan, Engine, NodePlan, Steps, write_properties};
use crate::http::{self, Bounds};

/// Which of a node's ports is its HTTP listener.
pub const HTTP: usize = 3;
/// What a controller's answer may take.
const BOUNDS: Bounds = Bounds {
    time: Duration::from_millis(500),
    answer_bytes_max: 1 << 20,
};

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
            ("kintsugi.http.listener".to_owned(), local(HTTP)),
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

    fn active_controller(&self, cluster: &ClusterPlan) -> Option<i32> {
        let controllers = cluster.nodes.iter().filter(|node| node.is_controller);
        let active = |node: &&NodePlan| {
            let address = (Ipv4Addr::LOCALHOST, node.ports[HTTP]).into();
            let answer = http::get(address, "/v1/quorum", BOUNDS).ok();
            let answer = answer.and_then(|body| serde_json::from_str(&body).ok());
            answer.is_some_and(|json: serde_json::Value| json["active"] == true)
        };
        controllers.into_iter().find(active).map(|node| node.id)
    }

    fn steps(&self, cluster: &ClusterPlan, broker: i32, fault: SystemTime) -> Option<Steps> {
        let mut steps = Steps::default();
        for node in &cluster.nodes {
            // A node that has no log yet tells nothing.
            let _ = steps.read(&node.folder.join("process.log"), broker, fault);
        }
        Some(steps)
    }
}
