//! The operator's own metrics, in Prometheus' text format.

mod autoscaling;
mod balance;
mod growth;
mod rebalances;
mod storage;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kintsugi_crds::KafkaRebalanceStatus;
use prometheus::{
    Encoder, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use self::autoscaling::Autoscaling;
use self::balance::Excesses;
use self::growth::PartitionGrowths;
use self::rebalances::Rebalances;
use self::storage::Volumes;
use crate::balance::Balancing;
use crate::decide::gates::{Closed, Gate};
use crate::learned::Part;
use crate::scale::Sizing;
use crate::storage::Storing;
use crate::topic::growth::Growth;
use crate::topic::validate::Topic;

/// A look that takes longer than this is stuck: everything in it is bounded well below.
const STUCK_AFTER: Duration = Duration::from_secs(300);

/// What a look is at: the label `kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A KafkaCluster.
    Cluster,
    /// A KafkaTopic.
    Topic,
    /// A KafkaRebalance.
    Rebalance,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Cluster, Self::Topic, Self::Rebalance];

    fn name(self) -> &'static str {
        match self {
            Kind::Cluster => "KafkaCluster",
            Kind::Topic => "KafkaTopic",
            Kind::Rebalance => "KafkaRebalance",
        }
    }
}

/// All metrics.
pub struct Metrics {
    registry: Registry,
    looks: IntCounterVec,
    failures: IntCounterVec,
    acts: IntCounterVec,
    gates: IntGaugeVec,
    durations: HistogramVec,
    topics: IntGaugeVec,
    learned: IntGaugeVec,
    autoscaling: Autoscaling,
    rebalances: Rebalances,
    excesses: Excesses,
    growths: PartitionGrowths,
    volumes: Volumes,
    /// Whether each topic is ready, by namespace and name: what `topics` counts.
    topics_ready: Mutex<BTreeMap<(String, String), bool>>,
    running: Mutex<BTreeMap<(Kind, String, String), Instant>>,
}

/// A look in progress; ends when dropped.
pub struct Running<'a> {
    metrics: &'a Metrics,
    key: (Kind, String, String),
    began: Instant,
}

