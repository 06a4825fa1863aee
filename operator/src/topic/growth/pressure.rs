//! What asks for more partitions, and for how long it has.

use std::collections::BTreeMap;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kintsugi_crds::PartitionGrowth;

use super::sample::{Lag, Sample};
use super::words;
use crate::watched::Watched;

/// What of the target, or of what members can commit, is used after a growth: without something to
/// spare the next growth would come soon, and a lag would never be caught up.
const USED_AFTER: f64 = 0.8;
/// Below so much of the target partitions are enough again.
const ENOUGH_BELOW: f64 = 0.9;
/// Below so much of its bound a lag is over.
const LAG_OVER_BELOW: f64 = 0.5;
/// A group that commits less than this share of what is produced is stuck or stopped.
const COMMITTED_SHARE_MIN: f64 = 0.1;
/// After so long without a look, what was seen before says nothing.
const GAP_MAX: SignedDuration = SignedDuration::from_secs(60);

/// What asks for more partitions. Each was beyond its limit once and has not been back since.
#[derive(Clone, Debug, Default)]
pub struct Pressure {
    /// Bytes a second to the topic.
    throughput: Option<Watched>,
    lags: BTreeMap<String, WatchedLag>,
    looked: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
struct WatchedLag {
    /// Records behind when it was first watched.
    records: f64,
    produced: Watched,
    committed: Watched,
    /// What it is now.
    members: usize,
    seconds: f64,
}

/// How many partitions something asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Demand {
    /// How many.
    pub partitions: i32,
    /// Since when it has.
    pub since: Timestamp,
    /// Why, in words and numbers.
    pub words: String,
}

/// How a group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is not further behind than it may be.
    Close,
    /// It is further behind, and more members could help it.
    FewMembers,
    /// It is further behind and commits next to nothing.
    Stuck,
    /// It is further behind, and every partition has a member of its own.
    Full,
}

/// How `lag` stands on so many partitions.
pub fn standing(lag: &Lag, settings: &PartitionGrowth, partitions: i32) -> Standing {
    if settings.lag_seconds == 0 || lag.seconds < f64::from(settings.lag_seconds) {
        return Standing::Close;
    }
    hindrance(lag, partitions).unwrap_or(Standing::Full)
}

/// Why more partitions would not help a group, if so.
fn hindrance(lag: &Lag, partitions: i32) -> Option<Standing> {
    let least = lag.produced_per_second * COMMITTED_SHARE_MIN;
    if lag.committed_per_second <= 0.0 || lag.committed_per_second < least {
        return Some(Standing::Stuck);
    }
    let has_fewer = usize::try_from(partitions).is_ok_and(|count| lag.members < count);
    has_fewer.then_some(Standing::FewMembers)
}

impl Pressure {
    /// What was seen so far says nothing of what comes.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Takes note of what is measured now.
    pub fn look(
        &mut self,
        sample: &Sample,
        settings: &PartitionGrowth,
        partitions: i32,
        now: Timestamp,
    ) {
        let is_late = |at: Timestamp| now.duration_since(at) > GAP_MAX;
        if self.looked.is_some_and(is_late) {
            self.clear();
        }
        self.looked = Some(now);
        self.look_at_throughput(sample.bytes_per_second, settings, partitions, now);
        self.look_at_lags(&sample.lags, settings, partitions, now);
    }

    fn look_at_throughput(
        &mut self,
        bytes_per_second: f64,
        settings: &PartitionGrowth,
        partitions: i32,
        now: Timestamp,
    ) {
        let limit = settings.target_bytes_per_second as f64 * f64::from(partitions);
        if limit <= 0.0 {
            self.throughput = None;
            return;
        }
        if let Some(watched) = &mut self.throughput {
            watched.look(bytes_per_second, now);
            let is_held = watched.is_held(hold(settings), now);
            if bytes_per_second < limit * ENOUGH_BELOW || is_held && watched.mean() <= limit {
                self.throughput = None;
            }
        }
        if bytes_per_second > limit {
            let begin = Watched::begin(bytes_per_second, now);
            self.throughput.get_or_insert(begin);
        }
    }

    fn look_at_lags(
        &mut self,
        lags: &[Lag],
        settings: &PartitionGrowth,
        partitions: i32,
        now: Timestamp,
    ) {
        let over = f64::from(settings.lag_seconds) * LAG_OVER_BELOW;
        let stays: BTreeMap<&str, &Lag> = lags
            .iter()
            .filter(|lag| lag.seconds >= over && hindrance(lag, partitions).is_none())
            .map(|lag| (lag.group.as_str(), lag))
            .collect();
        self.lags.retain(|group, watched| {
            let Some(lag) = stays.get(group.as_str()) else {
                return false;
            };
            watched.look(lag, now);
            // It has caught up some, and may be able to do the rest.
            let catches_up = lag.records < watched.records;
            !(watched.produced.is_held(hold(settings), now) && catches_up)
        });
        for lag in lags {
            if standing(lag, settings, partitions) == Standing::Full {
                let group = self.lags.entry(lag.group.clone());
                group.or_insert_with(|| WatchedLag::begin(lag, now));
            }
        }
        if settings.lag_seconds == 0 {
            self.lags.clear();
        }
    }

    /// What asks for more than `partitions`.
    pub fn demands(&self, settings: &PartitionGrowth, partitions: i32) -> Vec<Demand> {
        let throughput = self.throughput.map(|watched| {
            let target = settings.target_bytes_per_second as f64;
            let bytes_per_second = watched.mean();
            Demand {
                partitions: more(bytes_per_second / (target * USED_AFTER), partitions),
                since: watched.since(),
                words: words::throughput(partitions, bytes_per_second, target),
            }
        });
        let lags = self.lags.iter().map(|(group, watched)| {
            let (produced, committed) = (watched.produced.mean(), watched.committed.mean());
            let share = produced / (committed * USED_AFTER);
            Demand {
                partitions: more(f64::from(partitions) * share, partitions),
                since: watched.produced.since(),
                words: words::lag(group, watched.members, watched.seconds, partitions)
                    + &words::commits(committed, produced),
            }
        });
        throughput.into_iter().chain(lags).collect()
    }
}

impl WatchedLag {
    fn begin(lag: &Lag, now: Timestamp) -> Self {
        Self {
            records: lag.records,
            produced: Watched::begin(lag.produced_per_second, now),
            committed: Watched::begin(lag.committed_per_second, now),
            members: lag.members,
            seconds: lag.seconds,
        }
    }

    fn look(&mut self, lag: &Lag, now: Timestamp) {
        self.produced.look(lag.produced_per_second, now);
        self.committed.look(lag.committed_per_second, now);
        (self.members, self.seconds) = (lag.members, lag.seconds);
    }
}

/// How long pressure has to last.
pub fn hold(settings: &PartitionGrowth) -> SignedDuration {
    SignedDuration::from_secs(settings.hold_seconds.into())
}

/// `needed`, rounded up: at least one more than there are, and at most twice as many.
fn more(needed: f64, partitions: i32) -> i32 {
    let (least, most) = (partitions.saturating_add(1), partitions.saturating_mul(2));
    // A cast from a float stays within the integer's limits, and NaN becomes 0.
    (needed.ceil() as i32).clamp(least.min(most), most)
}
