//! Taking over new metadata, as one batch.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use kintsugi_metadata::{Delta, Image, PartitionState, TopicImage};
use kintsugi_replica::{LogEnds, Replica, ReplicaConfig};
use kintsugi_storage::FileSystem;
use kintsugi_types::{
    BrokerEpoch, BrokerId, LeaderEpoch, PartitionId, PartitionIndex, Time, TopicId,
};

use super::open::ShardError;
use super::partition::{Partition, assignment_of};
use super::topic_settings::topic_settings;
use super::{Shard, TopicDefaults, directories};
use crate::message::replication::FetchClass;
use crate::message::shard::Command;

impl<F: FileSystem> Shard<F> {
    pub(super) fn publish(
        &mut self,
        now: Time,
        image: Arc<Image>,
        delta: Option<&Delta>,
        broker_epoch: BrokerEpoch,
        out: &mut Vec<Command>,
    ) {
        let rates = self.throttle_rates();
        let before = std::mem::replace(&mut self.image, image);
        self.note_rates(rates);
        self.broker_epoch = broker_epoch;
        let image = Arc::clone(&self.image);
        let offset = image.offset;
        if !self.has_reached_registration() {
            // An image from before names the incarnation that this one replaced: acting on it
            // would make two of them lead in one leader epoch.
            out.push(Command::Applied { offset });
            return;
        }
        self.making.begin_publish();
        let is_first = !std::mem::replace(&mut self.is_named, true);
        let delta = delta.filter(|_| !is_first);
        self.restart_fetchers(now, &before, delta);
        let result = self
            .remove_partitions(delta)
            .and_then(|()| self.set_strays_aside());
        self.note_failure(result);
        for topic in changed_topics(&image, self.config.broker, delta) {
            self.configure(now, topic);
        }
        for id in self.changed_partitions(&image, delta) {
            if let Some(state) = image.partition(id) {
                let result = self.take_state(now, id, state);
                self.note_failure(result);
            }
        }
        if delta.is_none_or(|delta| !delta.brokers.is_empty()) {
            for key in self.sessions.outlived(&image) {
                self.end_session(key, out);
            }
            // Who may join an ISR may have changed.
            self.tick_leaders(now);
        }
        self.resign_lost_groups(out);
        self.begin_groups(now);
        if let Some(delta) = delta {
            let deleted = delta.topics_deleted.values();
            let deleted: Vec<_> = deleted.map(|topic| topic.name.clone()).collect();
            self.forget_offsets_of(now, &deleted, out);
        }
        self.fail_unawaited(now);
        self.making.end_publish(offset);
    }

    /// Whether the image is one that this registration is in.
    pub(super) fn has_reached_registration(&self) -> bool {
        let own = self.image.brokers.get(&self.config.broker);
        own.is_some_and(|own| own.epoch == self.broker_epoch)
    }

    pub(super) fn note_failure(&mut self, result: Result<(), ShardError>) {
        if let Err(error) = result {
            self.todo.fatal.get_or_insert(error.to_string());
        }
    }

    /// The partitions of this shard whose state may have changed.
    fn changed_partitions(&self, image: &Image, delta: Option<&Delta>) -> Vec<PartitionId> {
        let is_own = |id: &PartitionId| id.shard_of(self.config.shards) == self.config.shard;
        match delta {
            Some(delta) => delta.partitions.iter().copied().filter(is_own).collect(),
            None => all_partitions(image).filter(is_own).collect(),
        }
    }

    /// Begins the sessions with leaders anew whose incarnation changed.
    fn restart_fetchers(&mut self, now: Time, before: &Image, delta: Option<&Delta>) {
        let image = Arc::clone(&self.image);
        let epoch_of = |image: &Image, id| image.brokers.get(id).map(|broker| broker.epoch);
        let is_affected = |id: &BrokerId| delta.is_none_or(|delta| delta.brokers.contains(id));
        for id in image.brokers.keys().filter(|id| is_affected(id)) {
            let known = epoch_of(before, id);
            if known.is_some() && known != epoch_of(&image, id) {
                self.fetchers.reset(now, *id);
            }
        }
    }

