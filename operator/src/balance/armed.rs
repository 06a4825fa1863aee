//! Use that is out of its band, and for how long it has been.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;

use super::band::Band;
use super::measure::{Place, Use};
use crate::watched::Watched;

/// Each was above the band once, has not been back within half of it since, and once the hold time
/// is over has been above the band on average: one burst that leaves load between the two is no
/// reason to move anything.
#[derive(Clone, Debug, Default)]
pub struct Armed {
    places: BTreeMap<Place, Watched>,
}

impl Armed {
    /// Takes note of what is used now.
    pub fn look(&mut self, uses: &[Use], band: &Band, now: Timestamp) {
        let is_known = |place: &Place| uses.iter().any(|one| one.place == *place);
        self.places.retain(|place, _| is_known(place));
        for one in uses {
            if let Some(watched) = self.places.get_mut(&one.place) {
                watched.look(one.excess(), now);
                let is_held = watched.is_held(band.hold, now);
                if band.is_back(one) || is_held && watched.mean() <= band.outer {
                    self.places.remove(&one.place);
                }
            }
            if band.is_out(one) {
                let begin = Watched::begin(one.excess(), now);
                self.places.entry(one.place).or_insert(begin);
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
        self.places.get(place).map(Watched::since)
    }

    /// Since when the first of all has been.
    pub fn first(&self) -> Option<Timestamp> {
        self.places.values().map(Watched::since).min()
    }
}
