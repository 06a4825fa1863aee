//! The image: all metadata up to an offset, and the delta between two images.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kintsugi_types::{
    BrokerEpoch, BrokerId, ClusterId, Generation, MetadataOffset, PartitionId, PartitionIndex,
    ProducerId, TopicId, TopicName,
};

use crate::configs::DynamicConfigs;
use crate::record::{BrokerRegistration, MetadataRecord, PartitionState};

/// All metadata up to [`Image::offset`]. Cheap to clone: topics and brokers are shared.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Image {
    /// The last entry of the quorum that is in here.
    pub offset: MetadataOffset,
    /// The cluster's id, once it is formed.
    pub cluster: Option<ClusterId>,
    /// Every registered broker.
    pub brokers: BTreeMap<BrokerId, BrokerImage>,
    /// The highest generation granted, of each broker that has had one.
    pub generations: BTreeMap<BrokerId, Generation>,
    /// Every topic.
    pub topics: BTreeMap<TopicId, Arc<TopicImage>>,
    /// The topics by name.
    pub names: BTreeMap<TopicName, TopicId>,
    /// The first producer id that is not handed out.
    pub next_producer_id: ProducerId,
    /// The settings of brokers that were changed while they run.
    pub dynamic_configs: Arc<DynamicConfigs>,
}

/// One broker's registration and state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BrokerImage {
    /// What it registered with.
    pub registration: Arc<BrokerRegistration>,
    /// The offset of that registration.
    pub epoch: BrokerEpoch,
    /// Whether it may neither lead nor be in an ISR.
    pub fenced: bool,
    /// Whether it is handing over before it stops.
    pub stopping: bool,
}

/// One topic with its partitions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicImage {
    /// Its id.
    pub id: TopicId,
    /// Its name.
    pub name: TopicName,
    /// Its own settings, by Kafka's names.
    pub configs: BTreeMap<String, String>,
    /// Its partitions.
    pub partitions: BTreeMap<PartitionIndex, Arc<PartitionState>>,
}

/// What changed between two images.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Delta {
    /// Partitions that were created or whose state changed.
    pub partitions: BTreeSet<PartitionId>,
    /// Topics that were deleted, as they were.
    pub topics_deleted: BTreeMap<TopicId, Arc<TopicImage>>,
    /// Topics whose settings changed.
    pub topics_configured: BTreeSet<TopicId>,
    /// Brokers whose registration, fencing or stopping changed.
    pub brokers: BTreeSet<BrokerId>,
    /// Brokers whose settings changed.
    pub brokers_configured: BTreeSet<BrokerId>,
    /// Whether settings changed that all brokers share.
    pub all_brokers_configured: bool,
}

impl Image {
    /// The state of one partition.
    #[must_use]
    pub fn partition(&self, partition: PartitionId) -> Option<&Arc<PartitionState>> {
        self.topics
            .get(&partition.topic)?
            .partitions
            .get(&partition.index)
    }

    /// The topic of this name.
    #[must_use]
    pub fn topic_named(&self, name: &TopicName) -> Option<&Arc<TopicImage>> {
        self.topics.get(self.names.get(name)?)
    }

    /// Every partition of every topic, in order.
    pub fn partitions(&self) -> impl Iterator<Item = (PartitionId, &Arc<PartitionState>)> {
        self.topics.values().flat_map(|topic| {
            topic.partitions.iter().map(|(index, state)| {
                let partition = PartitionId {
                    topic: topic.id,
                    index: *index,
                };
                (partition, state)
            })
        })
    }

    /// Whether this broker is registered and not fenced; it may be stopping.
    #[must_use]
    pub fn is_unfenced(&self, broker: BrokerId) -> bool {
        self.brokers.get(&broker).is_some_and(|b| !b.fenced)
    }

    /// Whether this broker may lead and be in an ISR.
    #[must_use]
    pub fn is_active(&self, broker: BrokerId) -> bool {
        self.brokers
            .get(&broker)
            .is_some_and(|b| !b.fenced && !b.stopping)
    }

    /// Whether this broker is about to end: it is stopping and leads nothing any more. Reads every
    /// partition where it is stopping.
    #[must_use]
    pub fn is_leaving(&self, broker: BrokerId) -> bool {
        let is_stopping = self.brokers.get(&broker).is_some_and(|b| b.stopping);
        let leads = |(_, state): (PartitionId, &Arc<PartitionState>)| state.leader == Some(broker);
        is_stopping && !self.partitions().any(leads)
    }

    /// Applies the records of one committed entry and notes in `delta` what they changed.
    ///
    /// A record about a topic or broker that is not there changes nothing: the entry that made
    /// it obsolete came earlier in the same log, so every image skips it alike.
    pub fn apply(&mut self, offset: MetadataOffset, records: &[MetadataRecord], delta: &mut Delta) {
        for record in records {
            self.apply_one(offset, record, delta);
        }
        self.offset = offset;
    }

