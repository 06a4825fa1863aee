//! How fast moves may copy. Pure.
//!
//! Nobody tells what a network can carry, so the rate is found: it begins low, doubles while there
//! is room, stands still while there is little, and is halved when clients or replicas feel it. What
//! shows that is measured: partitions with less in-sync copies than their minimum, replicas that fall
//! out of sync, and the share of its CPU that the busiest broker uses.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

/// The first rate, in bytes a second: a seventh of a gigabit.
pub const RATE_FIRST: u64 = 16 << 20;
/// The least rate: a partition of 1 GiB still moves in 17 minutes.
pub const RATE_MIN: u64 = 1 << 20;
/// The greatest rate: what a disk or a network of today gives to one broker.
pub const RATE_MAX: u64 = 1 << 30;
/// How often the rate changes: loads are measured every 5 s.
const STEP: Duration = Duration::from_secs(5);
/// The rate grows while the busiest broker uses less of its CPU than this.
const CPU_ROOM: f64 = 0.70;
/// The rate is halved while the busiest broker uses more of its CPU than this.
const CPU_FULL: f64 = 0.85;

/// What clients and replicas feel.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Signals {
    /// Partitions with less in-sync copies than their minimum: acks=all is refused.
    pub under_min_isr: u32,
    /// Whether replicas that no move adds are out of sync.
    pub is_lagging: bool,
    /// The greatest share of its CPU limit that a broker uses. None where it is not measured.
    pub cpu_share: Option<f64>,
}

/// The rate in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// Bytes a second that each broker sends, and receives, for moves.
    pub bytes_per_second: u64,
    /// When it was last changed, or looked at and left.
    pub since: Timestamp,
}

impl Throttle {
    /// The first.
    pub fn new(wanted: Option<u64>, now: Timestamp) -> Self {
        Self {
            bytes_per_second: wanted.unwrap_or(RATE_FIRST),
            since: now,
        }
    }

    /// The rate from `now` on. What people set stands, whatever is measured.
    pub fn next(self, wanted: Option<u64>, signals: &Signals, now: Timestamp) -> Self {
        if let Some(wanted) = wanted {
            return match wanted == self.bytes_per_second {
                true => self,
                false => Self::new(Some(wanted), now),
            };
        }
        let elapsed: Duration = now
            .duration_since(self.since)
            .try_into()
            .unwrap_or_default();
        if elapsed < STEP {
            return self;
        }
        let cpu = signals.cpu_share.unwrap_or(0.0);
        let is_felt = signals.under_min_isr > 0 || signals.is_lagging || cpu > CPU_FULL;
        let bytes_per_second = if is_felt {
            self.bytes_per_second / 2
        } else if cpu < CPU_ROOM {
            self.bytes_per_second.saturating_mul(2)
        } else {
            self.bytes_per_second
        };
        Self {
            bytes_per_second: bytes_per_second.clamp(RATE_MIN, RATE_MAX),
            since: now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::at;

    fn after(mut throttle: Throttle, signals: &Signals, seconds: std::ops::Range<i64>) -> Throttle {
        for second in seconds {
            throttle = throttle.next(None, signals, at(second));
        }
        throttle
    }

    #[test]
    fn the_rate_doubles_while_there_is_room_up_to_the_greatest() {
        let calm = Signals {
            cpu_share: Some(0.3),
            ..Signals::default()
        };
        let first = Throttle::new(None, at(0));
        assert_eq!(after(first, &calm, 1..5), first);
        let step = after(first, &calm, 1..6);
        assert_eq!(step.bytes_per_second, 2 * RATE_FIRST);
        assert_eq!(after(first, &calm, 1..100).bytes_per_second, RATE_MAX);
    }

    #[test]
    fn the_rate_is_halved_when_clients_or_replicas_feel_it_and_never_ends() {
        let first = Throttle::new(None, at(0));
        for felt in [
            Signals {
                under_min_isr: 1,
                ..Signals::default()
            },
            Signals {
                is_lagging: true,
                ..Signals::default()
            },
            Signals {
                cpu_share: Some(0.9),
                ..Signals::default()
            },
        ] {
            assert_eq!(after(first, &felt, 1..6).bytes_per_second, RATE_FIRST / 2);
            assert_eq!(after(first, &felt, 1..100).bytes_per_second, RATE_MIN);
        }
    }

    #[test]
    fn the_rate_stands_still_where_there_is_little_room() {
        let tight = Signals {
            cpu_share: Some(0.8),
            ..Signals::default()
        };
        let first = Throttle::new(None, at(0));
        let later = after(first, &tight, 1..100);
        assert_eq!(later.bytes_per_second, RATE_FIRST);
    }

    #[test]
    fn what_people_set_stands_whatever_is_measured() {
        let felt = Signals {
            under_min_isr: 9,
            ..Signals::default()
        };
        let throttle = Throttle::new(None, at(0)).next(Some(70_000), &felt, at(1));
        assert_eq!(throttle.bytes_per_second, 70_000);
        assert_eq!(throttle.next(Some(70_000), &felt, at(50)), throttle);
    }
}
