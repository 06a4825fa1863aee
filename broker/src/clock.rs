//! The process's time: one monotonic clock, and the wall clock for what records show.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use kintsugi_types::{Time, TimestampMs};

/// A clock that begins when the process does.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// Begins at zero.
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// The moment now.
    pub fn now(&self) -> Time {
        Time::ZERO + self.start.elapsed()
    }

    /// The wall clock, in milliseconds since 1970.
    pub fn wall(&self) -> TimestampMs {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let millis = since.map_or(0, |elapsed| elapsed.as_millis());
        TimestampMs(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}
