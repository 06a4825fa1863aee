//! What a scenario works with.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::kubernetes::api::{Kubernetes, PodView};
use crate::kubernetes::helm::Helm;
use crate::kubernetes::localkube::Localkube;
use crate::kubernetes::signals::{Signal, Signals};

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
    /// The launcher, if the cluster is one of its own.
    pub localkube: Option<Localkube>,
    /// Who signals processes in pods, or what is missing for that.
    pub signals: Result<Signals, String>,
    /// Helm and the chart, if they are at hand.
    pub helm: Option<Helm>,
    /// The KafkaCluster's name.
    pub cluster: String,
    /// Its manifest.
    pub manifest: String,
    /// The namespace of the operator.
    pub operator_namespace: String,
    /// The kubeconfig's path.
    pub kubeconfig: PathBuf,
    /// Checks that could not be made since the list was last taken, and what they need.
    pub unchecked: RefCell<BTreeSet<String>>,
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

    /// The operator's namespace.
    #[must_use]
    pub fn operators(&self) -> Kubernetes {
        self.kubernetes.in_namespace(&self.operator_namespace)
    }

    /// The launcher, through which this host has the nodes' processes and files. Without one, notes
    /// that `check` could not be made.
    pub fn node_access(&self, check: &str) -> Option<&Localkube> {
        if self.localkube.is_none() {
            let unchecked = format!("{check} (needs node access)");
            self.unchecked.borrow_mut().insert(unchecked);
        }
        self.localkube.as_ref()
    }

    /// The brokers' log directories, seen from this host.
    ///
    /// # Errors
    /// If a broker does not run.
    pub fn log_directories(&self, localkube: &Localkube) -> anyhow::Result<BTreeMap<i32, PathBuf>> {
        let mut folders = BTreeMap::new();
        for (id, pod) in self.brokers()? {
            let process = localkube.process_id(&self.kubernetes.namespace, &pod.name)?;
            folders.insert(
                id,
                PathBuf::from(format!("/proc/{process}/root/{LOG_DIRECTORY}")),
            );
        }
        Ok(folders)
    }

    /// Signals the main process of a pod; gives how long ago that was.
    ///
    /// # Errors
    /// If it does not run, or nobody can signal it.
    pub fn signal(&self, namespace: &str, pod: &str, signal: Signal) -> anyhow::Result<Duration> {
        match &self.signals {
            Ok(signals) => signals.send(namespace, pod, signal),
            Err(missing) => bail!("failed to {signal} {pod}: it needs {missing}"),
        }
    }

    /// Kills the main process of a pod of this cluster; gives how long ago that was.
    ///
    /// # Errors
    /// If it does not run, or nobody can signal it.
    pub fn kill(&self, pod: &PodView) -> anyhow::Result<Duration> {
        self.signal(&self.kubernetes.namespace, &pod.name, Signal::Kill)
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
