//! Topics of requests that name them by id from some version on, by name before.

use std::sync::Arc;

use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::StrBytes;
use kintsugi_metadata::TopicImage;
use kintsugi_types::{ErrorCode, TopicId};
use uuid::Uuid;

use super::topics;
use crate::broker::Published;

/// How one request names topics, in one state of the cluster.
pub struct Named<'a> {
    /// The topics that there are.
    pub published: &'a Published,
    /// Whether by id.
    pub by_id: bool,
}

impl Named<'_> {
    /// Gives a topic of the request the name that coordinators know it by. False where there is no
    /// such topic.
    pub fn resolve(&self, name: &mut TopicName, id: &mut Uuid) -> bool {
        if !self.by_id {
            return self.topic(name).is_some();
        }
        let Some(topic) = self.published.image.topics.get(&TopicId(*id)) else {
            return false;
        };
        *name = TopicName(StrBytes::from_string(topic.name.to_string()));
        *id = Uuid::nil();
        true
    }

    /// Names a topic of the answer as the request did. False where it has no id any more.
    pub fn restore(&self, name: &mut TopicName, id: &mut Uuid) -> bool {
        if !self.by_id {
            return true;
        }
        let Some(topic) = self.topic(name) else {
            return false;
        };
        *id = topic.id.0;
        *name = TopicName::default();
        true
    }

    /// What a topic that does not exist is refused with.
    pub const fn unknown(&self) -> ErrorCode {
        if self.by_id {
            ErrorCode::UnknownTopicId
        } else {
            ErrorCode::UnknownTopicOrPartition
        }
    }

    fn topic(&self, name: &TopicName) -> Option<&Arc<TopicImage>> {
        topics::topic(self.published, name)
    }
}
