//! Whether the forecast decides, and what is forecast.

use super::Scaler;
use crate::{
    decide::{Demand, Outlook},
    model::LoadModel,
    reason::Forecast,
    sample::{Resource, Sample},
};

/// Skill at the delay above which the forecast decides, and below which it no longer does.
const SKILL_ENTER: f64 = 0.05;
const SKILL_LEAVE: f64 = 0.025;
/// A resource that fills less than this part of the fullest one's brokers has no say about skill.
const RELEVANT_SHARE: f64 = 0.5;

impl Scaler {
    /// Brings the verdict on skill up to date, once a minute, and says what is forecast.
    pub(super) fn judge(&mut self, now_ms: i64, sample: &Sample) -> Option<Forecast> {
        let delay_ms = self.grow.planned_ms();
        let learned =
            (self.models.each_ref()).map(|model| model.as_ref().and_then(LoadModel::newest_minute));
        let key = (now_ms.div_euclid(60_000), learned, delay_ms);
        if let Some((_, forecast)) = self.forecast.filter(|(made_for, _)| *made_for == key) {
            return Some(forecast);
        }
        let forecast = self.forecast_at(now_ms, sample, delay_ms);
        let needed = if self.skilled {
            SKILL_LEAVE
        } else {
            SKILL_ENTER
        };
        self.skilled = forecast.is_some_and(|forecast| forecast.skill >= needed);
        self.forecast = forecast.map(|forecast| (key, forecast));
        forecast
    }

    fn forecast_at(&self, now_ms: i64, sample: &Sample, delay_ms: i64) -> Option<Forecast> {
        let demands = self.demands(now_ms);
        let fill = |demand: &Demand<'_>, load: f64| load / demand.capacity;
        let loads: Vec<f64> = (Resource::ALL.iter())
            .filter(|&&resource| self.models[resource as usize].is_some())
            .map(|&resource| sample.loads.get(resource).unwrap_or(0.0))
            .collect();
        if demands.is_empty() || demands.len() != loads.len() {
            return None;
        }
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
        let tail = (1.0 / self.settings.violation_price).clamp(1e-4, 0.5);
        let outlook = Outlook {
            demands: &demands,
            delay_minutes,
        };
        let (expected_brokers, bound_brokers) = outlook.brokers(delay_minutes, tail);
        Some(Forecast {
            delay_ms,
            expected_brokers,
            bound_brokers,
            tail,
            skill,
        })
    }

    /// The resources whose path is fresh; the processor's by the learned capacity.
    pub(super) fn demands(&self, now_ms: i64) -> Vec<Demand<'_>> {
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
}
