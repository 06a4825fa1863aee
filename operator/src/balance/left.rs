//! What a KafkaRebalance has not evened out: a reason not to try the same again.

use std::collections::BTreeMap;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kintsugi_crds::RebalanceScope;

use super::band::Band;
use super::measure::{Place, Use};

/// How long it is not tried again, if it stays what it is: a plan that helps may be possible with
/// other loads, and those of a night differ from those of a day.
pub const BACK_OFF: SignedDuration = SignedDuration::from_hours(6);
/// It has changed once it is more or less by this share of itself.
const CHANGED_SHARE: f64 = 0.5;

/// Use that was not evened out, by place.
#[derive(Clone, Debug, Default)]
pub struct Leftovers {
    places: BTreeMap<Place, Left>,
}

#[derive(Clone, Copy, Debug)]
struct Left {
    excess: f64,
    /// What was tried.
    scope: RebalanceScope,
    at: Timestamp,
    /// Since when it has been another one.
    changed: Option<Timestamp>,
}

impl Leftovers {
    /// Takes note of what a KafkaRebalance of this scope has left of what there was when it was
    /// `begun`. What is between the two bands has not become even either, and may go to and fro.
    /// What leaderships have made better by half may be tried with leaderships again.
    pub fn take_stock(
        &mut self,
        uses: &[Use],
        scope: RebalanceScope,
        begun: &BTreeMap<Place, f64>,
        band: &Band,
        now: Timestamp,
    ) {
        let helps = |one: &Use| {
            let before = begun.get(&one.place);
            let is_better = before.is_some_and(|before| one.excess() < before * CHANGED_SHARE);
            scope == RebalanceScope::Leaders && is_better
        };
        let out = uses.iter().filter(|one| !band.is_back(one) && !helps(one));
        let left = |one: &Use| Left {
            excess: one.excess(),
            scope,
            at: now,
            changed: None,
        };
        self.places = out.map(|one| (one.place, left(one))).collect();
    }

    /// Forgets what has been even, or much more or less, for the whole hold time, and what was left
    /// long ago.
    pub fn forget(&mut self, uses: &[Use], band: &Band, now: Timestamp) {
        let uses: BTreeMap<Place, &Use> = uses.iter().map(|one| (one.place, one)).collect();
        self.places.retain(|place, left| {
            let Some(one) = uses.get(place) else {
                return false;
            };
            let allowed = band.inner.max(left.excess * CHANGED_SHARE);
            let differs = (one.excess() - left.excess).abs() > allowed;
            let is_other = differs || band.is_back(one);
            left.changed = left.changed.or(Some(now)).filter(|_| is_other);
            let since = left.changed;
            let changed_long = since.is_some_and(|since| now.duration_since(since) >= band.hold);
            let is_over = now.duration_since(left.at) >= BACK_OFF;
            !changed_long && !is_over
        });
    }

    /// Whether anything was tried for it in vain.
    pub fn was_tried(&self, place: &Place) -> bool {
        self.places.contains_key(place)
    }

    /// Whether everything was.
    pub fn is_hopeless(&self, place: &Place) -> bool {
        let left = self.places.get(place);
        left.is_some_and(|left| left.scope == RebalanceScope::Full)
    }
}
