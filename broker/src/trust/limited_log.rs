//! Lines that a stranger can cause: not more than one a second.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The time between two lines.
const SPACING: Duration = Duration::from_secs(1);

/// When the last line was written, and how many were left out since.
#[derive(Default)]
pub struct LimitedLog {
    state: Mutex<(Option<Instant>, u64)>,
}

impl LimitedLog {
    /// Whether a line may be written now, and how many were left out before it.
    pub fn take(&self) -> Option<u64> {
        self.take_at(Instant::now())
    }

    fn take_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, skipped) = *state;
        if last.is_some_and(|last| now.duration_since(last) < SPACING) {
            state.1 += 1;
            return None;
        }
        *state = (Some(now), 0);
        Some(skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_tells_how_many_it_stands_for() {
        let (log, now) = (LimitedLog::default(), Instant::now());
        assert_eq!(log.take_at(now), Some(0));
        assert_eq!(log.take_at(now), None);
        assert_eq!(log.take_at(now + SPACING / 2), None);
        assert_eq!(log.take_at(now + SPACING), Some(2));
    }
}
