//! The lag of consumer groups: in records, as a rate, and as time.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ewma::{Ewma, is_interval};
use crate::history::Age;
use crate::model::LoadModel;
use crate::{Millis, TopicPartition};

/// Groups that are remembered.
const GROUPS_MAX: usize = 10_000;

/// Committed offsets that are remembered, of all groups.
const OFFSETS_MAX: usize = 200_000;

/// A group that no coordinator told of for so long is forgotten: its coordinator may be moving.
const FORGET_AFTER_MS: Millis = 60_000;

/// What one group has committed, as its coordinator told.
#[derive(Clone, PartialEq, Debug)]
pub struct GroupOffsets {
    /// Its name.
    pub group: String,
    /// Its members.
    pub members: usize,
    /// The next record that it wants, by partition.
    pub offsets: Vec<(TopicPartition, f64)>,
}

/// How far a group is behind.
#[derive(Clone, PartialEq, Debug)]
pub struct GroupLag {
    /// Its name.
    pub group: String,
    /// Its members.
    pub members: usize,
    /// Records that it has not committed, of all its partitions.
    pub records: f64,
    /// How fast that grows, in records a second: what producers write less what it commits. Below 0
    /// it catches up.
    pub growth_per_second: f64,
    /// Its partitions, in order.
    pub partitions: Vec<PartitionLag>,
}

impl GroupLag {
    /// How old the oldest record is that it has not committed; None: it has committed all.
    pub fn age(&self) -> Option<Age> {
        let ages = self.partitions.iter().filter_map(|partition| partition.age);
        ages.max_by_key(|age| age.millis())
    }
}

/// How far a group is behind in one partition.
#[derive(Clone, PartialEq, Debug)]
pub struct PartitionLag {
    /// Which.
    pub partition: TopicPartition,
    /// Records from the committed offset to the high watermark.
    pub records: f64,
    /// How old the first of them is, read from when the high watermark passed it; None: there is
    /// none.
    pub age: Option<Age>,
}

/// How far a group is behind in one topic.
#[derive(Clone, PartialEq, Debug)]
pub struct TopicLag {
    /// The group's name.
    pub group: String,
    /// Its members, whatever topics they read.
    pub members: usize,
    /// Records of the topic that it has not committed.
    pub records: f64,
    /// How old the oldest of them is; None: it has committed all.
    pub age: Option<Age>,
    /// Records a second that are produced to the partitions which it has committed offsets of.
    pub produced_per_second: f64,
    /// Records a second that it commits of the topic.
    pub committed_per_second: f64,
    /// When its coordinator last told of it.
    pub told_at: Millis,
}

#[derive(Clone, Debug)]
struct Group {
    at: Millis,
    members: usize,
    offsets: BTreeMap<TopicPartition, f64>,
    /// Records committed, by topic.
    committed: BTreeMap<Arc<str>, Ewma<1>>,
}

impl Group {
    /// Its offsets of one topic, in order.
    fn of_topic(&self, topic: &str) -> impl Iterator<Item = (&TopicPartition, &f64)> {
        let first = TopicPartition {
            topic: Arc::from(topic),
            number: i32::MIN,
        };
        let from_first = self.offsets.range(first..);
        from_first.take_while(move |(partition, _)| &*partition.topic == topic)
    }
}

/// What groups have committed, over time.
#[derive(Clone, Debug, Default)]
pub struct GroupModel {
    groups: BTreeMap<String, Group>,
    left_out: u64,
}

