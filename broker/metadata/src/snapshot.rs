//! An image as records that rebuild it, for brokers and voters that are too far behind.

use std::sync::Arc;

use kintsugi_types::{MetadataOffset, PartitionId, ProducerId};

use crate::image::{Delta, Image};
use crate::record::MetadataRecord;

/// Records that rebuild this image, see [`restore`].
#[must_use]
pub fn records_of(image: &Image) -> Vec<MetadataRecord> {
    let mut records = Vec::new();
    if let Some(cluster) = image.cluster.clone() {
        records.push(MetadataRecord::ClusterFormed { cluster });
    }
    if image.next_producer_id > ProducerId(0) {
        records.push(MetadataRecord::ProducerIdsAllocated {
            next: image.next_producer_id,
        });
    }
    for (broker, generation) in &image.generations {
        records.push(MetadataRecord::GenerationGranted {
            broker: *broker,
            generation: *generation,
        });
    }
    for broker in image.brokers.values() {
        records.push(MetadataRecord::BrokerRestored {
            registration: Arc::clone(&broker.registration),
            epoch: broker.epoch,
            fenced: broker.fenced,
            stopping: broker.stopping,
        });
    }
    let configs = &image.dynamic_configs;
    let shared = [(None, &configs.all_brokers)].into_iter();
    let of_brokers = configs.brokers.iter().map(|(id, own)| (Some(*id), own));
    for (broker, configs) in shared.chain(of_brokers) {
        for (key, value) in configs {
            records.push(MetadataRecord::BrokerConfigChanged {
                broker,
                key: key.clone(),
                value: Some(value.clone()),
            });
        }
    }
    for topic in image.topics.values() {
        records.push(MetadataRecord::TopicCreated {
            topic: topic.id,
            name: topic.name.clone(),
            configs: topic.configs.clone(),
        });
        for (index, state) in &topic.partitions {
            let partition = PartitionId {
                topic: topic.id,
                index: *index,
            };
            let state = Arc::clone(state);
            records.push(MetadataRecord::Partition { partition, state });
        }
    }
    records
}

/// The image that these records of a snapshot describe, as of `offset`.
#[must_use]
pub fn restore(offset: MetadataOffset, records: &[MetadataRecord]) -> Image {
    let mut image = Image::default();
    image.apply(offset, records, &mut Delta::default());
    image
}
