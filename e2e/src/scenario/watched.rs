//! Watches every node from a thread of its own while a scenario does something else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, ensure};

use super::beside::Beside;
use super::environment::Environment;
use crate::kubernetes::api::Kubernetes;

/// The time between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// What was seen of the nodes.
#[derive(Debug, Default)]
pub struct Seen {
    /// Looks taken.
    pub looks: usize,
    /// The least number of nodes that were ready in one look.
    pub ready_min: usize,
    /// Each node's pods in the order in which they were first seen, by uid.
    pub pods: BTreeMap<i32, Vec<String>>,
}

/// A watch that goes on.
pub struct Watched(Beside<Seen>);

impl Watched {
    /// Begins to watch.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn begin(environment: &Environment) -> anyhow::Result<Self> {
        let kubernetes =
            Kubernetes::connect(&environment.kubeconfig, &environment.kubernetes.namespace)?;
        let cluster = environment.cluster.clone();
        let seen = Seen {
            ready_min: usize::MAX,
            ..Seen::default()
        };
        let look = move |seen: &mut Seen| look(seen, &kubernetes, &cluster);
        Beside::begin("watch", LOOK_INTERVAL, seen, look).map(Self)
    }

    /// Ends the watch.
    ///
    /// # Errors
    /// If the API server stopped answering.
    pub fn end(self) -> anyhow::Result<Seen> {
        self.0.end()
    }
}

fn look(seen: &mut Seen, kubernetes: &Kubernetes, cluster: &str) -> anyhow::Result<()> {
    let mut nodes = kubernetes.pods(cluster, "controller")?;
    nodes.extend(kubernetes.pods(cluster, "broker")?);
    let ready = nodes.values().filter(|pod| pod.ready).count();
    seen.looks += 1;
    seen.ready_min = seen.ready_min.min(ready);
    for (id, pod) in nodes {
        let pods = seen.pods.entry(id).or_default();
        if !pods.contains(&pod.uid) {
            pods.push(pod.uid);
        }
    }
    Ok(())
}

impl Seen {
    /// Checks that never two of `nodes` nodes were down at once, and that each had so many pods.
    ///
    /// # Errors
    /// If it was not so.
    pub fn ensure_one_at_a_time(&self, nodes: usize, pods_each: usize) -> anyhow::Result<()> {
        let (looks, ready) = (self.looks, self.ready_min);
        println!("  never less than {ready} of {nodes} nodes ready, in {looks} looks");
        ensure!(ready + 1 >= nodes, "two nodes were down at once");
        let ids: BTreeSet<i32> = self.pods.keys().copied().collect();
        ensure!(ids.len() == nodes, "expected {nodes} nodes, saw {ids:?}");
        let other = self.pods.iter().find(|(_, pods)| pods.len() != pods_each);
        match other {
            None => Ok(()),
            Some((id, pods)) => Err(anyhow::anyhow!("pods {pods:?}"))
                .with_context(|| format!("node {id} had not {pods_each} pods but {}", pods.len())),
        }
    }
}
