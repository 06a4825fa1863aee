//! One cluster's scaler: samples in, sizes with reasons out.

mod restore;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use restore::RestoreError;

use crate::{
    capacity::Capacity,
    decide::{Choice, Demand, Outlook, Prices, choose},
    delay::{Delays, Direction},
    fill::{Fill, largest},
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
/// Skill at the delay above which the forecast decides, and below which it no longer does.
const SKILL_ENTER: f64 = 0.05;
const SKILL_LEAVE: f64 = 0.025;
/// A resource that fills less than this part of the fullest one's brokers has no say about skill.
const RELEVANT_SHARE: f64 = 0.5;
/// Above this part of what the brokers carry no forecast counts: it was wrong.
const OVERLOAD: f64 = 1.1;
/// The bound that the emergency rule may be lowered to is exceeded so many times as often as a
/// broker more begins to pay. At once that often, the plan itself would not stay away from it:
/// brokers would come and go.
const BOUND_SHARE: f64 = 2.0;
/// Between these lies the probability with which the bound is exceeded.
const TAILS: (f64, f64) = (1e-4, 0.9);

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

/// What is known about one cluster's load and how it scales. See the crate's documentation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scaler {
    settings: Settings,
    models: [Option<LoadModel>; 3],
    capacity: Capacity,
    grow: Delays,
    shrink: Delays,
    controller: Controller,
    newest_ms: Option<i64>,
    observed_since_ms: Option<i64>,
    last: Option<(i64, Sample)>,
    skilled: bool,
    /// The choice of this minute: the path changes once a minute, so the choice does too.
    #[serde(skip)]
    choice: Option<(ChoiceKey, Choice)>,
}

/// What a choice was made for: minute, size, limits.
type ChoiceKey = (i64, u32, (u32, u32));

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
            newest_ms: None,
            observed_since_ms: None,
            last: None,
            skilled: false,
            choice: None,
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

    /// The size by the forecast; never below what the emergency rule asks for, unless that is more
    /// than the bound fills when a broker that is asked for now would serve.
    fn by_forecast(
        &mut self,
        now_ms: i64,
        current: u32,
        bounds: (u32, u32),
        sample: &Sample,
        forecast: Forecast,
    ) -> (u32, Reason) {
        let target = self.settings.emergency_target;
        let fills = self.fills(sample, current, Tolerance::default(), Some(target));
        let emergency = largest(current, &fills).map(|(fullest, asked)| {
            let overloaded = fullest.utilization > OVERLOAD;
            // `as` saturates, and NaN becomes 0.
            let at_most = if overloaded {
                u32::MAX
            } else {
                forecast.bound_brokers.ceil() as u32
            };
            (fullest, asked.min(at_most), overloaded)
        });
        let choice = self.choose(now_ms, current, bounds);
        let limited = |wanted: u32| -> (u32, Option<Limit>) {
            (self.controller).limit(now_ms, current, wanted, bounds, &self.settings.behavior)
        };
        if let Some((fullest, floor, overloaded)) =
            emergency.filter(|(_, floor, _)| *floor > choice.size)
        {
            let (size, limit) = limited(floor);
            let reason = Reason::Emergency {
                resource: fullest.resource,
                utilization: fullest.utilization,
                target,
                bound: (!overloaded).then_some(forecast),
                limit,
            };
            return (size, reason);
        }
        let (size, limit) = limited(choice.size);
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

    /// Brings the verdict on skill up to date, and says what is forecast.
    fn judge(&mut self, now_ms: i64, sample: &Sample) -> Option<Forecast> {
        let demands = self.demands(now_ms);
        let fill = |demand: &Demand<'_>, load: f64| load / demand.capacity;
        let loads: Vec<f64> = (Resource::ALL.iter())
            .filter(|&&resource| self.models[resource as usize].is_some())
            .map(|&resource| sample.loads.get(resource).unwrap_or(0.0))
            .collect();
        if demands.is_empty() || demands.len() != loads.len() {
            self.skilled = false;
            return None;
        }
        let delay_ms = self.grow.planned_ms();
        let delay_minutes = delay_ms as f64 / 60_000.0;
        let fullest = (demands.iter().zip(&loads))
            .map(|(demand, &load)| fill(demand, load))
            .fold(0.0, f64::max);
        // Judged at the delay itself: that far ahead a size must be right, what lies farther is
        // decided anew.
        let skill = (demands.iter().zip(&loads))
            .filter(|(demand, load)| fill(demand, **load) >= RELEVANT_SHARE * fullest)
            .map(|(demand, _)| demand.model.skill(delay_minutes).share())
            .fold(1.0, f64::min);
        let tail = (BOUND_SHARE / self.settings.violation_price).clamp(TAILS.0, TAILS.1);
        let outlook = Outlook {
            demands: &demands,
            delay_minutes,
        };
        let (expected_brokers, bound_brokers) = outlook.brokers(delay_minutes, tail);
        let needed = if self.skilled {
            SKILL_LEAVE
        } else {
            SKILL_ENTER
        };
        self.skilled = skill >= needed;
        Some(Forecast {
            delay_ms,
            expected_brokers,
            bound_brokers,
            tail,
            skill,
        })
    }

    /// The resources whose path is fresh; the processor's by the learned capacity.
    fn demands(&self, now_ms: i64) -> Vec<Demand<'_>> {
        (Resource::ALL.iter())
            .filter_map(|&resource| {
                let model = self.models[resource as usize].as_ref()?;
                Some(Demand {
                    model,
                    capacity: self.capacity_per_broker(resource)?,
                    age_minutes: model.path_age_minutes(now_ms)?,
                })
            })
            .collect()
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
