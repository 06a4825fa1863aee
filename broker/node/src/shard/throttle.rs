//! How fast replicas that catch up may be copied (KIP-73).
//!
//! Guarantees: over time no more bytes of throttled replicas than the rate in force, but for what
//! may come at once after a pause: a second's worth, or one answer. Replicas in sync are never
//! slowed and do not count. Shared by the shards of one broker without a lock, because the rate is
//! the broker's. Assumes that all of them read the same clock.

use std::sync::atomic::{AtomicU64, Ordering};

use kintsugi_types::Time;

/// How much may come at once after a pause, in microseconds at the rate in force
/// (`replication.quota.window.size.seconds`).
const BURST_MICROS: u64 = 1_000_000;

/// What one broker's throttled replicas were given, or took.
#[derive(Debug, Default)]
pub struct Throttles {
    /// As a leader (`leader.replication.throttled.rate`).
    pub leader: Throttle,
    /// As a follower (`follower.replication.throttled.rate`).
    pub follower: Throttle,
}

/// The bytes of one direction: until when, at the rate in force, they would have taken.
#[derive(Debug, Default)]
pub struct Throttle {
    paid_until_micros: AtomicU64,
}

impl Throttle {
    /// Counts bytes against the rate, in bytes a second.
    pub fn record(&self, now: Time, rate: u64, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let cost_micros = bytes.saturating_mul(1_000_000) / rate.max(1);
        let pay = |paid: u64| Some(paid.max(now.0).saturating_add(cost_micros));
        let ordering = Ordering::Relaxed;
        // The closure always gives a value, so there is no failure to handle.
        let _ = self.paid_until_micros.fetch_update(ordering, ordering, pay);
    }

    /// From when on more may come; `now` or earlier if it may already.
    pub fn free_at(&self, now: Time) -> Time {
        let paid = self.paid_until_micros.load(Ordering::Relaxed);
        Time(paid.saturating_sub(BURST_MICROS)).max(now)
    }

    /// The rate changed: what was counted at the old one is forgotten.
    pub fn reset(&self) {
        self.paid_until_micros.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_rate_gets_through_over_time() {
        let throttle = Throttle::default();
        let (mut bytes, mut now) = (0, Time::ZERO);
        while now < Time::from_millis(60_000) {
            now = throttle.free_at(now);
            throttle.record(now, 1_000, 300);
            bytes += 300;
        }
        assert!((60_000..=61_600).contains(&bytes), "{bytes}");
    }

    #[test]
    fn a_pause_saves_up_one_second_and_no_more() {
        let throttle = Throttle::default();
        let now = Time::from_millis(3_600_000);
        throttle.record(now, 1_000, 1_000);
        assert_eq!(throttle.free_at(now), now);
        throttle.record(now, 1_000, 500);
        assert_eq!(throttle.free_at(now), Time::from_millis(3_600_500));
        throttle.reset();
        assert_eq!(throttle.free_at(now), now);
    }
}
