//! The two policies that are compared: the HorizontalPodAutoscaler and the scaler.

use std::fmt;

use kintsugi_forecast::{
    Brokers, Constraints, Decision, Direction, Loads, Models, Resource, ResourceSettings, Sample,
    Scaler, Settings,
    hpa::{Behavior, Controller, Metric, desired_replicas},
};

use crate::{
    path::Setting,
    simulate::{LIMITS, Policy, View},
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

impl fmt::Display for GridPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "target {:.2}, tolerance {:.2}, window {} s",
            self.target, self.tolerance, self.stabilization_seconds
        )
    }
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
    /// What a [`Teacher`] has learned, while it is lent.
    lent: Option<Models>,
}

impl Forecasting {
    /// With a setting, and what the simulation charges for a move beside the time that it takes.
    ///
    /// # Errors
    /// Settings out of range.
    pub fn new(setting: Setting, delay_seconds: i64) -> anyhow::Result<Self> {
        let fallback = setting.fallback;
        let scaler = Scaler::new(Settings {
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
            emergency_target: setting.emergency_target,
            violation_price: setting.price,
            ..Settings::default()
        })?;
        Ok(Forecasting {
            scaler,
            last: None,
            decisions: 0,
            skilled: 0,
            lent: None,
        })
    }

    /// The same, of one that learns nothing itself: a [`Teacher`] does.
    ///
    /// # Errors
    /// Settings out of range.
    pub fn pupil(setting: Setting, delay_seconds: i64) -> anyhow::Result<Self> {
        let mut pupil = Self::new(setting, delay_seconds)?;
        drop(pupil.scaler.take_models());
        Ok(pupil)
    }

    /// Shows it a load before its first decision.
    #[cfg(test)]
    pub fn observe(&mut self, now_ms: i64, load: f64) {
        let seen = sample(load, 1, 0);
        self.scaler.observe(now_ms, seen).expect("a load");
    }

    /// Whether the forecast was better than naive ones at each of its decisions.
    pub fn always_skilled(&self) -> bool {
        self.skilled == self.decisions
    }

    /// The part of its decisions in which the forecast was better than naive ones.
    pub fn skilled_share(&self) -> f64 {
        self.skilled as f64 / self.decisions.max(1) as f64
    }
}

impl Policy for Forecasting {
    fn decide(&mut self, view: View, current: u32) -> u32 {
        let constraints = Constraints {
            min_replicas: LIMITS.0,
            max_replicas: LIMITS.1,
            dry_run: false,
        };
        let seen = sample(view.load, view.serving, view.starting);
        if self.scaler.observe(view.now_ms, seen).is_err() {
            return current;
        }
        // Only now: the teacher has shown the models this load.
        let lent = self.lent.take();
        let is_pupil = lent.is_some();
        if let Some(models) = lent {
            self.scaler.put_models(models);
        }
        let decision = self.scaler.decide(view.now_ms, current, constraints);
        if is_pupil {
            self.lent = Some(self.scaler.take_models());
        }
        let Ok(decision) = decision else {
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

/// One that learns a load and decides nothing, for many scalers that decide by what it learned.
#[derive(Clone, Debug)]
pub struct Teacher(Scaler);

impl Teacher {
    /// One that has seen nothing.
    ///
    /// # Errors
    /// None with these settings.
    pub fn new() -> anyhow::Result<Self> {
        let resource = ResourceSettings {
            capacity_per_broker: 1.0,
            target: 0.7,
        };
        Ok(Teacher(Scaler::new(Settings {
            resources: [Some(resource), None, None],
            ..Settings::default()
        })?))
    }

    /// Shows it a load.
    ///
    /// # Errors
    /// A load that cannot be.
    pub fn observe(&mut self, now_ms: i64, load: f64) -> anyhow::Result<()> {
        Ok(self.0.observe(now_ms, sample(load, 1, 0))?)
    }

    /// Lets a pupil decide by what was learned.
    pub fn teach<T>(
        &mut self,
        pupil: &mut Forecasting,
        decide: impl FnOnce(&mut Forecasting) -> T,
    ) -> T {
        pupil.lent = Some(self.0.take_models());
        let decided = decide(pupil);
        self.0.put_models(pupil.lent.take().unwrap_or_default());
        decided
    }
}

fn sample(load: f64, serving: u32, starting: u32) -> Sample {
    Sample {
        loads: Loads::default().with(Resource::Cpu, load),
        brokers: Brokers {
            reporting: serving,
            missing: 0,
            unready: starting,
        },
        cpu_utilization: None,
    }
}
