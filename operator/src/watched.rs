//! Something that is watched for a while before anything is done about it. Pure: time is an argument.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// A value since it was first too large, and its mean since then.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Watched {
    since: Timestamp,
    /// When it was looked at last, and what it was then.
    at: Timestamp,
    value: f64,
    /// The value, summed up over the seconds from `since` to `at`.
    sum: f64,
}

impl Watched {
    /// Watched from `now` on.
    pub fn begin(value: f64, now: Timestamp) -> Self {
        Self {
            since: now,
            at: now,
            value,
            sum: 0.0,
        }
    }

    /// It is this much now.
    pub fn look(&mut self, value: f64, now: Timestamp) {
        let seconds = now.duration_since(self.at).as_secs_f64().max(0.0);
        self.sum += seconds * self.value;
        (self.at, self.value) = (now, value);
    }

    /// Its mean since it is watched.
    pub fn mean(&self) -> f64 {
        let seconds = self.at.duration_since(self.since).as_secs_f64();
        match seconds > 0.0 {
            true => self.sum / seconds,
            false => self.value,
        }
    }

    /// Since when it is watched.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// Whether it has been watched for `hold`.
    pub fn is_held(&self, hold: SignedDuration, now: Timestamp) -> bool {
        now.duration_since(self.since) >= hold
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::at;

    #[test]
    fn the_mean_weighs_each_value_by_how_long_it_held() {
        let mut watched = Watched::begin(10.0, at(0));
        assert_eq!(watched.mean(), 10.0);
        watched.look(40.0, at(30));
        watched.look(0.0, at(40));
        assert_eq!(watched.mean(), (30.0 * 10.0 + 10.0 * 40.0) / 40.0);
        assert_eq!(watched.since(), at(0));
        let hold = SignedDuration::from_secs(40);
        assert!(watched.is_held(hold, at(40)) && !watched.is_held(hold, at(39)));
    }
}
