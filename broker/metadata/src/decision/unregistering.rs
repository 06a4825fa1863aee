//! A broker that is gone for good is forgotten (KIP-919's UnregisterBroker).

use kintsugi_types::{BrokerId, PartitionId};

use crate::image::Image;
use crate::record::MetadataRecord;

/// Why a broker is not forgotten.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UnregisterRefused {
    /// There is no such broker.
    #[error("Broker ID {0} is not currently registered.")]
    NotRegistered(BrokerId),
    /// It lives; it would register again at once.
    #[error("Broker {0} is not fenced: stop it before it is unregistered.")]
    IsLive(BrokerId),
    /// Partitions still count on it.
    #[error(
        "Broker {broker} still holds replicas of {partitions} partition(s), such as {example}: move them to other brokers first."
    )]
    HoldsReplicas {
        /// Which broker.
        broker: BrokerId,
        /// How many.
        partitions: usize,
        /// One of them.
        example: PartitionId,
    },
}

/// Decides to forget a broker. Stricter than Kafka, which forgets live brokers and leaves their
/// replicas assigned: what is forgotten here could come back with an old log and an old start
/// counter, and nobody would know.
///
/// # Errors
/// See [`UnregisterRefused`].
pub fn unregister(image: &Image, broker: BrokerId) -> Result<MetadataRecord, UnregisterRefused> {
    let Some(known) = image.brokers.get(&broker) else {
        return Err(UnregisterRefused::NotRegistered(broker));
    };
    if !known.fenced {
        return Err(UnregisterRefused::IsLive(broker));
    }
    let mut held = image
        .partitions()
        .filter(|(_, state)| state.replicas.contains(&broker));
    if let Some((example, _)) = held.next() {
        let partitions = 1 + held.count();
        return Err(UnregisterRefused::HoldsReplicas {
            broker,
            partitions,
            example,
        });
    }
    Ok(MetadataRecord::BrokerUnregistered { broker })
}
