//! Whether producers feel moves: how long their requests take beside how long they took before the
//! first move. Pure.
//!
//! A request with acks=all is answered once every in-sync replica has its records, so that it waits
//! for the disks and networks that moves take. Of each broker the 99th percentile is compared with
//! its own from before, because brokers and clusters differ by far more than moves make of them. What
//! consumers wait for is not looked at: mostly for records to come.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kintsugi_load::RequestTimes;

/// The share of requests whose time counts: means hide what moves do to the slow ones.
const QUANTILE: f64 = 0.99;
/// Requests that a percentile is made of at least: below, one slow request would be it.
const REQUESTS_MIN: f64 = 100.0;
/// How far back it is looked for what was normal before the moves.
const BEFORE: SignedDuration = SignedDuration::from_secs(60);
/// How far back it is looked for [`REQUESTS_MIN`] during the moves.
const DURING_MAX: SignedDuration = SignedDuration::from_secs(30);
/// Producers feel moves above so many times of what was normal: more than two buckets of the
/// histogram lie between, so that a percentile on the border of one does not look like it.
const FELT_TIMES: u64 = 3;
/// And above so many milliseconds more than that: nobody feels that one became five.
const FELT_MORE_MS: u64 = 20;
/// Up to so many times of what was normal, the rate may grow; between the two it is left alone.
const CALM_TIMES: u64 = 2;
/// Or up to so many milliseconds more.
const CALM_MORE_MS: u64 = 10;

/// What one broker counted between two moments.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// How many requests took how long.
    pub times: RequestTimes,
}

/// By broker what it counted lately, the oldest first. None of a broker that does not tell.
pub type ProduceTimes = BTreeMap<i32, Option<Vec<Interval>>>;

/// By broker the 99th percentile from before the first move, in milliseconds.
pub type Before = BTreeMap<i32, u64>;

/// What producers feel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Producers {
    /// No broker tells, or nothing was measured yet.
    #[default]
    NotMeasured,
    /// Too few requests came before the first move, so that nothing is known to be normal.
    NoBaseline,
    /// Too few requests came since.
    TooFew,
    /// The broker that became slowest for them.
    Measured(Slowest),
}

/// The broker whose producers wait longest, beside what they waited before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slowest {
    /// Its id.
    pub broker: i32,
    /// The 99th percentile now, in milliseconds.
    pub p99_ms: u64,
    /// Before the first move.
    pub before_ms: u64,
}

impl Slowest {
    /// Whether moves are to slow down for it.
    pub fn is_felt(&self) -> bool {
        self.p99_ms > self.felt_above_ms()
    }

    /// Whether there is room for faster moves.
    pub fn is_calm(&self) -> bool {
        let times = self.before_ms.saturating_mul(CALM_TIMES);
        self.p99_ms <= times.max(self.before_ms.saturating_add(CALM_MORE_MS))
    }

    fn felt_above_ms(&self) -> u64 {
        let times = self.before_ms.saturating_mul(FELT_TIMES);
        times.max(self.before_ms.saturating_add(FELT_MORE_MS))
    }

    /// How near it is to being felt.
    fn share(&self) -> f64 {
        self.p99_ms as f64 / self.felt_above_ms() as f64
    }
}

impl fmt::Display for Slowest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "producers' p99 {} ms on broker {}, {} ms before the moves",
            self.p99_ms, self.broker, self.before_ms
        )
    }
}

impl fmt::Display for Producers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Producers::NotMeasured => formatter.write_str(
                "how long producers' requests take is not known: loads are not measured yet, or the \
                 brokers' version does not tell",
            ),
            Producers::NoBaseline => write!(
                formatter,
                "how long producers' requests take is not judged: fewer than {REQUESTS_MIN} came to \
                 each broker in the {} s before the moves",
                BEFORE.as_secs()
            ),
            Producers::TooFew => write!(
                formatter,
                "how long producers' requests take is not judged: fewer than {REQUESTS_MIN} came to \
                 each broker lately",
            ),
            Producers::Measured(slowest) => slowest.fmt(formatter),
        }
    }
}

/// What is normal, to be asked before the first move.
pub fn before(times: &ProduceTimes, now: Timestamp) -> Before {
    let told = times.iter().filter_map(|(broker, told)| {
        let recent = told.as_ref()?.iter().rev();
        let recent = recent.take_while(|interval| now.duration_since(interval.began) <= BEFORE);
        Some((*broker, p99_ms(&merged(recent, f64::INFINITY))?))
    });
    told.collect()
}

/// What producers feel at `now`, of what was counted since `since`: when moves began, or their rate was
/// last halved.
pub fn during(
    times: &ProduceTimes,
    before: &Before,
    since: Timestamp,
    now: Timestamp,
) -> Producers {
    if !times.values().any(Option::is_some) {
        return Producers::NotMeasured;
    }
    // A broker that took no producers' requests before is new to them: it may be as slow as others.
    let Some(slowest_before) = before.values().copied().max() else {
        return Producers::NoBaseline;
    };
    let felt = times.iter().filter_map(|(broker, told)| {
        let recent = told.as_ref()?.iter().rev().take_while(|interval| {
            interval.began >= since && now.duration_since(interval.began) <= DURING_MAX
        });
        Some(Slowest {
            broker: *broker,
            p99_ms: p99_ms(&merged(recent, REQUESTS_MIN))?,
            before_ms: before.get(broker).copied().unwrap_or(slowest_before),
        })
    });
    let slowest = felt.max_by(|left, right| left.share().total_cmp(&right.share()));
    slowest.map_or(Producers::TooFew, Producers::Measured)
}

