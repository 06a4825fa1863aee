//! How fast moves may copy. Pure.
//!
//! Nobody tells what a network can carry, so the rate is found: it begins low, doubles while there
//! is room, stands still while there is little, and is halved when clients or replicas feel it. What
//! shows that is measured: partitions with less in-sync copies than their minimum, replicas that fall
//! out of sync, the share of its CPU that the busiest broker uses, and how long producers' requests
//! take beside how long they took before the first move.

use std::fmt;
use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::producers::{Producers, Slowest};

/// The first rate, in bytes a second: a seventh of a gigabit.
pub const RATE_FIRST: u64 = 16 << 20;
/// The least rate: a partition of 1 GiB still moves in 17 minutes.
pub const RATE_MIN: u64 = 1 << 20;
/// The greatest rate: what a disk or a network of today gives to one broker.
pub const RATE_MAX: u64 = 1 << 30;
/// How often the rate changes: loads are measured every 5 s.
const STEP: Duration = Duration::from_secs(5);
/// The rate grows while the busiest broker uses less of its CPU than this, in percent.
const CPU_ROOM_PERCENT: u32 = 70;
/// The rate is halved while the busiest broker uses more of its CPU than this, in percent.
const CPU_FULL_PERCENT: u32 = 85;
/// After producers felt moves the rate does not grow for so long: else it would be found out every few
/// seconds that they feel twice of what they do not.
const FELT_PAUSE: SignedDuration = SignedDuration::from_secs(60);

/// What clients and replicas feel.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Signals {
    /// Partitions with less in-sync copies than their minimum: acks=all is refused.
    pub under_min_isr: u32,
    /// Whether replicas that no move adds are out of sync.
    pub is_lagging: bool,
    /// The greatest share of its CPU limit that a broker uses. None where it is not measured.
    pub cpu_share: Option<f64>,
    /// How long producers' requests take, since [`Throttle::judged_from`].
    pub producers: Producers,
}

/// The rate in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// Bytes a second that each broker sends, and receives, for moves.
    pub bytes_per_second: u64,
    /// When it was last changed, or looked at and left.
    pub since: Timestamp,
    /// When moves began or the rate was last halved: what producers felt before says nothing of it.
    pub judged_from: Timestamp,
    /// What producers felt when it was last looked.
    pub producers: Producers,
    /// When producers last felt moves, if they did.
    felt_at: Option<Timestamp>,
    step: Step,
    cause: Cause,
}

/// What was last done with the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Begun,
    Set,
    Doubled,
    Halved,
    Kept,
}

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    First,
    People,
    Room,
    UnderMinIsr(u32),
    Lagging,
    CpuFull { percent: u32 },
    CpuTight { percent: u32 },
    Felt(Slowest),
    NearlyFelt(Slowest),
    FeltLately,
}

impl Throttle {
    /// The first.
    pub fn new(wanted: Option<u64>, now: Timestamp) -> Self {
        let (step, cause) = match wanted {
            Some(_) => (Step::Set, Cause::People),
            None => (Step::Begun, Cause::First),
        };
        Self {
            bytes_per_second: wanted.unwrap_or(RATE_FIRST),
            since: now,
            judged_from: now,
            producers: Producers::NotMeasured,
            felt_at: None,
            step,
            cause,
        }
    }

    /// The first move begins: what is felt is judged from `now` on.
    #[must_use]
    pub fn begun(self, now: Timestamp) -> Self {
        Self {
            since: now,
            judged_from: now,
            ..self
        }
    }