impl GroupModel {
    /// Takes what a coordinator told at `at`.
    pub fn take(&mut self, at: Millis, told: Vec<GroupOffsets>) {
        self.groups
            .retain(|_, group| at.saturating_sub(group.at) < FORGET_AFTER_MS);
        let mut room =
            OFFSETS_MAX.saturating_sub(self.groups.values().map(|g| g.offsets.len()).sum());
        for told in told {
            let before = self.groups.remove(&told.group);
            room += before.as_ref().map_or(0, |group| group.offsets.len());
            if self.groups.len() >= GROUPS_MAX || told.offsets.len() > room {
                self.left_out += told.offsets.len() as u64;
                continue;
            }
            room -= told.offsets.len();
            let offsets: BTreeMap<_, _> = told.offsets.into_iter().collect();
            let committed = before.map_or_else(BTreeMap::new, |before| {
                let interval_ms = at.saturating_sub(before.at);
                committed(before, &offsets, interval_ms)
            });
            let group = Group {
                at,
                members: told.members,
                offsets,
                committed,
            };
            self.groups.insert(told.group, group);
        }
    }

    /// Every group's lag, in order of their names. Partitions whose end is not known are left out.
    pub fn lags(&self, now: Millis, model: &LoadModel) -> Vec<GroupLag> {
        let lag = |(name, group): (&String, &Group)| {
            let known = group.offsets.iter().filter_map(|(partition, committed)| {
                let end = model.high_watermark(partition)?;
                Some(PartitionLag {
                    partition: partition.clone(),
                    records: (end - committed).max(0.0),
                    age: model.age(partition, *committed, now),
                })
            });
            let partitions: Vec<PartitionLag> = known.collect();
            let produced = partitions
                .iter()
                .map(|p| model.rates(&p.partition).messages_in);
            let committed = group.committed.values().map(|rate| rate.rates()[0]);
            GroupLag {
                group: name.clone(),
                members: group.members,
                records: partitions.iter().map(|partition| partition.records).sum(),
                growth_per_second: produced.sum::<f64>() - committed.sum::<f64>(),
                partitions,
            }
        };
        self.groups.iter().map(lag).collect()
    }

    /// The lag in `topic` of every group that has committed offsets of it, in order of their names.
    /// Partitions whose end is not known are left out.
    pub fn topic_lags(&self, topic: &str, now: Millis, model: &LoadModel) -> Vec<TopicLag> {
        let read = self
            .groups
            .iter()
            .filter(|(_, group)| group.of_topic(topic).next().is_some());
        let lag = |(name, group): (&String, &Group)| {
            let (mut records, mut produced_per_second) = (0.0, 0.0);
            let mut oldest: Option<Age> = None;
            for (partition, committed) in group.of_topic(topic) {
                let Some(end) = model.high_watermark(partition) else {
                    continue;
                };
                records += (end - committed).max(0.0);
                produced_per_second += model.rates(partition).messages_in;
                let age = model.age(partition, *committed, now);
                oldest = oldest.into_iter().chain(age).max_by_key(|age| age.millis());
            }
            let committed = group.committed.get(topic);
            TopicLag {
                group: name.clone(),
                members: group.members,
                records,
                age: oldest,
                produced_per_second,
                committed_per_second: committed.map_or(0.0, |rate| rate.rates()[0]),
                told_at: group.at,
            }
        };
        read.map(lag).collect()
    }

    /// Committed offsets that were not taken because of a limit.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
}

