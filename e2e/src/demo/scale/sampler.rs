//! Each second, what the operator exports; by a thread, until it is stopped.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::exported::Exported;
use crate::kubernetes::api::Kubernetes;
use crate::kubernetes::http;
use crate::scenario::environment::Environment;
use crate::scenario::need::OPERATOR_PORT;

/// The time between two samples.
const INTERVAL: Duration = Duration::from_secs(1);
/// Samples that are kept: an hour's, which is more than the demo's limits allow.
const SAMPLES_MAX: usize = 3_600;
/// How long the operator may take to answer at first.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// What was sampled, and the moments that were named, in seconds from the beginning.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// The samples, by time.
    pub exported: Vec<(f64, Exported)>,
    /// Seconds in which the operator did not answer.
    pub missed: usize,
    /// What happened when.
    pub moments: Vec<(f64, String)>,
}

/// Names moments, from any thread.
#[derive(Clone)]
pub struct Marker {
    began: Instant,
    samples: Arc<Mutex<Samples>>,
}

impl Marker {
    /// Names this moment.
    pub fn mark(&self, what: &str) {
        let moment = (self.began.elapsed().as_secs_f64(), what.to_owned());
        lock(&self.samples).moments.push(moment);
    }
}

/// The thread that samples.
pub struct Sampler {
    began: Instant,
    samples: Arc<Mutex<Samples>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sampler {
    /// Begins, once the operator answers.
    ///
    /// # Errors
    /// If it cannot be reached from here, or the thread not be started.
    pub fn start(environment: &Environment) -> anyhow::Result<Self> {
        let operators = environment.operators();
        let source = Source {
            namespace: environment.kubernetes.namespace.clone(),
            cluster: environment.cluster.clone(),
            operators,
        };
        let what =
            "the operator's metrics, which pods' addresses must be in reach of this host for";
        let asked = &source;
        source.operators.wait(what, ANSWER_LIMIT, |_| {
            Ok(asked
                .ask(&mut None)
                .map(drop)
                .map_err(|error| format!("{error:#}")))
        })?;
        let (samples, stop) = (Arc::new(Mutex::default()), Arc::new(AtomicBool::new(false)));
        let began = Instant::now();
        let (kept, told) = (Arc::clone(&samples), Arc::clone(&stop));
        let thread = std::thread::Builder::new()
            .name("sampler".to_owned())
            .spawn(move || source.sample_until(&told, began, &kept))
            .context("failed to start the thread that samples")?;
        Ok(Self {
            began,
            samples,
            stop,
            thread: Some(thread),
        })
    }

    /// Names this moment.
    pub fn mark(&self, what: &str) {
        self.marker().mark(what);
    }

    /// What another thread names moments by.
    #[must_use]
    pub fn marker(&self) -> Marker {
        Marker {
            began: self.began,
            samples: Arc::clone(&self.samples),
        }
    }

    /// What was exported last, if anything was yet.
    #[must_use]
    pub fn newest(&self) -> Option<Exported> {
        let samples = lock(&self.samples);
        samples.exported.last().map(|(_, exported)| *exported)
    }

    /// Stops, and gives what was sampled.
    #[must_use]
    pub fn stop(mut self) -> Samples {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A thread that died has left its samples behind.
            drop(thread.join());
        }
        lock(&self.samples).clone()
    }
}

fn lock(samples: &Mutex<Samples>) -> std::sync::MutexGuard<'_, Samples> {
    samples.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where samples come from.
struct Source {
    operators: Kubernetes,
    namespace: String,
    cluster: String,
}

impl Source {
    fn sample_until(&self, stop: &AtomicBool, began: Instant, samples: &Mutex<Samples>) {
        let mut address = None;
        for round in 1..=SAMPLES_MAX {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let answer = self.ask(&mut address);
            let at = began.elapsed().as_secs_f64();
            match answer {
                Ok(exported) => lock(samples).exported.push((at, exported)),
                Err(_) => {
                    // It may have another address by the next second.
                    address = None;
                    lock(samples).missed += 1;
                }
            }
            let due = INTERVAL * u32::try_from(round).unwrap_or(u32::MAX);
            std::thread::sleep(due.saturating_sub(began.elapsed()));
        }
    }

    /// Asks the operator that acts, at the address that is known.
    fn ask(&self, address: &mut Option<String>) -> anyhow::Result<Exported> {
        let ip = match address.take() {
            Some(known) => known,
            None => {
                let pod = self.operators.pod(&self.operators.lease_holder()?)?;
                let ip = pod.status.and_then(|status| status.pod_ip);
                ip.context("the operator's pod has no address")?
            }
        };
        let text = http::get_from(&ip, OPERATOR_PORT, "/metrics")?;
        *address = Some(ip);
        Ok(Exported::read(&text, &self.namespace, &self.cluster))
    }
}
