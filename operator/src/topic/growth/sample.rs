//! From what was measured of a cluster to what decides about one topic.

use kintsugi_load::{GroupModel, LoadModel, TopicLag, WARM_UP};

use crate::load::{FRESH_MS, Loads, lock};
use crate::topic::validate::Topic;

/// Groups of one topic that are looked at: those that are furthest behind.
const GROUPS_MAX: usize = 100;

/// What was measured of a topic.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Bytes that producers append to it each second.
    pub bytes_per_second: f64,
    /// The groups that read it, those first that are furthest behind.
    pub lags: Vec<Lag>,
}

/// How far a group is behind.
#[derive(Clone, Debug, PartialEq)]
pub struct Lag {
    /// Its name.
    pub group: String,
    /// Its members.
    pub members: usize,
    /// How old the oldest record is that it has not committed; at least, where it is older than what
    /// was seen.
    pub seconds: f64,
    /// Records that it has not committed.
    pub records: f64,
    /// Records a second that are produced.
    pub produced_per_second: f64,
    /// Records a second that it commits.
    pub committed_per_second: f64,
}

impl From<TopicLag> for Lag {
    fn from(lag: TopicLag) -> Self {
        Self {
            group: lag.group,
            members: lag.members,
            seconds: lag.age.map_or(0.0, |age| age.millis() as f64 / 1_000.0),
            records: lag.records,
            produced_per_second: lag.produced_per_second,
            committed_per_second: lag.committed_per_second,
        }
    }
}

/// What is measured of `topic`, which has so many partitions.
///
/// # Errors
/// Why that is not known, or says nothing, in words.
pub fn take(topic: &Topic, partitions: i32, loads: &Loads) -> Result<Sample, String> {
    let key = (topic.namespace.clone(), topic.cluster.clone());
    let load = loads
        .of(&key)
        .ok_or_else(|| "the cluster's load is not measured".to_owned())?;
    let (load, now) = (lock(&load), loads.now());
    load.is_whole(now)?;
    sample(
        topic.topic.as_str(),
        partitions,
        &load.model,
        &load.groups,
        now,
    )
}

/// What the models say at `now`, of their own clock.
///
/// # Errors
/// Why they say nothing of the topic, in words.
pub fn sample(
    topic: &str,
    partitions: i32,
    model: &LoadModel,
    groups: &GroupModel,
    now: u64,
) -> Result<Sample, String> {
    let is_fresh = |at: u64| now.saturating_sub(at) < FRESH_MS;
    let (mut measured, mut bytes_per_second) = (0, 0.0);
    let known = model.topic(topic).into_iter();
    // Others are of a topic of the same name that is gone.
    for partition in known.filter(|known| (0..partitions).contains(&known.number)) {
        if partition.told_at.is_some_and(|at| !is_fresh(at)) {
            let (number, seconds) = (partition.number, FRESH_MS / 1_000);
            return Err(format!(
                "the leader of partition {number} has not told its load for {seconds} s"
            ));
        }
        if u128::from(partition.observed_ms) >= WARM_UP.as_millis() {
            measured += 1;
            bytes_per_second += partition.rates.bytes_in;
        }
    }
    if measured < partitions {
        return Err(format!(
            "{} of {partitions} partitions are not measured yet, which takes 15 s",
            partitions - measured
        ));
    }
    let mut lags: Vec<Lag> = groups
        .topic_lags(topic, now, model)
        .into_iter()
        .filter(|lag| is_fresh(lag.told_at))
        .map(Lag::from)
        .collect();
    lags.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    lags.truncate(GROUPS_MAX);
    Ok(Sample {
        bytes_per_second,
        lags,
    })
}
