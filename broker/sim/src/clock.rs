//! A process's clock: it shows another time than the world's, and goes at another speed.

use std::time::Duration;

use kintsugi_types::{Time, TimestampMs};

/// Wall-clock time at the start of the world.
const EPOCH_MS: i64 = 1_700_000_000_000;

/// How far wall clocks are off, at the most.
const WALL_SKEW_MS_MAX: i64 = 600_000;

const MILLION: i128 = 1_000_000;

/// The clock of one life of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// What it shows at the world's zero.
    offset_us: u64,
    /// How many microseconds a second it gains, or loses.
    drift_ppm: i32,
    /// How far its wall clock is off.
    wall_skew_ms: i64,
}

impl Clock {
    /// Half of all clocks are as good as a quartz, others are two in a hundred off.
    pub(crate) fn draw(rng: &mut fastrand::Rng, drifts: bool) -> Self {
        let most = [0, 200, 20_000][rng.usize(..3)];
        Self {
            offset_us: rng.u64(..100_000_000),
            drift_ppm: if drifts { rng.i32(-most..=most) } else { 0 },
            wall_skew_ms: rng.i64(-WALL_SKEW_MS_MAX..=WALL_SKEW_MS_MAX),
        }
    }

    /// What it shows at a moment of the world.
    pub(crate) fn show(&self, world: Time) -> Time {
        let gained = i128::from(world.0) * i128::from(self.drift_ppm) / MILLION;
        let shown = i128::from(world.0) + gained + i128::from(self.offset_us);
        Time(u64::try_from(shown).unwrap_or(0))
    }

    /// What its wall clock shows.
    pub(crate) fn wall(&self, world: Time) -> TimestampMs {
        let since = i64::try_from(self.show(world).as_millis()).unwrap_or(0);
        TimestampMs(EPOCH_MS + self.wall_skew_ms + since)
    }

    /// The first moment of the world at which it shows this, or later.
    pub(crate) fn when(&self, shown: Time) -> Time {
        if shown == Time::NEVER {
            return Time::NEVER;
        }
        let gone = i128::from(shown.0) - i128::from(self.offset_us);
        let guess = gone * MILLION / (MILLION + i128::from(self.drift_ppm));
        let mut world = Time(u64::try_from(guess).unwrap_or(0));
        while self.show(world) < shown {
            world = world + Duration::from_micros(1);
        }
        world
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_drifts_shows_what_was_waited_for_at_the_moment_that_it_names() {
        let mut rng = fastrand::Rng::with_seed(1);
        for _ in 0..1_000 {
            let clock = Clock::draw(&mut rng, true);
            let shown = clock.show(Time(rng.u64(..1_000_000_000)));
            let world = clock.when(shown);
            assert!(clock.show(world) >= shown, "{clock:?} {shown:?}");
            let before = Time(world.0.saturating_sub(2));
            assert!(clock.show(before) < shown || world.0 < 2, "{clock:?}");
        }
    }
}
