//! The operator's own metrics, in Prometheus' text format.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use std::collections::BTreeMap;

use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use crate::decide::gates::{Closed, Gate};

/// A look that takes longer than this is stuck: everything in it is bounded well below.
const STUCK_AFTER: Duration = Duration::from_secs(300);

/// All metrics.
pub struct Metrics {
    registry: Registry,
    looks: IntCounter,
    failures: IntCounterVec,
    acts: IntCounter,
    gates: IntGaugeVec,
    durations: Histogram,
    running: Mutex<BTreeMap<(String, String), Instant>>,
}

/// A look in progress; ends when dropped.
pub struct Running<'a> {
    metrics: &'a Metrics,
    key: (String, String),
    began: Instant,
}

impl Metrics {
    /// Registers all metrics.
    ///
    /// # Errors
    /// When two carry the same name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let looks = IntCounter::new("kintsugi_operator_looks_total", "Looks at a cluster begun.")?;
        let failures = IntCounterVec::new(
            Opts::new(
                "kintsugi_operator_look_failures_total",
                "Looks that failed.",
            ),
            &["namespace", "cluster"],
        )?;
        let acts = IntCounter::new("kintsugi_operator_acts_total", "Commands carried out.")?;
        let gates = IntGaugeVec::new(
            Opts::new(
                "kintsugi_operator_gate_closed",
                "Acts that a gate holds back at present, by gate.",
            ),
            &["namespace", "cluster", "gate"],
        )?;
        let durations = Histogram::with_opts(HistogramOpts::new(
            "kintsugi_operator_look_duration_seconds",
            "Duration of a look: observe, validate, decide, act.",
        ))?;
        registry.register(Box::new(looks.clone()))?;
        registry.register(Box::new(failures.clone()))?;
        registry.register(Box::new(acts.clone()))?;
        registry.register(Box::new(gates.clone()))?;
        registry.register(Box::new(durations.clone()))?;
        let running = Mutex::default();
        Ok(Self {
            registry,
            looks,
            failures,
            acts,
            gates,
            durations,
            running,
        })
    }

    /// Marks the beginning of a look.
    pub fn begin(&self, namespace: &str, cluster: &str) -> Running<'_> {
        self.looks.inc();
        let key = (namespace.to_owned(), cluster.to_owned());
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
    pub fn acts(&self, done: usize) {
        self.acts.inc_by(done.try_into().unwrap_or(u64::MAX));
    }

    /// Counts a failed look.
    pub fn failed(&self, namespace: &str, cluster: &str) {
        self.failures.with_label_values(&[namespace, cluster]).inc();
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

    /// Removes a cluster that is gone, so that labels do not pile up.
    pub fn forget(&self, namespace: &str, cluster: &str) {
        for gate in Gate::ALL {
            // Absent is fine: the cluster may never have been looked at.
            let _ = self
                .gates
                .remove_label_values(&[namespace, cluster, gate.name()]);
        }
        let _ = self.failures.remove_label_values(&[namespace, cluster]);
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

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.metrics
            .durations
            .observe(self.began.elapsed().as_secs_f64());
        let mut running = self
            .metrics
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        running.remove(&self.key);
    }
}
