//! Use that is out of its band, and for how long it has been.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;

use super::band::Band;
use super::measure::{Place, Use};

/// Each was above the band once, has not been back within half of it since, and once the hold time
/// is over has been above the band on average: one burst that leaves load between the two is no
/// reason to move anything.
#[derive(Clone, Debug, Default)]
pub struct Armed {
    places: BTreeMap<Place, Watched>,
}

#[derive(Clone, Copy, Debug)]
struct Watched {
    since: Timestamp,
    /// When it was looked at last, and what the excess was then.
    at: Timestamp,
    excess: f64,
    /// The excess, summed up over the seconds from `since` to `at`.
    sum: f64,
}

impl Watched {
    fn look(&mut self, excess: f64, now: Timestamp) {
        let seconds = now.duration_since(self.at).as_secs_f64().max(0.0);
        self.sum += seconds * self.excess;
        (self.at, self.excess) = (now, excess);
    }

    fn mean(&self) -> f64 {
        let seconds = self.at.duration_since(self.since).as_secs_f64();
        match seconds > 0.0 {
            true => self.sum / seconds,
            false => self.excess,
        }
    }
}

impl Armed {
    /// Takes note of what is used now.
    pub fn look(&mut self, uses: &[Use], band: &Band, now: Timestamp) {
        let is_known = |place: &Place| uses.iter().any(|one| one.place == *place);
        self.places.retain(|place, _| is_known(place));
        for one in uses {
            if let Some(watched) = self.places.get_mut(&one.place) {
                watched.look(one.excess(), now);
                let is_held = now.duration_since(watched.since) >= band.hold;
                if band.is_back(one) || is_held && watched.mean() <= band.outer {
                    self.places.remove(&one.place);
                }
            }
            if band.is_out(one) {
                self.places.entry(one.place).or_insert(Watched {
                    since: now,
                    at: now,
                    excess: one.excess(),
                    sum: 0.0,
                });
            }
        }
    }

    /// Something else is the matter: what was seen before says nothing of what comes after it.
    pub fn clear(&mut self) {
        self.places.clear();
    }

    /// Whether it is out of its band.
    pub fn has(&self, place: &Place) -> bool {
        self.places.contains_key(place)
    }

    /// Since when it has been.
    pub fn since(&self, place: &Place) -> Option<Timestamp> {
        self.places.get(place).map(|watched| watched.since)
    }

    /// Since when the first of all has been.
    pub fn first(&self) -> Option<Timestamp> {
        self.places.values().map(|watched| watched.since).min()
    }
}