/// How fast a group commits each topic of `offsets`, now that these came `interval_ms` after what was
/// known of it `before`.
fn committed(
    before: Group,
    offsets: &BTreeMap<TopicPartition, f64>,
    interval_ms: Millis,
) -> BTreeMap<Arc<str>, Ewma<1>> {
    let mut advanced: BTreeMap<&Arc<str>, f64> = BTreeMap::new();
    for (partition, offset) in offsets {
        if let Some(before) = before.offsets.get(partition) {
            // Offsets that were set back are no records that came in.
            *advanced.entry(&partition.topic).or_default() += (offset - before).max(0.0);
        }
    }
    let mut committed = before.committed;
    committed.retain(|topic, _| advanced.contains_key(topic));
    if is_interval(interval_ms) {
        for (topic, records) in advanced {
            let rate = committed.entry(Arc::clone(topic)).or_default();
            rate.add([records], interval_ms);
        }
    }
    committed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BrokerSample, Counters, PartitionSample, TopicSample};

    fn partition() -> TopicPartition {
        TopicPartition {
            topic: Arc::from("t"),
            number: 0,
        }
    }

    fn written(end: f64) -> BrokerSample {
        BrokerSample {
            topics: vec![TopicSample {
                name: Arc::from("t"),
                counters: None,
                partitions: vec![PartitionSample {
                    number: 0,
                    is_leader: true,
                    size_bytes: end,
                    log_end: end + 5.0,
                    high_watermark: end,
                    counters: Some(Counters {
                        messages_in: end,
                        ..Counters::default()
                    }),
                }],
            }],
            ..BrokerSample::default()
        }
    }

    fn committed(offset: f64) -> Vec<GroupOffsets> {
        vec![GroupOffsets {
            group: "g".to_owned(),
            members: 1,
            offsets: vec![(partition(), offset)],
        }]
    }

    #[test]
    fn a_group_that_stops_lags_by_what_is_written_since_in_records_rate_and_time() {
        let (mut model, mut groups) = (LoadModel::default(), GroupModel::default());
        for step in 1..=40 {
            let (at, end) = (step * 5_000, step as f64 * 50.0);
            model.take(0, at, &written(end));
            // It follows closely until it is paused at 100 s.
            groups.take(at, committed(end.min(1_000.0)));
        }
        let lags = groups.lags(200_000, &model);
        assert_eq!(lags[0].records, 1_000.0);
        let age = lags[0].age().map(Age::millis).unwrap();
        assert!(age.abs_diff(100_000) < 5_000, "{age}");
        assert!((lags[0].growth_per_second - 9.0).abs() < 0.2, "{lags:?}");
        let of_topic = groups.topic_lags("t", 200_000, &model);
        let [lag] = of_topic.as_slice() else {
            panic!("{of_topic:?}")
        };
        assert_eq!((lag.records, lag.age), (1_000.0, lags[0].age()));
        assert_eq!((lag.members, lag.told_at), (1, 200_000));
        assert!((lag.produced_per_second - 10.0).abs() < 0.2, "{lag:?}");
        assert!((lag.committed_per_second - 1.0).abs() < 0.2, "{lag:?}");
    }

    #[test]
    fn a_groups_commits_are_told_apart_by_topic() {
        let (model, mut groups) = (LoadModel::default(), GroupModel::default());
        let other = TopicPartition {
            topic: Arc::from("u"),
            number: 0,
        };
        for (at, done) in [(0, 0.0), (10_000, 100.0)] {
            let told = GroupOffsets {
                group: "g".to_owned(),
                members: 2,
                offsets: vec![(partition(), done), (other.clone(), done * 3.0)],
            };
            groups.take(at, vec![told]);
        }
        let rate = |topic| groups.topic_lags(topic, 10_000, &model)[0].committed_per_second;
        assert!((rate("t") - 10.0).abs() < 1e-9, "{}", rate("t"));
        assert!((rate("u") - 30.0).abs() < 1e-9, "{}", rate("u"));
        assert_eq!(groups.topic_lags("v", 10_000, &model), []);
    }

    #[test]
    fn a_group_that_read_all_has_no_lag_and_its_offset_may_be_ahead_of_what_is_known() {
        let (mut model, mut groups) = (LoadModel::default(), GroupModel::default());
        model.take(0, 5_000, &written(50.0));
        groups.take(5_000, committed(53.0));
        let lags = groups.lags(6_000, &model);
        assert_eq!((lags[0].records, lags[0].age()), (0.0, None));
    }

    #[test]
    fn groups_beyond_the_limit_are_left_out_and_counted() {
        let mut groups = GroupModel::default();
        let many = (0..GROUPS_MAX + 7).map(|n| GroupOffsets {
            group: format!("g{n}"),
            members: 0,
            offsets: vec![(partition(), 1.0)],
        });
        let many: Vec<_> = many.collect();
        groups.take(1_000, many.clone());
        assert_eq!(groups.left_out(), 7);
        groups.take(2_000, many);
        assert_eq!((groups.groups.len(), groups.left_out()), (GROUPS_MAX, 14));
    }
}
