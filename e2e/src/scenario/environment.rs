//! What a scenario works with.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::Context;

use crate::kubernetes::api::{Kubernetes, PodView};
use crate::kubernetes::localkube::Localkube;

/// The port that clients dial.
const CLIENT_PORT: u16 = 9092;
/// Where a broker's container has its log directory.
const LOG_DIRECTORY: &str = "var/lib/kintsugi/data";

/// How long a cluster may take to heal: the kubelet waits up to 80 s before a fifth restart.
pub const HEAL_LIMIT: Duration = Duration::from_secs(180);

/// One cluster under test, and the means to look at it and break it.
pub struct Environment {
    /// The API server.
    pub kubernetes: Kubernetes,
    /// The launcher.
    pub localkube: Localkube,
    /// The KafkaCluster's name.
    pub cluster: String,
    /// Its manifest.
    pub manifest: String,
    /// The namespace of the operator.
    pub operator_namespace: String,
    /// The kubeconfig's path.
    pub kubeconfig: PathBuf,
}

impl Environment {
    /// The brokers' pods by broker id.
    ///
    /// # Errors
    /// If the API server does not answer.
    pub fn brokers(&self) -> anyhow::Result<BTreeMap<i32, PodView>> {
        self.kubernetes.pods(&self.cluster, "broker")
    }

    /// The controllers' pods by controller id.
    ///
    /// # Errors
    /// If the API server does not answer.
    pub fn controllers(&self) -> anyhow::Result<BTreeMap<i32, PodView>> {
        self.kubernetes.pods(&self.cluster, "controller")
    }

    /// `bootstrap.servers`: every broker's pod by address, which the host reaches.
    ///
    /// # Errors
    /// If the pods cannot be listed.
    pub fn bootstrap(&self) -> anyhow::Result<String> {
        let pods = self.brokers()?;
        let addresses = pods.values().filter_map(|pod| pod.ip.as_ref());
        Ok(addresses
            .map(|ip| format!("{ip}:{CLIENT_PORT}"))
            .collect::<Vec<_>>()
            .join(","))
    }

    /// The brokers' log directories, seen from this host.
    ///
    /// # Errors
    /// If a broker does not run.
    pub fn log_directories(&self) -> anyhow::Result<BTreeMap<i32, PathBuf>> {
        let mut folders = BTreeMap::new();
        for (id, pod) in self.brokers()? {
            let process = self
                .localkube
                .process_id(&self.kubernetes.namespace, &pod.name)?;
            folders.insert(
                id,
                PathBuf::from(format!("/proc/{process}/root/{LOG_DIRECTORY}")),
            );
        }
        Ok(folders)
    }

    /// Kills the main process of a pod of this cluster, from the host. Gives how long ago the
    /// signal was sent, to a millisecond: the launcher takes some time before and after it.
    ///
    /// # Errors
    /// If it does not run.
    pub fn kill(&self, pod: &PodView) -> anyhow::Result<Duration> {
        let target = format!("{}/{}", self.kubernetes.namespace, pod.name);
        let printed = self.localkube.run(&["kill", &target])?;
        let signal: serde_json::Value = serde_json::from_str(&printed)
            .context("failed to read what `localkube kill` printed")?;
        let sent = signal
            .get("sent_unix_ms")
            .and_then(serde_json::Value::as_u64);
        let sent = sent.context("`localkube kill` printed no sent_unix_ms")?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        Ok(now.saturating_sub(Duration::from_millis(sent)))
    }

    /// A broker's pod.
    ///
    /// # Errors
    /// If there is none.
    pub fn broker(&self, id: i32) -> anyhow::Result<PodView> {
        self.brokers()?
            .remove(&id)
            .with_context(|| format!("broker {id} has no pod"))
    }
}
