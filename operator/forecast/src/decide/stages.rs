//! What the path says about each stage of the next hours.

use super::MAX_CANDIDATES;
use crate::model::{LoadModel, Point};

/// Lengths of the stages after the delay, in minutes: fine where the decision takes effect.
pub const STAGE_MINUTES: [f64; 23] = [
    1.0, 2.0, 3.0, 4.0, 5.0, 5.0, 5.0, 5.0, 10.0, 10.0, 10.0, 15.0, 15.0, 15.0, 15.0, 30.0, 30.0,
    30.0, 30.0, 30.0, 30.0, 30.0, 30.0,
];
/// The farthest minute that is forecast.
const MAX_MINUTES: f64 = 360.0;
/// How much of the growth of errors with the distance a later stage is charged. Less than all:
/// what happens there is decided later, with the errors of the delay alone.
const DISTANCE_SHARE: f64 = 0.3;

/// One resource: its model and what a broker can carry of it.
#[derive(Clone, Copy, Debug)]
pub struct Demand<'a> {
    /// The load's model.
    pub model: &'a LoadModel,
    /// Load a broker.
    pub capacity: f64,
    /// Minutes from the start of the model's path until now.
    pub age_minutes: f64,
}

/// What is known about the load over the next hours.
#[derive(Clone, Copy, Debug)]
pub struct Outlook<'a> {
    /// The resources.
    pub demands: &'a [Demand<'a>],
    /// From a decision to grow until it serves.
    pub delay_minutes: f64,
}

impl Outlook<'_> {
    /// For each size, whose places on the resources' log scales are `places`, the probability that
    /// the load is above what it carries `minutes` after the delay, at that moment's peak: that of
    /// the resource where it is likeliest. Errors are those of the delay, and a part of what the
    /// distance adds.
    pub fn after_delay(&self, minutes: f64, places: &Places, out: &mut [f64]) {
        self.likeliest(places, out, |demand| {
            let decided = demand.age_minutes + self.delay_minutes;
            let mut point = demand.model.at((decided + minutes).min(MAX_MINUTES));
            let near = demand.model.at(decided).typical;
            point.typical = near + DISTANCE_SHARE * (point.typical - near).max(0.0);
            (point, decided)
        });
    }

    /// The same `minutes` from now, with the errors of that distance.
    pub fn ahead(&self, minutes: f64, places: &Places, out: &mut [f64]) {
        self.likeliest(places, out, |demand| {
            let ahead = demand.age_minutes + minutes;
            (demand.model.at(ahead), ahead)
        });
    }

    /// The places of what each of some sizes carries.
    pub fn places(&self, sizes: &[u32]) -> Places {
        let mut places = [[0.0; MAX_CANDIDATES]; 3];
        for (demand, places) in self.demands.iter().zip(&mut places) {
            for (size, place) in sizes.iter().zip(places) {
                *place = demand.model.log(demand.capacity * f64::from(*size));
            }
        }
        Places(places)
    }

    /// The brokers that the expected load and its bound (exceeded with probability `tail`) fill,
    /// `minutes` from now.
    pub fn brokers(&self, minutes: f64, tail: f64) -> (f64, f64) {
        self.brokers_over([minutes], tail)
    }

    /// The brokers that the lowest of the expected loads and the highest of their bounds fill, at
    /// some moments, in minutes from now. Each resource asks for its own, the largest counts.
    pub fn brokers_over(
        &self,
        moments: impl IntoIterator<Item = f64> + Clone,
        tail: f64,
    ) -> (f64, f64) {
        let mut lowest = 0.0_f64;
        let mut highest = 0.0_f64;
        for demand in self.demands {
            let model = demand.model;
            let decided = demand.age_minutes + self.delay_minutes;
            let score = model.scores(decided).quantile(tail);
            let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
            for minutes in moments.clone() {
                let point = model.at((demand.age_minutes + minutes).min(MAX_MINUTES));
                low = low.min(point.mean);
                high = high.max(point.mean + point.typical * score);
            }
            lowest = lowest.max(model.load(low) / demand.capacity);
            highest = highest.max(model.load(high) / demand.capacity);
        }
        (lowest, highest)
    }

    fn likeliest(
        &self,
        places: &Places,
        out: &mut [f64],
        forecast: impl Fn(&Demand<'_>) -> (Point, f64),
    ) {
        out.fill(0.0);
        for (demand, places) in self.demands.iter().zip(&places.0) {
            let (point, minutes) = forecast(demand);
            let scores = demand.model.scores(minutes);
            let per_typical = 1.0 / point.typical;
            for (out, place) in out.iter_mut().zip(places) {
                *out = out.max(scores.tail((place - point.mean) * per_typical));
            }
        }
    }
}

/// What sizes carry, on each resource's log scale.
#[derive(Debug)]
pub struct Places([[f64; MAX_CANDIDATES]; 3]);
