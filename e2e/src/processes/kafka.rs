//! Apache Kafka as processes: what Kintsugi is compared with.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use super::{ClusterPlan, Engine, NodePlan, write_properties};

/// A cluster id in the form that Kafka's storage tool accepts.
const CLUSTER_ID: &str = "MkU3OEVBNTcwNTJENDM2Qk";

/// Runs Apache Kafka from a folder of jars (`e2e/kafka/fetch.sh` fills it).
#[derive(Clone, Debug)]
pub struct Kafka {
    /// The folder of jars.
    pub jars: PathBuf,
    /// Its version, for tables.
    pub version: String,
    /// The Java heap of each process.
    pub heap: String,
}

impl Kafka {
    /// The command that runs a console tool, by its class.
    #[must_use]
    pub fn tool(&self, class: &str) -> Command {
        self.java(class)
    }

    fn java(&self, main: &str) -> Command {
        let mut command = Command::new("java");
        command
            .arg(format!("-Xmx{}", self.heap))
            .arg(format!("-Xms{}", self.heap));
        command.args([
            "-XX:+UseG1GC",
            "-XX:MaxGCPauseMillis=20",
            "-Djava.awt.headless=true",
        ]);
        command.arg("-cp").arg(self.jars.join("*")).arg(main);
        command
    }
}

impl Engine for Kafka {
    fn name(&self) -> String {
        format!("Apache Kafka {}", self.version)
    }

    fn prepare(&self, node: &NodePlan, cluster: &ClusterPlan) -> io::Result<()> {
        let controllers = cluster.nodes.iter().filter(|other| other.is_controller);
        let voters: Vec<String> = controllers
            .map(|other| format!("{}@127.0.0.1:{}", other.id, other.ports[0]))
            .collect();
        let listener = if node.is_controller {
            "CONTROLLER"
        } else {
            "PLAINTEXT"
        };
        let address = format!("{listener}://127.0.0.1:{}", node.ports[0]);
        let mut settings = BTreeMap::new();
        let mut set = |key: &str, value: &str| settings.insert(key.to_owned(), value.to_owned());
        set("node.id", &node.id.to_string());
        set(
            "process.roles",
            if node.is_controller {
                "controller"
            } else {
                "broker"
            },
        );
        set("controller.quorum.voters", &voters.join(","));
        set("controller.listener.names", "CONTROLLER");
        set(
            "listener.security.protocol.map",
            "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        );
        set("listeners", &address);
        if !node.is_controller {
            set("advertised.listeners", &address);
        }
        set("log.dirs", &node.folder.join("data").display().to_string());
        settings.extend(cluster.settings.clone());
        let path = node.folder.join("server.properties");
        write_properties(&path, &settings)?;
        let mut format = self.java("kafka.tools.StorageTool");
        format
            .args(["format", "--cluster-id", CLUSTER_ID, "--config"])
            .arg(&path);
        let output = format.output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(io::Error::other(format!(
                "failed to format Kafka's storage: {said}"
            )));
        }
        Ok(())
    }

    fn command(&self, node: &NodePlan) -> Command {
        let mut command = self.java("kafka.Kafka");
        command.arg(node.folder.join("server.properties"));
        command
    }

    fn active_controller(&self, cluster: &ClusterPlan) -> Option<i32> {
        let controllers = cluster.nodes.iter().filter(|node| node.is_controller);
        let addresses: Vec<String> = controllers
            .map(|node| format!("127.0.0.1:{}", node.ports[0]))
            .collect();
        let mut ask = self.java("org.apache.kafka.tools.MetadataQuorumCommand");
        ask.args(["--bootstrap-controller", &addresses.join(",")]);
        let output = ask.args(["describe", "--status"]).output().ok()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = said.lines().find_map(|line| line.strip_prefix("LeaderId:"));
        line?.trim().parse().ok()
    }
}