    /// The rate from `now` on. What people set stands, whatever is measured.
    #[must_use]
    pub fn next(self, wanted: Option<u64>, signals: &Signals, now: Timestamp) -> Self {
        let seen = Self {
            producers: signals.producers,
            ..self
        };
        if let Some(wanted) = wanted {
            return match wanted == self.bytes_per_second && self.step == Step::Set {
                true => seen,
                false => Self {
                    producers: signals.producers,
                    judged_from: self.judged_from,
                    ..Self::new(Some(wanted), now)
                },
            };
        }
        let elapsed: Duration = now
            .duration_since(self.since)
            .try_into()
            .unwrap_or_default();
        if elapsed < STEP {
            return seen;
        }
        let (step, cause) = seen.judge(signals, now);
        let rate = match step {
            Step::Halved => self.bytes_per_second / 2,
            Step::Doubled => self.bytes_per_second.saturating_mul(2),
            Step::Begun | Step::Set | Step::Kept => self.bytes_per_second,
        };
        let rate = rate.clamp(RATE_MIN, RATE_MAX);
        let is_halved = step == Step::Halved && rate != self.bytes_per_second;
        Self {
            bytes_per_second: rate,
            since: now,
            judged_from: match is_halved {
                true => now,
                false => self.judged_from,
            },
            felt_at: match cause {
                Cause::Felt(_) => Some(now),
                _ => self.felt_at,
            },
            step: match rate == self.bytes_per_second {
                true => Step::Kept,
                false => step,
            },
            cause,
            ..seen
        }
    }

    fn judge(&self, signals: &Signals, now: Timestamp) -> (Step, Cause) {
        let percent = (signals.cpu_share.unwrap_or(0.0) * 100.0) as u32;
        let slowest = match signals.producers {
            Producers::Measured(slowest) => Some(slowest),
            _ => None,
        };
        let was_felt = |at: Timestamp| now.duration_since(at) < FELT_PAUSE;
        if signals.under_min_isr > 0 {
            return (Step::Halved, Cause::UnderMinIsr(signals.under_min_isr));
        }
        if signals.is_lagging {
            return (Step::Halved, Cause::Lagging);
        }
        if let Some(slowest) = slowest.filter(Slowest::is_felt) {
            return (Step::Halved, Cause::Felt(slowest));
        }
        if percent > CPU_FULL_PERCENT {
            return (Step::Halved, Cause::CpuFull { percent });
        }
        if percent >= CPU_ROOM_PERCENT {
            return (Step::Kept, Cause::CpuTight { percent });
        }
        if let Some(slowest) = slowest.filter(|slowest| !slowest.is_calm()) {
            return (Step::Kept, Cause::NearlyFelt(slowest));
        }
        if self.felt_at.is_some_and(was_felt) {
            return (Step::Kept, Cause::FeltLately);
        }
        (Step::Doubled, Cause::Room)
    }

