//! What sizes are decided by, in numbers: for metrics.

use k8s_openapi::jiff::Timestamp;
use kintsugi_forecast::{Forecast, Resource, Sample, Scaler, Settings};

use crate::names::Role;
use crate::observe::Observed;

/// One resource that sizes are decided by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResourceFigures {
    /// Which.
    pub resource: Resource,
    /// What all brokers carry of it; None where nothing was measured lately.
    pub load: Option<f64>,
    /// What one broker is meant to carry: the target's part of its capacity.
    pub broker_target: Option<f64>,
}

/// The figures of one cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Brokers that are ready.
    pub ready: usize,
    /// The resources that its size is decided by.
    pub resources: Vec<ResourceFigures>,
    /// What is forecast; None where there is none yet.
    pub forecast: Option<Forecast>,
    /// Whether the forecast decides, and not the rule.
    pub forecast_decides: bool,
    /// Seconds of load that were learned from, and that were observed without a long pause.
    pub known_seconds: [Option<f64>; 2],
}

impl Figures {
    /// The figures by what was `measured` at this look.
    pub fn of(
        observed: &Observed,
        settings: &Settings,
        scaler: Option<&Scaler>,
        measured: Option<Sample>,
        forecast: Option<Forecast>,
        now: Timestamp,
    ) -> Self {
        let since = |at_ms: i64| (now.as_millisecond() - at_ms).max(0) as f64 / 1_000.0;
        let pods = observed.pods.iter();
        let ready = pods
            .filter(|pod| pod.member.role == Role::Broker && pod.ready && !pod.is_terminating());
        let figures = |resource| {
            let target = settings.resource(resource)?.target;
            let capacity = scaler.and_then(|scaler| scaler.capacity_per_broker(resource));
            Some(ResourceFigures {
                resource,
                load: measured.and_then(|sample| sample.loads.get(resource)),
                broker_target: capacity.map(|capacity| capacity * target),
            })
        };
        Self {
            ready: ready.count(),
            resources: Resource::ALL.into_iter().filter_map(figures).collect(),
            forecast,
            forecast_decides: scaler.is_some_and(Scaler::has_skill),
            known_seconds: [Scaler::learned_since_ms, Scaler::observed_since_ms]
                .map(|known| scaler.and_then(known).map(since)),
        }
    }
}
