//! The two policies that are compared: the HorizontalPodAutoscaler and the scaler.

use kintsugi_forecast::{
    Brokers, Constraints, Decision, Direction, Loads, Resource, ResourceSettings, Sample, Scaler,
    Settings,
    hpa::{Behavior, Controller, Metric, desired_replicas},
};

use crate::{
    simulate::{LIMITS, Policy, View},
    suite::Setting,
    trace::STEP_SECONDS,
};

/// One point of the HorizontalPodAutoscaler's grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GridPoint {
    /// The utilisation that is aimed for.
    pub target: f64,
    /// The tolerance, both ways.
    pub tolerance: f64,
    /// The scale-down window.
    pub stabilization_seconds: u32,
}

/// The whole grid.
pub fn grid() -> Vec<GridPoint> {
    let mut points = Vec::new();
    for target in (10..=19).map(|twentieths| f64::from(twentieths) / 20.0) {
        for tolerance in [0.0, 0.05, 0.1, 0.2] {
            for stabilization_seconds in [0, 300, 900, 3_600] {
                points.push(GridPoint {
                    target,
                    tolerance,
                    stabilization_seconds,
                });
            }
        }
    }
    points
}

impl GridPoint {
    fn behavior(&self) -> Behavior {
        let mut behavior = Behavior::default();
        behavior.scale_up.tolerance = self.tolerance;
        behavior.scale_down.tolerance = self.tolerance;
        behavior.scale_down.stabilization_window_seconds = self.stabilization_seconds;
        behavior
    }
}

/// The HorizontalPodAutoscaler. It is shown the true load, where a real one would see a processor
/// that cannot be used above 100 %.
#[derive(Debug)]
pub struct HorizontalPodAutoscaler {
    target: f64,
    behavior: Behavior,
    controller: Controller,
}

impl HorizontalPodAutoscaler {
    /// At one point of the grid.
    pub fn new(point: GridPoint) -> Self {
        HorizontalPodAutoscaler {
            target: point.target,
            behavior: point.behavior(),
            controller: Controller::default(),
        }
    }
}

impl Policy for HorizontalPodAutoscaler {
    fn decide(&mut self, view: View, current: u32) -> u32 {
        let metric = Metric {
            mean: view.load / f64::from(view.serving.max(1)),
            reporting: view.serving,
            missing: 0,
            unready: view.starting,
            target: self.target,
            missing_value: 1.0,
        };
        let Some(desired) = desired_replicas(current, &metric, self.behavior.tolerance()) else {
            return current;
        };
        let (size, _) =
            (self.controller).normalize(view.now_ms, current, desired, LIMITS, &self.behavior);
        if size != current {
            self.controller
                .scaled(view.now_ms, current, size, &self.behavior);
        }
        size
    }
}

/// The scaler of this repository, as the operator calls it.
#[derive(Debug)]
pub struct Forecasting {
    scaler: Scaler,
    /// The last decision.
    pub last: Option<Decision>,
    decisions: u64,
    skilled: u64,
}

impl Forecasting {
    /// With a price of violations, the rule that it falls back to, what the simulation charges for
    /// a move beside the time that it takes, and what was learned before.
    ///
    /// # Errors
    /// Settings out of range.
    pub fn new(
        setting: Setting,
        delay_seconds: i64,
        learned: Option<&Scaler>,
    ) -> anyhow::Result<Self> {
        let fallback = setting.fallback;
        let settings = Settings {
            move_price: delay_seconds as f64,
            resources: [
                Some(ResourceSettings {
                    capacity_per_broker: 1.0,
                    target: fallback.target,
                }),
                None,
                None,
            ],
            behavior: fallback.behavior(),
            violation_price: setting.price,
            ..Settings::default()
        };
        let scaler = match learned {
            Some(learned) => Scaler::restore(learned.clone(), settings)?,
            None => Scaler::new(settings)?,
        };
        Ok(Forecasting {
            scaler,
            last: None,
            decisions: 0,
            skilled: 0,
        })
    }

    /// The part of its decisions in which the forecast was better than naive ones.
    pub fn skilled_share(&self) -> f64 {
        self.skilled as f64 / self.decisions.max(1) as f64
    }
}

/// A scaler that was shown `loads` and decided nothing yet.
///
/// # Errors
/// Loads that it refuses.
pub fn learn(loads: &[f64], start_ms: i64) -> anyhow::Result<Scaler> {
    let resource = ResourceSettings {
        capacity_per_broker: 1.0,
        target: 0.7,
    };
    let mut scaler = Scaler::new(Settings {
        resources: [Some(resource), None, None],
        ..Settings::default()
    })?;
    for (step, &load) in (0..).zip(loads) {
        let brokers = Brokers {
            reporting: 1,
            missing: 0,
            unready: 0,
        };
        let sample = Sample {
            loads: Loads::default().with(Resource::Cpu, load),
            brokers,
            cpu_utilization: None,
        };
        scaler.observe(start_ms + step * STEP_SECONDS * 1_000, sample)?;
    }
    Ok(scaler)
}

impl Policy for Forecasting {
    fn decide(&mut self, view: View, current: u32) -> u32 {
        let sample = Sample {
            loads: Loads::default().with(Resource::Cpu, view.load),
            brokers: Brokers {
                reporting: view.serving,
                missing: 0,
                unready: view.starting,
            },
            cpu_utilization: None,
        };
        let constraints = Constraints {
            min_replicas: LIMITS.0,
            max_replicas: LIMITS.1,
            dry_run: false,
        };
        if self.scaler.observe(view.now_ms, sample).is_err() {
            return current;
        }
        let Ok(decision) = self.scaler.decide(view.now_ms, current, constraints) else {
            return current;
        };
        let size = decision.size;
        self.decisions += 1;
        self.skilled += u64::from(self.scaler.has_skill());
        self.scaler.scaled(view.now_ms, current, size);
        self.last = Some(decision);
        size
    }

    fn finished(&mut self, grew: bool, duration_ms: i64) {
        let direction = if grew { Direction::Up } else { Direction::Down };
        self.scaler.scale_finished(direction, duration_ms);
    }
}
