//! `partition.metadata`: which topic a partition's directory belongs to.

use std::path::Path;

use kintsugi_types::TopicId;
use uuid::Uuid;

use super::CheckpointError;
use crate::fs::FileSystem;

const PARTITION_METADATA_FILE: &str = "partition.metadata";
const FILE_BYTES_MAX: u64 = 4096;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// 16 bytes take 22 characters without padding.
const UUID_CHARACTERS: u32 = 22;

/// An id as Apache Kafka writes it: base64 for URLs, without padding.
#[must_use]
pub(crate) fn encode_uuid(id: Uuid) -> String {
    let number = id.as_u128();
    let character = |place: u32| {
        // The last character carries only the lowest two bits, in its upper ones.
        let six = match (UUID_CHARACTERS - 1 - place).checked_mul(6) {
            Some(0) => (number << 4) & 0x3f,
            Some(shift) => (number >> (shift - 4)) & 0x3f,
            None => 0,
        };
        char::from(ALPHABET[six as usize])
    };
    (0..UUID_CHARACTERS).map(character).collect()
}

/// The id that [`encode_uuid`] wrote.
pub(crate) fn decode_uuid(text: &str) -> Option<Uuid> {
    if text.len() != UUID_CHARACTERS as usize {
        return None;
    }
    let mut number: u128 = 0;
    for (place, byte) in text.bytes().enumerate() {
        let six = ALPHABET.iter().position(|known| *known == byte)? as u128;
        if place + 1 == UUID_CHARACTERS as usize {
            if six & 0x0f != 0 {
                return None;
            }
            number = (number << 2) | (six >> 4);
        } else {
            number = (number << 6) | six;
        }
    }
    Some(Uuid::from_u128(number))
}

/// Which topic a partition's directory belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PartitionMetadata {
    /// The topic's id.
    pub topic_id: TopicId,
}

impl PartitionMetadata {
    /// Reads the file in a partition's directory; `None` if there is none.
    ///
    /// # Errors
    /// When it cannot be read or parsed.
    pub fn read<F: FileSystem>(fs: &F, directory: &Path) -> Result<Option<Self>, CheckpointError> {
        let path = directory.join(PARTITION_METADATA_FILE);
        let content = match fs.read_to_vec(&path, FILE_BYTES_MAX) {
            Err(error) if error.is_not_found() => return Ok(None),
            content => content?,
        };
        let text = String::from_utf8_lossy(&content);
        let value = |key: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once(':'));
            lines
                .find(|(name, _)| *name == key)
                .map(|(_, value)| value.trim())
        };
        let topic_id = match value("version") {
            Some("0") => value("topic_id").and_then(decode_uuid),
            _ => None,
        };
        match topic_id {
            Some(id) => Ok(Some(Self {
                topic_id: TopicId(id),
            })),
            None => Err(CheckpointError::Malformed {
                path,
                what: "it must have the lines \"version: 0\" and \"topic_id: <id>\"".to_owned(),
            }),
        }
    }

    /// Writes the file durably.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write<F: FileSystem>(&self, fs: &F, directory: &Path) -> Result<(), CheckpointError> {
        let text = format!("version: 0\ntopic_id: {}\n", encode_uuid(self.topic_id.0));
        let path = directory.join(PARTITION_METADATA_FILE);
        Ok(fs.write_atomically(&path, text.as_bytes())?)
    }
}
