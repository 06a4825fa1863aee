//! How unusual a silence is, given the rhythm of the heartbeats before it (phi accrual).

use std::collections::VecDeque;
use std::time::Duration;

use kintsugi_types::Time;

/// How many intervals are remembered: a few seconds of heartbeats.
const SAMPLES_MAX: usize = 32;
/// The least standard deviation in milliseconds: a very regular sender is still allowed the
/// pauses of a scheduler.
const DEVIATION_MIN_MS: f64 = 50.0;

/// The rhythm of one broker's heartbeats.
#[derive(Clone, Debug)]
pub(super) struct Rhythm {
    last: Time,
    intervals_ms: VecDeque<f64>,
    /// So many standard deviations above the mean phi passes its bound.
    deviations_max: f64,
    /// See [`Self::suspicious_after`]; asked for far more often than it changes.
    suspicious_after: Duration,
}

impl Rhythm {
    /// A rhythm that expects `interval` until it has seen more, and is suspicious from `phi_max` on.
    pub(super) fn new(now: Time, interval: Duration, phi_max: f64) -> Self {
        let mut rhythm = Self {
            last: now,
            intervals_ms: VecDeque::from([interval.as_secs_f64() * 1e3]),
            deviations_max: deviations_at(phi_max),
            suspicious_after: Duration::ZERO,
        };
        rhythm.learn();
        rhythm
    }

    /// When the last heartbeat came (or watching began).
    pub(super) const fn last(&self) -> Time {
        self.last
    }

    /// Counts the silence from now on, as if a heartbeat had come, without learning from it.
    pub(super) fn begin_again(&mut self, now: Time) {
        self.last = now;
    }

    pub(super) fn beat(&mut self, now: Time) {
        if self.intervals_ms.len() >= SAMPLES_MAX {
            self.intervals_ms.pop_front();
        }
        self.intervals_ms
            .push_back(now.since(self.last).as_secs_f64() * 1e3);
        self.last = now;
        self.learn();
    }

    /// The silence at which phi passes its bound.
    pub(super) const fn suspicious_after(&self) -> Duration {
        self.suspicious_after
    }

    fn learn(&mut self) {
        let (mean, deviation) = self.mean_and_deviation();
        let millis = deviation
            .mul_add(self.deviations_max, mean)
            .clamp(0.0, 3.6e6);
        self.suspicious_after = Duration::from_secs_f64(millis / 1e3);
    }

    fn mean_and_deviation(&self) -> (f64, f64) {
        let count = f64::from(u32::try_from(self.intervals_ms.len().max(1)).unwrap_or(1));
        let mean = self.intervals_ms.iter().sum::<f64>() / count;
        let squares = self.intervals_ms.iter().map(|x| (x - mean).powi(2));
        let deviation = (squares.sum::<f64>() / count).sqrt();
        (mean, deviation.max(DEVIATION_MIN_MS))
    }
}

/// How many standard deviations above the mean phi passes `phi_max`. Inverts the logistic
/// approximation of the normal distribution's tail, which falls steadily: bisection suffices.
fn deviations_at(phi_max: f64) -> f64 {
    let (mut low, mut high) = (0.0_f64, 40.0_f64);
    for _ in 0..32 {
        let middle = f64::midpoint(low, high);
        if phi_of(middle) < phi_max {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// Minus the decimal logarithm of the chance that a normal variable lies more than `deviations`
/// above its mean, by the logistic approximation (error below 1.4e-4).
fn phi_of(deviations: f64) -> f64 {
    let exponent = deviations * (1.5976 + 0.070_566 * deviations * deviations);
    // log10(1 + e^x) without overflow for large x.
    let natural = if exponent > 30.0 {
        exponent
    } else {
        exponent.exp().ln_1p()
    };
    natural / std::f64::consts::LN_10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rhythm_of_150_ms_turns_suspicious_between_a_third_and_half_a_second() {
        let mut rhythm = Rhythm::new(Time::ZERO, Duration::from_millis(150), 8.0);
        for beat in 1..100 {
            rhythm.beat(Time::from_millis(150 * beat));
        }
        let after = rhythm.suspicious_after().as_millis();
        assert!((350..500).contains(&after), "{after}");
    }

    #[test]
    fn an_irregular_rhythm_is_given_more_time() {
        let mut steady = Rhythm::new(Time::ZERO, Duration::from_millis(150), 8.0);
        let mut irregular = steady.clone();
        for beat in 1..50_u64 {
            steady.beat(Time::from_millis(150 * beat));
            irregular.beat(Time::from_millis(150 * beat + (beat % 2) * 140));
        }
        assert!(irregular.suspicious_after() > steady.suspicious_after());
    }
}