impl Metrics {
    /// Registers all metrics.
    ///
    /// # Errors
    /// When two carry the same name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let looks = IntCounterVec::new(
            Opts::new("kintsugi_operator_looks_total", "Looks begun."),
            &["kind"],
        )?;
        let failures = IntCounterVec::new(
            Opts::new(
                "kintsugi_operator_look_failures_total",
                "Looks that failed.",
            ),
            &["kind", "namespace", "cluster"],
        )?;
        let acts = IntCounterVec::new(
            Opts::new("kintsugi_operator_acts_total", "Commands carried out."),
            &["kind"],
        )?;
        let topics = IntGaugeVec::new(
            Opts::new(
                "kintsugi_operator_topics",
                "KafkaTopics looked at, by whether they are ready.",
            ),
            &["ready"],
        )?;
        let gates = IntGaugeVec::new(
            Opts::new(
                "kintsugi_operator_gate_closed",
                "Acts that a gate holds back at present, by gate.",
            ),
            &["namespace", "cluster", "gate"],
        )?;
        let durations = HistogramVec::new(
            HistogramOpts::new(
                "kintsugi_operator_look_duration_seconds",
                "Duration of a look: observe, validate, decide, act.",
            ),
            &["kind"],
        )?;
        registry.register(Box::new(looks.clone()))?;
        registry.register(Box::new(failures.clone()))?;
        registry.register(Box::new(acts.clone()))?;
        registry.register(Box::new(gates.clone()))?;
        registry.register(Box::new(durations.clone()))?;
        registry.register(Box::new(topics.clone()))?;
        let learned = learned_bytes()?;
        registry.register(Box::new(learned.clone()))?;
        let autoscaling = Autoscaling::register(&registry)?;
        let rebalances = Rebalances::register(&registry)?;
        let excesses = Excesses::register(&registry)?;
        let growths = PartitionGrowths::register(&registry)?;
        let volumes = Volumes::register(&registry)?;
        let running = Mutex::default();
        Ok(Self {
            registry,
            looks,
            failures,
            acts,
            gates,
            durations,
            topics,
            learned,
            autoscaling,
            rebalances,
            excesses,
            growths,
            volumes,
            topics_ready: Mutex::default(),
            running,
        })
    }

    /// Marks the beginning of a look.
    pub fn begin(&self, kind: Kind, namespace: &str, name: &str) -> Running<'_> {
        self.looks.with_label_values(&[kind.name()]).inc();
        let key = (kind, namespace.to_owned(), name.to_owned());
        let began = Instant::now();
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key.clone(), began);
        Running {
            metrics: self,
            key,
            began,
        }
    }

    /// Counts commands that were carried out.
    pub fn acts(&self, kind: Kind, done: usize) {
        let acts = self.acts.with_label_values(&[kind.name()]);
        acts.inc_by(done.try_into().unwrap_or(u64::MAX));
    }

    /// Counts a topic as ready or not.
    pub fn topic(&self, namespace: &str, name: &str, is_ready: bool) {
        let key = (namespace.to_owned(), name.to_owned());
        self.count_topics(|topics| topics.insert(key, is_ready));
    }

    /// Counts a topic no longer.
    pub fn forget_topic(&self, namespace: &str, name: &str) {
        self.growths.forget(namespace, name);
        self.count_topics(|topics| topics.remove(&(namespace.to_owned(), name.to_owned())));
    }

    /// Shows what a topic's partitions are decided by; nothing where people choose their number.
    pub fn growth(&self, topic: &Topic, growth: Option<&Growth>) {
        match growth {
            Some(growth) => self.growths.show(topic, growth),
            None => self.growths.forget(&topic.namespace, &topic.name),
        }
    }

    fn count_topics(
        &self,
        change: impl FnOnce(&mut BTreeMap<(String, String), bool>) -> Option<bool>,
    ) {
        let mut topics = self
            .topics_ready
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        change(&mut topics);
        for is_ready in [true, false] {
            let count = topics.values().filter(|ready| **ready == is_ready).count();
            self.topics
                .with_label_values(&[if is_ready { "true" } else { "false" }])
                .set(count.try_into().unwrap_or(i64::MAX));
        }
    }

    /// Shows how far a rebalance is.
    pub fn rebalance(&self, namespace: &str, name: &str, status: Option<&KafkaRebalanceStatus>) {
        self.rebalances.show(namespace, name, status);
    }

    /// Shows a rebalance no longer.
    pub fn forget_rebalance(&self, namespace: &str, name: &str) {
        self.rebalances.forget(namespace, name);
    }

    /// Counts a failed look.
    pub fn failed(&self, kind: Kind, namespace: &str, cluster: &str) {
        let labels = [kind.name(), namespace, cluster];
        self.failures.with_label_values(&labels).inc();
    }

    /// Shows each gate: how many acts it holds back.
    pub fn gates(&self, namespace: &str, cluster: &str, closed: &[Closed]) {
        for gate in Gate::ALL {
            let held = closed.iter().filter(|closed| closed.gate == gate).count();
            self.gates
                .with_label_values(&[namespace, cluster, gate.name()])
                .set(held.try_into().unwrap_or(i64::MAX));
        }
    }

    /// Shows what was decided of a cluster's size and by what; nothing where people choose it.
    pub fn size(&self, namespace: &str, cluster: &str, sizing: Option<&Sizing>) {
        self.autoscaling.show(namespace, cluster, sizing);
    }

    /// Shows how far the fullest broker is above the mean; nothing where that is not known.
    pub fn balance(&self, namespace: &str, cluster: &str, balancing: Option<&Balancing>) {
        self.excesses.show(namespace, cluster, balancing);
    }

    /// Shows how full the fullest volume is; nothing where volumes do not grow by themselves.
    pub fn storage(&self, namespace: &str, cluster: &str, storing: Option<&Storing>) {
        self.volumes.show(namespace, cluster, storing);
    }

    /// Shows how much of what is learned was written.
    pub fn learned(&self, namespace: &str, cluster: &str, part: Part, bytes: usize) {
        let labels = [namespace, cluster, part.name()];
        let gauge = self.learned.with_label_values(&labels);
        gauge.set(bytes.try_into().unwrap_or(i64::MAX));
    }

    /// Removes a cluster that is gone, so that labels do not pile up.
    pub fn forget(&self, namespace: &str, cluster: &str) {
        for gate in Gate::ALL {
            // Absent is fine: the cluster may never have been looked at.
            let _ = self
                .gates
                .remove_label_values(&[namespace, cluster, gate.name()]);
        }
        for part in Part::ALL {
            let labels = [namespace, cluster, part.name()];
            let _ = self.learned.remove_label_values(&labels);
        }
        self.autoscaling.forget(namespace, cluster);
        self.excesses.forget(namespace, cluster);
        self.volumes.show(namespace, cluster, None);
        for kind in Kind::ALL {
            let labels = [kind.name(), namespace, cluster];
            let _ = self.failures.remove_label_values(&labels);
        }
    }

    /// Whether a look has been running for too long.
    pub fn is_stuck(&self) -> bool {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.values().any(|began| began.elapsed() > STUCK_AFTER)
    }

    /// The metrics as text.
    ///
    /// # Errors
    /// When a metric cannot be encoded.
    pub fn text(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

fn learned_bytes() -> Result<IntGaugeVec, prometheus::Error> {
    IntGaugeVec::new(
        Opts::new(
            "kintsugi_operator_learned_bytes",
            "Bytes of what is learned of a cluster, by part, as last written to its ConfigMap.",
        ),
        &["namespace", "cluster", "part"],
    )
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.metrics
            .durations
            .with_label_values(&[self.key.0.name()])
            .observe(self.began.elapsed().as_secs_f64());
        let mut running = self
            .metrics
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        running.remove(&self.key);
    }
}

/// Registers figures of clusters, told apart by `label`.
///
/// # Errors
/// When two carry the same name.
fn by_cluster(
    registry: &Registry,
    name: &str,
    help: &str,
    label: &str,
) -> Result<GaugeVec, prometheus::Error> {
    let gauge = GaugeVec::new(Opts::new(name, help), &["namespace", "cluster", label])?;
    registry.register(Box::new(gauge.clone()))?;
    Ok(gauge)
}

/// A figure that is not known is shown as none, not as 0.
fn set(gauge: &GaugeVec, labels: &[&str], value: Option<f64>) {
    match value {
        Some(value) => gauge.with_label_values(labels).set(value),
        // Absent is fine: it may never have been known.
        None => drop(gauge.remove_label_values(labels)),
    }
}
