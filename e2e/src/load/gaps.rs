//! Gaps: how long after a fault each partition was written again, and their percentiles.

use std::fmt;
use std::time::Duration;

use super::history::{History, Micros};

/// The gaps of a set of partitions after faults.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Gaps {
    sorted: Vec<Micros>,
    /// Partitions of which no record sent after the fault was ever acknowledged.
    pub never: u64,
}

impl Gaps {
    /// The gap of each of `partitions` after the fault.
    #[must_use]
    pub fn after(
        history: &History,
        fault: Micros,
        partitions: impl IntoIterator<Item = i32>,
    ) -> Self {
        Self::collect(
            partitions
                .into_iter()
                .map(|id| history.gap_after(id, fault)),
        )
    }

    /// The longest time without an acknowledgement of each of `partitions`, from `from` on.
    #[must_use]
    pub fn silences(
        history: &History,
        from: Micros,
        partitions: impl IntoIterator<Item = i32>,
    ) -> Self {
        let partitions = partitions.into_iter();
        Self::collect(partitions.map(|id| history.longest_silence(id, from)))
    }

    /// These gaps; `None` counts as never.
    #[must_use]
    pub fn from_durations(gaps: impl IntoIterator<Item = Option<Duration>>) -> Self {
        let micros = |gap: Duration| Micros::try_from(gap.as_micros()).unwrap_or(Micros::MAX);
        Self::collect(gaps.into_iter().map(|gap| gap.map(micros)))
    }

    /// These gaps; `None` counts as never.
    #[must_use]
    pub fn from_micros(gaps: impl IntoIterator<Item = Option<Micros>>) -> Self {
        Self::collect(gaps.into_iter())
    }

    /// How many gaps were measured or never ended.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.sorted.len() as u64 + self.never
    }

    fn collect(measured: impl Iterator<Item = Option<Micros>>) -> Self {
        let mut gaps = Self::default();
        for gap in measured {
            match gap {
                Some(gap) => gaps.sorted.push(gap),
                None => gaps.never += 1,
            }
        }
        gaps.sorted.sort_unstable();
        gaps
    }

    /// Adds another fault's gaps to these.
    pub fn add(&mut self, other: &Self) {
        self.sorted.extend_from_slice(&other.sorted);
        self.sorted.sort_unstable();
        self.never += other.never;
    }

    /// How many gaps were measured.
    #[must_use]
    pub fn count(&self) -> usize {
        self.sorted.len()
    }

    /// The gap that `percent` of the partitions do not pass (nearest rank), in milliseconds.
    #[must_use]
    pub fn percentile_ms(&self, percent: usize) -> Option<f64> {
        let rank = (self.sorted.len() * percent).div_ceil(100).max(1);
        let micros = *self.sorted.get(rank - 1)?;
        // Gaps are far below 2^52 microseconds, so nothing is rounded here.
        #[allow(clippy::cast_precision_loss)]
        Some(micros as f64 / 1_000.0)
    }
}

impl fmt::Display for Gaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |percent| self.percentile_ms(percent).unwrap_or(f64::NAN);
        let (median, high, max) = (ms(50), ms(99), ms(100));
        write!(
            f,
            "p50 {median:.0} ms, p99 {high:.0} ms, max {max:.0} ms, n={}",
            self.count()
        )?;
        if self.never > 0 {
            write!(f, ", NEVER written again: {}", self.never)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::history::Outcome;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let mut history = History::default();
        for partition in 0..100 {
            history.begin(partition, 10);
            let at = 1_000 * Micros::from(partition.unsigned_abs() + 1);
            history.finish(partition, 0, Outcome::Acked { offset: 0, at });
        }
        history.begin(100, 10);
        let gaps = Gaps::after(&history, 0, 0..101);
        assert_eq!(gaps.percentile_ms(50), Some(50.0));
        assert_eq!(gaps.percentile_ms(99), Some(99.0));
        assert_eq!(gaps.percentile_ms(100), Some(100.0));
        assert_eq!((gaps.count(), gaps.never), (100, 1));
    }
}
