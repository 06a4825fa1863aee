//! One cluster's scaler: samples in, sizes with reasons out.

mod restore;
mod verdict;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use restore::RestoreError;

use crate::{
    capacity::Capacity,
    decide::{Choice, Outlook, Prices, choose},
    delay::{Delays, Direction},
    fill::{Fill, largest},
    floors::Floors,
    hpa::{self, Controller, Limit, Metric, Tolerance},
    model::LoadModel,
    reason::{Forecast, Reason},
    sample::{Resource, Sample, SampleError, check_time},
    settings::{Constraints, Settings, SettingsError},
};

/// A sample older than this says nothing about now.
const STALE_MS: i64 = 300_000;
/// A pause in the samples longer than this starts the observation anew.
const MAX_PAUSE_MS: i64 = 900_000;
/// Nothing shrinks before this was observed, however short the stabilization window.
const MIN_OBSERVED_MS: i64 = 300_000;

/// A size and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The size to have now.
    pub size: u32,
    /// The size that would be had without `dry_run`.
    pub wanted: u32,
    /// Why; its `Display` is a sentence.
    pub reason: Reason,
    /// What was forecast, where there is a forecast, whether it decided or not.
    pub forecast: Option<Forecast>,
}

/// Why a decision cannot be made.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum DecideError {
    /// The limits contradict each other.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The time went back.
    #[error(transparent)]
    Time(#[from] SampleError),
}

/// What was learned of the loads, by [`Resource`].
#[derive(Debug, Default)]
pub struct Models([Option<LoadModel>; 3]);

/// What is known about one cluster's load and how it scales. See the crate's documentation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scaler {
    settings: Settings,
    models: [Option<LoadModel>; 3],
    capacity: Capacity,
    grow: Delays,
    shrink: Delays,
    controller: Controller,
    floors: Floors,
    newest_ms: Option<i64>,
    observed_since_ms: Option<i64>,
    last: Option<(i64, Sample)>,
    skilled: bool,
    /// The choice of this minute: the path changes once a minute, so the choice does too.
    #[serde(skip)]
    choice: Option<(ChoiceKey, Choice)>,
    /// The forecast of this minute, for the same reason.
    #[serde(skip)]
    forecast: Option<(ForecastKey, Forecast)>,
}

/// What a choice was made for: minute, size, limits.
type ChoiceKey = (i64, u32, (u32, u32));
/// What a forecast was made for: minute, the newest minute that each model has learned from, delay.
type ForecastKey = (i64, [Option<i64>; 3], i64);

impl Scaler {
    /// What a scaler's state is at most, in memory and as a snapshot.
    pub const MAX_STATE_BYTES: usize = 1_000_000;

