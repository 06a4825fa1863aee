//! Deletes a topic.

use kintsugi_types::{ErrorCode, TopicId, TopicName};

use super::TopicError;
use crate::image::Image;
use crate::record::MetadataRecord;

/// Decides to delete a topic by name: its id, and the record.
///
/// # Errors
/// `UnknownTopicOrPartition` if there is no such topic.
pub fn delete(image: &Image, name: &TopicName) -> Result<(TopicId, MetadataRecord), TopicError> {
    let topic = image.names.get(name).copied().ok_or_else(|| {
        TopicError::new(
            ErrorCode::UnknownTopicOrPartition,
            "This server does not host this topic.",
        )
    })?;
    Ok((topic, MetadataRecord::TopicDeleted { topic }))
}