    fn apply_one(&mut self, offset: MetadataOffset, record: &MetadataRecord, delta: &mut Delta) {
        match record {
            MetadataRecord::ClusterFormed { cluster } => self.cluster = Some(cluster.clone()),
            MetadataRecord::GenerationGranted { broker, generation } => {
                self.generations.insert(*broker, *generation);
            }
            MetadataRecord::ProducerIdsAllocated { next } => {
                self.next_producer_id = self.next_producer_id.max(*next);
            }
            MetadataRecord::BrokerConfigChanged { broker, key, value } => {
                let configs = Arc::make_mut(&mut self.dynamic_configs);
                configs.set(*broker, key, value.as_deref());
                match broker {
                    Some(broker) => _ = delta.brokers_configured.insert(*broker),
                    None => delta.all_brokers_configured = true,
                }
            }
            MetadataRecord::BrokerRegistered { .. }
            | MetadataRecord::BrokerRestored { .. }
            | MetadataRecord::BrokerFenced { .. }
            | MetadataRecord::BrokerUnfenced { .. }
            | MetadataRecord::BrokerStopping { .. }
            | MetadataRecord::BrokerUnregistered { .. } => {
                self.apply_to_broker(offset, record, delta);
            }
            MetadataRecord::TopicCreated { .. }
            | MetadataRecord::TopicDeleted { .. }
            | MetadataRecord::TopicConfigChanged { .. }
            | MetadataRecord::Partition { .. } => self.apply_to_topic(record, delta),
        }
    }

    fn apply_to_broker(
        &mut self,
        offset: MetadataOffset,
        record: &MetadataRecord,
        delta: &mut Delta,
    ) {
        match record {
            MetadataRecord::BrokerRegistered { registration } => {
                let image = BrokerImage {
                    registration: Arc::clone(registration),
                    epoch: BrokerEpoch(i64::try_from(offset.0).unwrap_or(i64::MAX)),
                    fenced: true,
                    stopping: false,
                };
                self.put_broker(image, delta);
            }
            MetadataRecord::BrokerRestored {
                registration,
                epoch,
                fenced,
                stopping,
            } => {
                let image = BrokerImage {
                    registration: Arc::clone(registration),
                    epoch: *epoch,
                    fenced: *fenced,
                    stopping: *stopping,
                };
                self.put_broker(image, delta);
            }
            MetadataRecord::BrokerFenced { broker, epoch } => {
                self.change_broker(*broker, *epoch, delta, |b| b.fenced = true);
            }
            MetadataRecord::BrokerUnfenced { broker, epoch } => {
                self.change_broker(*broker, *epoch, delta, |b| b.fenced = false);
            }
            MetadataRecord::BrokerStopping { broker, epoch } => {
                self.change_broker(*broker, *epoch, delta, |b| b.stopping = true);
            }
            MetadataRecord::BrokerUnregistered { broker } => {
                self.brokers.remove(broker);
                Arc::make_mut(&mut self.dynamic_configs)
                    .brokers
                    .remove(broker);
                delta.brokers.insert(*broker);
            }
            _ => {}
        }
    }

    fn apply_to_topic(&mut self, record: &MetadataRecord, delta: &mut Delta) {
        match record {
            MetadataRecord::TopicCreated {
                topic,
                name,
                configs,
            } => {
                let (id, name, configs) = (*topic, name.clone(), configs.clone());
                self.names.insert(name.clone(), id);
                let image = TopicImage {
                    id,
                    name,
                    configs,
                    partitions: BTreeMap::new(),
                };
                self.topics.insert(id, Arc::new(image));
            }
            MetadataRecord::TopicDeleted { topic } => {
                if let Some(image) = self.topics.remove(topic) {
                    self.names.remove(&image.name);
                    delta
                        .partitions
                        .retain(|partition| partition.topic != *topic);
                    delta.topics_configured.remove(topic);
                    delta.topics_deleted.insert(*topic, image);
                }
            }
            MetadataRecord::TopicConfigChanged { topic, key, value } => {
                if let Some(image) = self.topics.get_mut(topic) {
                    let configs = &mut Arc::make_mut(image).configs;
                    match value {
                        Some(value) => configs.insert(key.clone(), value.clone()),
                        None => configs.remove(key),
                    };
                    delta.topics_configured.insert(*topic);
                }
            }
            MetadataRecord::Partition { partition, state } => {
                if let Some(image) = self.topics.get_mut(&partition.topic) {
                    let partitions = &mut Arc::make_mut(image).partitions;
                    partitions.insert(partition.index, Arc::clone(state));
                    delta.partitions.insert(*partition);
                }
            }
            _ => {}
        }
    }

    fn put_broker(&mut self, image: BrokerImage, delta: &mut Delta) {
        let broker = image.registration.incarnation.broker;
        self.brokers.insert(broker, image);
        delta.brokers.insert(broker);
    }

    fn change_broker(
        &mut self,
        broker: BrokerId,
        epoch: BrokerEpoch,
        delta: &mut Delta,
        change: impl FnOnce(&mut BrokerImage),
    ) {
        if let Some(image) = self.brokers.get_mut(&broker).filter(|b| b.epoch == epoch) {
            change(image);
            delta.brokers.insert(broker);
        }
    }
}