    /// What was last done with the rate and why, for people.
    pub fn reason(&self) -> String {
        let told = matches!(self.cause, Cause::Felt(_) | Cause::NearlyFelt(_));
        let producers = match told {
            true => String::new(),
            false => format!("; {}", self.producers),
        };
        let step = match (self.step, self.bytes_per_second) {
            (Step::Begun, _) => "begins low",
            (Step::Set, _) => "set",
            (Step::Doubled, _) => "doubled",
            (Step::Halved, _) => "halved",
            (Step::Kept, RATE_MIN) => "kept at the least",
            (Step::Kept, RATE_MAX) => "kept at the greatest",
            (Step::Kept, _) => "kept",
        };
        format!("throttle {step}: {}{producers}", self.cause)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::First => formatter.write_str("nothing is known yet of what moves do to clients"),
            Cause::People => formatter.write_str("spec.throttleBytesPerSecond stands"),
            Cause::Room => formatter.write_str("nobody feels the moves"),
            Cause::UnderMinIsr(count) => write!(
                formatter,
                "{count} partitions have less in-sync copies than their minimum"
            ),
            Cause::Lagging => formatter.write_str("replicas fell out of sync"),
            Cause::CpuFull { percent } => write!(
                formatter,
                "a broker uses {percent} % of its CPU limit, more than {CPU_FULL_PERCENT} %"
            ),
            Cause::CpuTight { percent } => write!(
                formatter,
                "a broker uses {percent} % of its CPU limit, at least {CPU_ROOM_PERCENT} %"
            ),
            Cause::Felt(slowest) | Cause::NearlyFelt(slowest) => slowest.fmt(formatter),
            Cause::FeltLately => write!(
                formatter,
                "producers felt the moves in the last {} s",
                FELT_PAUSE.as_secs()
            ),
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

    fn measured(p99_ms: u64, before_ms: u64) -> Signals {
        let producers = Producers::Measured(Slowest {
            broker: 2,
            p99_ms,
            before_ms,
        });
        Signals {
            cpu_share: Some(0.3),
            producers,
            ..Signals::default()
        }
    }

    #[test]
    fn the_rate_is_halved_when_producers_wait_three_times_as_long_as_before_the_moves() {
        let first = Throttle::new(None, at(-90)).begun(at(0));
        let felt = measured(212, 35);
        let halved = after(first, &felt, 1..6);
        let expected = Throttle {
            bytes_per_second: RATE_FIRST / 2,
            since: at(5),
            judged_from: at(5),
            producers: felt.producers,
            felt_at: Some(at(5)),
            step: Step::Halved,
            cause: Cause::Felt(Slowest {
                broker: 2,
                p99_ms: 212,
                before_ms: 35,
            }),
        };
        assert_eq!(halved, expected);
        assert_eq!(
            halved.reason(),
            "throttle halved: producers' p99 212 ms on broker 2, 35 ms before the moves"
        );
        let least = after(halved, &felt, 6..100);
        assert_eq!(least.bytes_per_second, RATE_MIN);
        assert_eq!(
            least.reason(),
            "throttle kept at the least: producers' p99 212 ms on broker 2, 35 ms before the moves"
        );
    }

    #[test]
    fn the_rate_grows_again_a_minute_after_producers_felt_it_and_not_while_they_nearly_do() {
        let felt = after(Throttle::new(None, at(0)), &measured(212, 35), 1..6);
        let nearly = after(felt, &measured(90, 35), 6..100);
        assert_eq!(nearly.bytes_per_second, RATE_FIRST / 2);
        assert_eq!(nearly.judged_from, at(5), "only a slower rate begins anew");
        assert_eq!(
            nearly.reason(),
            "throttle kept: producers' p99 90 ms on broker 2, 35 ms before the moves"
        );
        let calm = measured(40, 35);
        let soon = after(felt, &calm, 6..65);
        assert_eq!(soon.bytes_per_second, RATE_FIRST / 2);
        assert_eq!(
            soon.reason(),
            "throttle kept: producers felt the moves in the last 60 s; producers' p99 40 ms on \
             broker 2, 35 ms before the moves"
        );
        let later = after(soon, &calm, 65..66);
        assert_eq!(later.bytes_per_second, RATE_FIRST);
        assert_eq!(
            later.reason(),
            "throttle doubled: nobody feels the moves; producers' p99 40 ms on broker 2, 35 ms \
             before the moves"
        );
    }

    #[test]
    fn brokers_that_do_not_tell_how_long_producers_wait_are_judged_as_before_and_it_is_said() {
        let first = Throttle::new(None, at(0));
        let calm = Signals {
            cpu_share: Some(0.3),
            ..Signals::default()
        };
        let doubled = after(first, &calm, 1..6);
        assert_eq!(doubled.bytes_per_second, 2 * RATE_FIRST);
        assert_eq!(
            doubled.reason(),
            "throttle doubled: nobody feels the moves; how long producers' requests take is not \
             known: loads are not measured yet, or the brokers' version does not tell"
        );
    }

    #[test]
    fn what_people_set_stands_and_what_producers_feel_is_told_beside_it() {
        let set = Throttle::new(Some(70_000), at(0)).begun(at(2));
        let later = set.next(Some(70_000), &measured(212, 35), at(50));
        assert_eq!((later.bytes_per_second, later.judged_from), (70_000, at(2)));
        assert_eq!(
            later.reason(),
            "throttle set: spec.throttleBytesPerSecond stands; producers' p99 212 ms on broker 2, \
             35 ms before the moves"
        );
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