    fn remove_partitions(&mut self, delta: Option<&Delta>) -> Result<(), ShardError> {
        let image = Arc::clone(&self.image);
        let is_deleted = |id: &PartitionId| {
            delta.is_some_and(|delta| delta.topics_deleted.contains_key(&id.topic))
        };
        let gone: Vec<PartitionId> = match delta {
            // A topic never has fewer partitions than before.
            Some(delta) => {
                let deleted = delta.topics_deleted.keys();
                let gone = deleted.flat_map(|topic| self.partitions.range(all_of(*topic)));
                gone.map(|(id, _)| *id).collect()
            }
            None => {
                let is_gone = |id: &PartitionId| image.partition(*id).is_none();
                self.partitions.keys().copied().filter(is_gone).collect()
            }
        };
        for id in gone {
            self.drop_partition(id, is_deleted(&id))?;
        }
        let found: Vec<_> = self.recovered.keys().copied().filter(is_deleted).collect();
        for id in found {
            let Some(found) = self.recovered.remove(&id) else {
                continue;
            };
            self.stale_names.insert(&found.topic, id.index);
            self.watch.note_news();
            drop(found.log);
            self.remove_directory(&found.path)?;
        }
        Ok(())
    }

    /// Stops serving a partition. Its log is removed if the metadata says that it is not needed
    /// here any more: its topic was deleted, or others replaced this replica. Else it is set aside.
    fn drop_partition(&mut self, id: PartitionId, is_deleted: bool) -> Result<(), ShardError> {
        self.with_replica(id, |replica, _, commands| replica.fail_waiting(commands));
        self.fail_sync_waits(id);
        self.wake_watchers(id);
        self.fetchers.assign(Time::ZERO, id, None);
        self.mends.forget(id);
        let Some(partition) = self.partitions.remove(&id) else {
            return Ok(());
        };
        self.watch.note_news();
        self.stale_names.insert(&partition.name, id.index);
        let path = partition.log.directory().to_owned();
        drop(partition.log);
        if is_deleted {
            return self.remove_directory(&path);
        }
        Ok(directories::set_aside(
            self.context.fs(),
            &self.root,
            &path,
        )?)
    }

    /// Sets logs aside that the metadata does not give to this broker.
    fn set_strays_aside(&mut self) -> Result<(), ShardError> {
        if self.recovered.is_empty() {
            return Ok(());
        }
        let is_stray = |id: &PartitionId| {
            let state = self.image.partition(*id);
            state.is_none_or(|state| !state.replicas.contains(&self.config.broker))
        };
        let strays: Vec<_> = self.recovered.keys().copied().filter(is_stray).collect();
        for id in strays {
            let Some(stray) = self.recovered.remove(&id) else {
                continue;
            };
            self.stale_names.insert(&stray.topic, id.index);
            self.watch.note_news();
            drop(stray.log);
            directories::set_aside(self.context.fs(), &self.root, &stray.path)?;
        }
        Ok(())
    }

    fn configure(&mut self, now: Time, topic: &TopicImage) {
        let settings = self.settings_of(topic);
        for (id, partition) in self.partitions.range_mut(all_of(topic.id)) {
            partition.log.set_config(settings.log.clone());
            partition.replica.set_min_isr(settings.min_isr);
            self.watch.add(*id, partition);
            if partition.log.sync_wanted().is_some() {
                self.todo.syncs.insert(*id);
            }
        }
        // Which replicas are throttled may have changed.
        for (index, state) in &topic.partitions {
            let id = PartitionId {
                topic: topic.id,
                index: *index,
            };
            self.fetch_from_leader(now, id, state, false);
        }
    }

    /// What is in force for a topic on this broker.
    pub(super) fn settings_of(&self, topic: &TopicImage) -> TopicDefaults {
        let configs = &self.image.dynamic_configs;
        let configs = configs.for_topic(self.config.broker, &topic.configs);
        topic_settings(&configs, &self.config.topic_defaults)
    }