/// Intervals together, from the first on until there are `enough` requests.
fn merged<'a>(intervals: impl Iterator<Item = &'a Interval>, enough: f64) -> RequestTimes {
    let mut all = RequestTimes::default();
    for interval in intervals {
        if all.requests() >= enough || !all.add(&interval.times) {
            break;
        }
    }
    all
}

/// In whole milliseconds, at least 1; None of too few requests.
fn p99_ms(times: &RequestTimes) -> Option<u64> {
    if times.requests() < REQUESTS_MIN {
        return None;
    }
    let p99_ms = times.quantile_ms(QUANTILE)?.ceil();
    Some((p99_ms as u64).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::at;

    const BOUNDS_MS: [f64; 6] = [5.0, 10.0, 50.0, 100.0, 200.0, 500.0];

    /// So many requests, all of which took about as long as the bound at `place`.
    fn interval(from: i64, to: i64, requests: f64, place: usize) -> Interval {
        let mut counts = vec![0.0; BOUNDS_MS.len() + 1];
        counts[place] = requests;
        Interval {
            began: at(from),
            ended: at(to),
            times: RequestTimes {
                bounds_ms: BOUNDS_MS.to_vec(),
                counts,
            },
        }
    }

    fn slowest(broker: i32, p99_ms: u64, before_ms: u64) -> Producers {
        Producers::Measured(Slowest {
            broker,
            p99_ms,
            before_ms,
        })
    }

    #[test]
    fn what_is_normal_is_the_percentile_of_each_broker_in_the_last_minute() {
        let times = ProduceTimes::from([
            // The slow interval is older than a minute.
            (
                0,
                Some(vec![
                    interval(-70, -65, 9e3, 5),
                    interval(-5, 0, 200.0, 0),
                    interval(0, 5, 200.0, 2),
                ]),
            ),
            (1, Some(vec![interval(0, 5, 99.0, 0)])),
            (2, None),
        ]);
        assert_eq!(before(&times, at(6)), Before::from([(0, 50)]));
    }

    #[test]
    fn the_broker_that_became_slowest_beside_its_own_normal_counts() {
        let times = ProduceTimes::from([
            (0, Some(vec![interval(0, 5, 500.0, 4)])),
            (1, Some(vec![interval(0, 5, 500.0, 3)])),
            (3, Some(vec![interval(0, 5, 500.0, 2)])),
        ]);
        // Broker 0 is always slow; broker 3 had no producers before.
        let before = Before::from([(0, 150), (1, 5)]);
        let found = during(&times, &before, at(0), at(6));
        assert_eq!(found, slowest(1, 100, 5));
        let before = Before::from([(0, 150), (1, 60)]);
        assert_eq!(
            during(&times, &before, at(0), at(6)),
            slowest(1, 100, 60),
            "nobody feels it, and it is nearest to it"
        );
    }

    #[test]
    fn only_what_was_counted_wholly_since_the_rate_was_halved_counts() {
        let times = ProduceTimes::from([(
            0,
            Some(vec![interval(0, 5, 500.0, 5), interval(5, 10, 500.0, 0)]),
        )]);
        let before = Before::from([(0, 5)]);
        assert_eq!(during(&times, &before, at(4), at(11)), slowest(0, 5, 5));
        assert_eq!(during(&times, &before, at(6), at(11)), Producers::TooFew);
    }

    #[test]
    fn few_requests_are_looked_for_further_back_but_not_for_ever() {
        let slow: Vec<_> = (0..6)
            .map(|n| interval(5 * n, 5 * n + 5, 25.0, 4))
            .collect();
        let times = ProduceTimes::from([(0, Some(slow))]);
        let before = Before::from([(0, 5)]);
        assert_eq!(during(&times, &before, at(0), at(31)), slowest(0, 199, 5));
        assert_eq!(during(&times, &before, at(0), at(60)), Producers::TooFew);
    }

    #[test]
    fn what_cannot_be_judged_says_so() {
        let silent = ProduceTimes::from([(0, None), (1, None)]);
        let before = Before::from([(0, 5)]);
        let now = at(6);
        assert_eq!(during(&silent, &before, at(0), now), Producers::NotMeasured);
        assert_eq!(
            during(&ProduceTimes::new(), &before, at(0), now),
            Producers::NotMeasured
        );
        let told = ProduceTimes::from([(0, Some(vec![interval(0, 5, 500.0, 0)])), (1, None)]);
        assert_eq!(
            during(&told, &Before::new(), at(0), now),
            Producers::NoBaseline
        );
        assert_eq!(during(&told, &before, at(0), now), slowest(0, 5, 5));
    }

    #[test]
    fn three_times_is_felt_twice_is_calm_and_small_differences_are_neither() {
        let of = |p99_ms, before_ms| {
            let slowest = Slowest {
                broker: 0,
                p99_ms,
                before_ms,
            };
            (slowest.is_felt(), slowest.is_calm())
        };
        assert_eq!(of(212, 35), (true, false));
        assert_eq!(of(105, 35), (false, false));
        assert_eq!(of(70, 35), (false, true));
        assert_eq!(of(11, 1), (false, true));
        assert_eq!(of(21, 1), (false, false));
        assert_eq!(of(22, 1), (true, false));
    }
}
