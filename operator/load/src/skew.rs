//! Topics whose partitions are used unlike, and what to do about it.

use crate::model::LoadModel;
use crate::{Rates, TopicPartition};

/// A partition with so many times the mean of its topic is skewed: hashing a few hundred keys alike
/// gives less.
const TIMES_MEAN_MIN: f64 = 3.0;

/// Below so many bytes a second a topic's skew costs nothing.
const BYTES_PER_SECOND_MIN: f64 = 100_000.0;

/// Below so many partitions "times the mean" says little.
const PARTITIONS_MIN: usize = 3;

/// A topic with a partition that takes much more than its part.
#[derive(Clone, PartialEq, Debug)]
pub struct Skew {
    /// The hottest partition.
    pub partition: TopicPartition,
    /// How many partitions the topic has.
    pub partitions: usize,
    /// What the whole topic takes, in bytes a second.
    pub topic_bytes_per_second: f64,
    /// What the hottest partition takes, in bytes a second.
    pub bytes_per_second: f64,
    /// What to do about it, for a person.
    pub suggestion: String,
}

impl Skew {
    /// How many times the mean of the topic's partitions it takes.
    pub fn times_mean(&self) -> f64 {
        self.bytes_per_second * self.partitions as f64 / self.topic_bytes_per_second
    }
}

/// Every skewed topic, in order of their names.
pub fn skews(model: &LoadModel) -> Vec<Skew> {
    let mut found = Vec::new();
    let mut of_topic: Vec<(&TopicPartition, Rates)> = Vec::new();
    for (partition, rates) in model.all_rates() {
        if of_topic
            .first()
            .is_some_and(|(first, _)| first.topic != partition.topic)
        {
            found.extend(skew(&of_topic));
            of_topic.clear();
        }
        of_topic.push((partition, rates));
    }
    found.extend(skew(&of_topic));
    found
}

fn skew(of_topic: &[(&TopicPartition, Rates)]) -> Option<Skew> {
    let total: f64 = of_topic.iter().map(|(_, rates)| rates.bytes_in).sum();
    let (hottest, rates) = of_topic
        .iter()
        .max_by(|(_, a), (_, b)| a.bytes_in.total_cmp(&b.bytes_in))?;
    if of_topic.len() < PARTITIONS_MIN || total < BYTES_PER_SECOND_MIN {
        return None;
    }
    let mut skew = Skew {
        partition: (*hottest).clone(),
        partitions: of_topic.len(),
        topic_bytes_per_second: total,
        bytes_per_second: rates.bytes_in,
        suggestion: String::new(),
    };
    if skew.times_mean() < TIMES_MEAN_MIN {
        return None;
    }
    skew.suggestion = suggestion(&skew);
    Some(skew)
}

fn suggestion(skew: &Skew) -> String {
    let TopicPartition { topic, number } = &skew.partition;
    format!(
        "partition {number} of topic {topic} takes {:.0} % of the topic's {:.1} MB/s, {:.1} times the \
         mean of its {} partitions. Few keys carry most bytes, or a producer names the partition. \
         More partitions do not spread one key: give records a finer key, such as the present one \
         with a suffix of a small range where order within it is not needed; without keys, \
         leave partitioner.class at its default.",
        100.0 * skew.bytes_per_second / skew.topic_bytes_per_second,
        skew.topic_bytes_per_second / 1e6,
        skew.times_mean(),
        skew.partitions,
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{BrokerSample, Counters, PartitionSample, TopicSample};

    fn model(bytes_per_second: &[f64]) -> LoadModel {
        let mut model = LoadModel::default();
        for seconds in [0.0, 5.0] {
            let partitions =
                bytes_per_second
                    .iter()
                    .zip(0..)
                    .map(|(rate, number)| PartitionSample {
                        number,
                        is_leader: true,
                        size_bytes: 0.0,
                        log_end: 0.0,
                        high_watermark: 0.0,
                        counters: Some(Counters {
                            bytes_in: rate * seconds,
                            ..Counters::default()
                        }),
                    });
            let topic = TopicSample {
                name: Arc::from("t"),
                counters: None,
                partitions: partitions.collect(),
            };
            let sample = BrokerSample {
                topics: vec![topic],
                ..BrokerSample::default()
            };
            model.take(0, 1_000 + (seconds * 1_000.0) as u64, &sample);
        }
        model
    }

    #[test]
    fn a_hot_partition_is_reported_with_numbers_and_advice() {
        let skews = skews(&model(&[1e6, 1e5, 1e5, 1e5]));
        assert_eq!(skews.len(), 1);
        assert_eq!(skews[0].partition.number, 0);
        let start = "partition 0 of topic t takes 77 % of the topic's 1.3 MB/s, 3.1 times the mean of its 4";
        assert!(
            skews[0].suggestion.starts_with(start),
            "{}",
            skews[0].suggestion
        );
    }

    #[test]
    fn even_small_and_idle_topics_are_not_reported() {
        for rates in [
            &[1e6, 9e5, 8e5][..],
            &[1e4, 0.0, 0.0, 0.0],
            &[0.0; 4],
            &[1e6, 0.0],
        ] {
            assert_eq!(skews(&model(rates)), []);
        }
    }
}
