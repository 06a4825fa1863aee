//! The metadata as everybody in the process reads it.

use std::sync::Arc;

use kintsugi_metadata::Image;
use kintsugi_types::{BrokerEpoch, TopicId, TopicName};

/// The last metadata that every shard was given.
#[derive(Clone, Debug)]
pub struct Published {
    /// The metadata.
    pub image: Arc<Image>,
    /// This broker's epoch.
    pub broker_epoch: BrokerEpoch,
}

impl Published {
    /// The topic of this name, if there is one.
    pub fn topic_id(&self, name: &str) -> Option<TopicId> {
        let name: TopicName = name.parse().ok()?;
        self.image.names.get(&name).copied()
    }
}