    /// Brings one partition to its committed state.
    pub(super) fn take_state(
        &mut self,
        now: Time,
        id: PartitionId,
        state: &PartitionState,
    ) -> Result<(), ShardError> {
        if !state.replicas.contains(&self.config.broker) {
            // The replicas that took over hold everything, and it is committed that they do.
            return if self.partitions.contains_key(&id) {
                self.drop_partition(id, true)
            } else {
                Ok(())
            };
        }
        if !self.partitions.contains_key(&id) && !self.add_partition(id) {
            self.making
                .want(id, state.leader == Some(self.config.broker));
            return Ok(());
        }
        let Some(partition) = self.partitions.get_mut(&id) else {
            return Ok(());
        };
        let known_epoch = partition.replica.leader_epoch();
        let are_new_replicas = partition.replicas != state.replicas;
        if are_new_replicas {
            partition.replicas.clone_from(&state.replicas);
        }
        let ends = LogEnds {
            log: partition.log.log_end(),
            counted: partition.log.counted_end(),
        };
        let assignment = assignment_of(state);
        self.with_replica(id, |replica, brokers, commands| {
            replica.assign(now, &assignment, ends, brokers, commands);
        });
        let is_new_epoch = state.leader_epoch != known_epoch;
        if is_new_epoch {
            self.note_group_partition(id);
        }
        self.fetch_from_leader(now, id, state, is_new_epoch);
        if state.leader == Some(self.config.broker) && (is_new_epoch || are_new_replicas) {
            self.await_followers(now, id, state, is_new_epoch);
        }
        if state.leader != Some(self.config.broker) {
            self.fail_sync_waits(id);
        }
        // What was written before `flush.messages` was 1 counts only once it is synced.
        self.want_sync(id);
        self.wake_watchers(id);
        Ok(())
    }

    /// This broker leads in a new epoch, or has new followers.
    fn await_followers(
        &mut self,
        now: Time,
        id: PartitionId,
        state: &PartitionState,
        is_new_epoch: bool,
    ) {
        let broker = self.config.broker;
        let until = now + self.config.timings.expecting_for;
        let in_sync = state.isr.iter().filter(|id| **id != broker && is_new_epoch);
        for follower in in_sync {
            let shard = id.shard_of(self.shards_of(*follower));
            let key = (*follower, shard, FetchClass::InSync);
            self.sessions.expect(key, id, until);
            self.todo.sessions.insert(key);
        }
        // Followers that heard of this state first have told their positions already.
        let sessions = self.partitions.get(&id).map(|p| p.sessions.clone());
        for key in sessions.unwrap_or_default() {
            self.count_position(now, key, id);
        }
    }

    /// Takes a log that was found at the start or made just now. False: there is none.
    fn add_partition(&mut self, id: PartitionId) -> bool {
        let image = Arc::clone(&self.image);
        let Some(topic) = image.topics.get(&id.topic) else {
            return false;
        };
        let Some(found) = self.recovered.remove(&id) else {
            return false;
        };
        let settings = self.settings_of(topic);
        let mut log = found.log;
        log.set_config(settings.log.clone());
        let replica = Replica::new(self.replica_config(settings.min_isr), found.high_watermark);
        let mut partition = Partition::new(topic.name.clone(), log, replica);
        partition.sessions = self.sessions.with_position(id);
        let to_mend = found.to_mend;
        let damaged = to_mend.and_then(|offset| partition.log.check(offset, 1).err());
        self.watch.add(id, &mut partition);
        self.partitions.insert(id, partition);
        self.note_storage(id, damaged);
        true
    }

    fn replica_config(&self, min_isr: usize) -> ReplicaConfig {
        let config = ReplicaConfig::new(self.config.broker, min_isr, self.config.lag_max);
        #[cfg(any(test, feature = "bugs"))]
        let config = ReplicaConfig {
            bugs: self.config.bugs,
            ..config
        };
        config
    }

    /// The newest leader epoch that this shard knows of a partition.
    #[must_use]
    pub fn leader_epoch(&self, id: PartitionId) -> Option<LeaderEpoch> {
        self.partitions.get(&id).map(|p| p.replica.leader_epoch())
    }
}

/// Every partition that a topic may have.
fn all_of(topic: TopicId) -> RangeInclusive<PartitionId> {
    let numbered = |index| PartitionId {
        topic,
        index: PartitionIndex(index),
    };
    numbered(0)..=numbered(i32::MAX)
}

fn all_partitions(image: &Image) -> impl Iterator<Item = PartitionId> {
    image.topics.values().flat_map(|topic| {
        let indexes = topic.partitions.keys();
        indexes.map(|index| PartitionId {
            topic: topic.id,
            index: *index,
        })
    })
}

fn changed_topics<'a>(
    image: &'a Image,
    broker: BrokerId,
    delta: Option<&Delta>,
) -> impl Iterator<Item = &'a TopicImage> {
    let is_own_default =
        |delta: &&Delta| delta.all_brokers_configured || delta.brokers_configured.contains(&broker);
    let changed: BTreeSet<_> = match delta.filter(|delta| !is_own_default(delta)) {
        Some(delta) => delta.topics_configured.clone(),
        None => image.topics.keys().copied().collect(),
    };
    let topics = changed.into_iter();
    topics.filter_map(|topic| image.topics.get(&topic).map(Arc::as_ref))
}
