//! Partitions that are added by load (`spec.partitionGrowth`): what was measured of a topic goes in, at
//! most one number comes out, with its reason.
//!
//! Guarantees: only a topic that asks grows, with the word that nobody needs the order of keys; a
//! compacted one never does. Partitions are added only where they were too few for the whole hold
//! time, on average over it, while the cluster was whole; at most as many as there are; not before the
//! cooldown is over; never above the maximum, and never taken away.
//! Assumes: looks at clusters say whether these are whole ([`Loads::found`]).
//! Never does: write spec, or go by the number in the status. The number is Kafka's.
//!
//! | too few by | when |
//! |---|---|
//! | throughput | producers append more to a partition than the target, on average over the topic |
//! | lag | a group is behind by more than its bound, has a member for each partition, commits, and does not catch up |
//!
//! A group with fewer members than partitions needs members; one that commits next to nothing is
//! stuck or stopped; for neither would partitions do anything. So lag adds partitions only after people,
//! or what scales consumers for them, have added members up to the number of partitions, where KEDA's
//! Kafka scaler stops, and it cannot run away by itself.
//!
//! What is remembered lives in memory only: an operator that restarts waits for a whole hold time anew.
//! The cooldown is read from the status where that is there.

mod pressure;
mod sample;
mod step;
mod words;

use k8s_openapi::jiff::Timestamp;
use kintsugi_crds::KafkaTopicStatus;

use super::decide::own_view;
use super::observe::Observed;
use super::validate::Topic;
use crate::load::Loads;
use crate::remembered::Remembered;
pub use sample::{Lag, Sample, sample};
pub use step::{Figures, Growth, State, step};

/// Topics that are watched. One above it does not grow, and its status says so.
const TOPICS_MAX: usize = 1_000;

/// What is remembered of all topics that grow by load.
#[derive(Debug, Default)]
pub struct Growths(Remembered<State, TOPICS_MAX>);

impl Growths {
    /// What there is to say and to do about the number of partitions of `topic`; None where people
    /// choose it, or this look cannot change it.
    pub fn look(
        &self,
        topic: &Topic,
        observed: &Observed,
        written: Option<&KafkaTopicStatus>,
        loads: &Loads,
        now: Timestamp,
    ) -> Option<Growth> {
        let key = (topic.namespace.clone(), topic.name.clone());
        let Some(settings) = topic.growth.as_ref().filter(|_| !topic.is_terminating) else {
            self.forget(&key.0, &key.1);
            return None;
        };
        let Some(view) = own_view(topic, observed) else {
            self.0.with(&key, &topic.uid, State::interrupt);
            return None;
        };
        let measured = sample::take(topic, view.description.partitions, loads);
        let looked = self.0.with(&key, &topic.uid, |state| {
            step(state, settings, view, written, measured, now)
        });
        Some(looked.unwrap_or_else(|| Growth::waiting(words::too_many(TOPICS_MAX))))
    }

    /// A KafkaTopic is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.0.forget(namespace, name);
    }
}