    /// A scaler that has seen nothing.
    ///
    /// # Errors
    /// [`SettingsError`] names the setting that is out of its range.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        let models =
            Resource::ALL.map(|resource| settings.resource(resource).map(|_| LoadModel::default()));
        let prior = (settings.resource(Resource::Cpu)).map_or(1.0, |cpu| cpu.capacity_per_broker);
        Ok(Scaler {
            models,
            capacity: Capacity::new(prior),
            grow: Delays::new(settings.delay_prior_ms),
            shrink: Delays::new(settings.delay_prior_ms),
            controller: Controller::default(),
            floors: Floors::default(),
            newest_ms: None,
            observed_since_ms: None,
            last: None,
            skilled: false,
            choice: None,
            forecast: None,
            settings,
        })
    }

    /// Takes in a sample of about now.
    ///
    /// # Errors
    /// [`SampleError`] for numbers or times that cannot be; the state stays as it was.
    pub fn observe(&mut self, now_ms: i64, sample: Sample) -> Result<(), SampleError> {
        check_time(now_ms, self.newest_ms)?;
        sample.check()?;
        self.newest_ms = Some(now_ms);
        if sample.loads.0.iter().all(Option::is_none) && sample.cpu_utilization.is_none() {
            return Ok(());
        }
        let paused = (self.last).is_none_or(|(last_ms, _)| now_ms - last_ms > MAX_PAUSE_MS);
        if paused {
            self.observed_since_ms = Some(now_ms);
        }
        self.last = Some((now_ms, sample));
        let brokers = sample.brokers;
        let present = f64::from(brokers.reporting) + f64::from(brokers.missing);
        for resource in Resource::ALL {
            let (Some(load), Some(model)) = (
                sample.loads.get(resource),
                &mut self.models[resource as usize],
            ) else {
                continue;
            };
            // Those that did not report carry as much as the others, as far as is known.
            let whole = load * present / f64::from(brokers.reporting.max(1));
            model.observe(now_ms, whole);
        }
        if let (Some(work), Some(used)) = (sample.loads.get(Resource::Cpu), sample.cpu_utilization)
        {
            self.capacity
                .observe(work / f64::from(brokers.reporting.max(1)), used);
        }
        Ok(())
    }

    /// Load of one resource that one broker can carry; for the processor as learned.
    pub fn capacity_per_broker(&self, resource: Resource) -> Option<f64> {
        let settings = self.settings.resource(resource)?;
        Some(match resource {
            Resource::Cpu => self.capacity.work_per_second(),
            Resource::NetworkIn | Resource::NetworkOut => settings.capacity_per_broker,
        })
    }

    /// Decides the size at this moment, where `current` was the last that was decided.
    ///
    /// # Errors
    /// [`DecideError`] for limits that leave no size, and for a time before the newest.
    pub fn decide(
        &mut self,
        now_ms: i64,
        current: u32,
        constraints: Constraints,
    ) -> Result<Decision, DecideError> {
        constraints.check()?;
        check_time(now_ms, self.newest_ms)?;
        self.newest_ms = Some(now_ms);
        let (size, reason, forecast) = self.decide_size(now_ms, current, constraints);
        let size = size.clamp(constraints.min_replicas, constraints.max_replicas);
        Ok(Decision {
            size: if constraints.dry_run { current } else { size },
            wanted: size,
            reason,
            forecast,
        })
    }

    /// Tells that a change of size was begun.
    pub fn scaled(&mut self, now_ms: i64, from: u32, to: u32) {
        if from != to {
            self.controller
                .scaled(now_ms, from, to, &self.settings.behavior);
        }
    }

    /// Tells how long a change of size took, from the decision until the new brokers carried
    /// their share or the drained ones were gone.
    pub fn scale_finished(&mut self, direction: Direction, duration_ms: i64) {
        match direction {
            Direction::Up => self.grow.observe(duration_ms),
            Direction::Down => self.shrink.observe(duration_ms),
        }
    }

    /// Takes out what was learned of the loads. Without it the rule decides, and nothing is learned.
    /// Sizes do not change what is learned: a replay of many settings lets all of them go by one.
    pub fn take_models(&mut self) -> Models {
        Models(std::mem::take(&mut self.models))
    }

    /// Puts back what [`Scaler::take_models`] took, from this scaler or from one of the same resources.
    pub fn put_models(&mut self, models: Models) {
        self.models = models.0;
    }

    /// Whether the forecast decides, being better than naive ones.
    pub fn has_skill(&self) -> bool {
        self.skilled
    }

    fn decide_size(
        &mut self,
        now_ms: i64,
        current: u32,
        constraints: Constraints,
    ) -> (u32, Reason, Option<Forecast>) {
        let (min, max) = (constraints.min_replicas, constraints.max_replicas);
        if current < min || current > max {
            return (current, Reason::OutsideLimits { min, max }, None);
        }
        let newest_ms = self.last.map(|(at_ms, _)| at_ms);
        let fresh = (self.last).filter(|(at_ms, _)| now_ms - at_ms <= STALE_MS);
        let Some((_, sample)) = fresh else {
            return (current, Reason::NoMetrics { newest_ms }, None);
        };
        let tolerance = self.settings.behavior.tolerance();
        let fills = self.fills(&sample, current, tolerance, None);
        let Some((fullest, desired)) = largest(current, &fills) else {
            return (current, Reason::NoMetrics { newest_ms }, None);
        };
        let (by_rule, limit) = (self.controller).normalize(
            now_ms,
            current,
            desired,
            (min, max),
            &self.settings.behavior,
        );
        let forecast = self.judge(now_ms, &sample);
        let (size, reason) = match forecast {
            Some(forecast) if self.skilled => {
                self.by_forecast(now_ms, current, (min, max), &sample, forecast)
            }
            _ => (
                by_rule,
                Reason::Rule {
                    resource: fullest.resource,
                    utilization: fullest.utilization,
                    target: fullest.target,
                    desired,
                    limit,
                },
            ),
        };
        match self.too_young(now_ms, size) {
            Some(reason) if size < current => (current, reason, forecast),
            _ => (size, reason, forecast),
        }
    }

    /// The size by the forecast, never below the rule's at the emergency target.
    fn by_forecast(
        &mut self,
        now_ms: i64,
        current: u32,
        bounds: (u32, u32),
        sample: &Sample,
        forecast: Forecast,
    ) -> (u32, Reason) {
        let emergency = self.settings.emergency_target;
        let fills = self.fills(sample, current, Tolerance::default(), Some(emergency));
        let floor = largest(current, &fills);
        if let Some((_, floor)) = floor {
            self.floors.observe(now_ms, floor);
        }
        // What the floor would force back at the next breath of the load is not let go.
        let window = (self.settings.behavior.scale_down).stabilization_window_seconds;
        let held = self.floors.highest(now_ms, i64::from(window) * 1_000);
        let choice = self.choose(now_ms, current, bounds);
        let limited = |wanted: u32| -> (u32, Option<Limit>) {
            (self.controller).limit(now_ms, current, wanted, bounds, &self.settings.behavior)
        };
        if let Some((fullest, floor)) = floor.filter(|(_, floor)| *floor > choice.size) {
            let (size, limit) = limited(floor);
            let reason = Reason::Emergency {
                resource: fullest.resource,
                utilization: fullest.utilization,
                target: emergency,
                limit,
            };
            return (size, reason);
        }
        let (size, limit) = limited(choice.size.max(held.min(current)));
        let reason = Reason::Forecast {
            forecast,
            saved_broker_hours: -choice.saving / 60.0,
            limit,
        };
        (size, reason)
    }

    fn choose(&mut self, now_ms: i64, current: u32, bounds: (u32, u32)) -> Choice {
        let key = (now_ms.div_euclid(60_000), current, bounds);
        if let Some((_, choice)) = self.choice.filter(|(made_for, _)| *made_for == key) {
            return choice;
        }
        let demands = self.demands(now_ms);
        let minutes = |delay_ms: i64| delay_ms as f64 / 60_000.0;
        let outlook = Outlook {
            demands: &demands,
            delay_minutes: minutes(self.grow.planned_ms()),
        };
        let moves = self.settings.move_price / 60.0;
        let prices = Prices {
            violation: self.settings.violation_price,
            grow: minutes(self.grow.planned_ms()) + moves,
            shrink: minutes(self.shrink.planned_ms()) + moves,
        };
        let choice = choose(&outlook, &prices, current, bounds);
        self.choice = Some((key, choice));
        choice
    }

    fn fills(
        &self,
        sample: &Sample,
        current: u32,
        tolerance: Tolerance,
        target: Option<f64>,
    ) -> Vec<Fill> {
        let brokers = sample.brokers;
        (Resource::ALL.iter())
            .filter_map(|&resource| {
                let settings = self.settings.resource(resource)?;
                let by_load = (sample.loads.get(resource)).zip(self.capacity_per_broker(resource));
                let utilization = by_load
                    .map(|(load, capacity)| load / capacity / f64::from(brokers.reporting.max(1)));
                // The processor's own measure, where it is given, is what an HPA would see.
                let utilization = match resource {
                    Resource::Cpu => sample.cpu_utilization.or(utilization),
                    _ => utilization,
                };
                let target = target.unwrap_or(settings.target);
                let recommendation = utilization.and_then(|mean| {
                    let metric = Metric {
                        mean,
                        reporting: brokers.reporting,
                        missing: brokers.missing,
                        unready: brokers.unready,
                        target,
                        missing_value: target.max(1.0),
                    };
                    hpa::desired_replicas(current, &metric, tolerance)
                });
                Some(Fill {
                    resource,
                    utilization: utilization.unwrap_or(0.0),
                    target,
                    recommendation,
                })
            })
            .collect()
    }

    /// Why nothing may shrink yet to `wanted`, if so.
    fn too_young(&self, now_ms: i64, wanted: u32) -> Option<Reason> {
        let window = i64::from(
            self.settings
                .behavior
                .scale_down
                .stabilization_window_seconds,
        );
        let needed_ms = (window * 1_000).max(MIN_OBSERVED_MS);
        let observed_ms = now_ms - self.observed_since_ms?;
        (observed_ms < needed_ms).then_some(Reason::TooYoung {
            observed_ms,
            needed_ms,
            wanted,
        })
    }
}
