//! The layout of messages, walked before a message is decoded.
//!
//! Why: the decoder of the protocol crate allocates by the element count that a frame claims,
//! which ends the process when the count is forged. What [`validate`] accepted decodes without
//! allocating by more than what is there.
//!
//! Guarantees: every count is at most what the rest of the frame can hold, all counts together
//! stay within named limits, lengths and UTF-8 are right, known tagged fields have the size that
//! they claim, and no bytes follow the last field. Never allocates.

mod field;
pub(crate) mod request_admin;
pub(crate) mod request_cluster;
pub(crate) mod request_data;
pub(crate) mod request_groups;
pub(crate) mod request_reassignments;
pub(crate) mod response_admin;
pub(crate) mod response_cluster;
pub(crate) mod response_data;
pub(crate) mod response_groups;
pub(crate) mod response_reassignments;
#[cfg(test)]
mod tests;
mod validate;

pub use field::Schema;
pub use validate::validate;

use crate::primitive::CodecError;

/// The most array elements in one message, all its arrays together. An element in memory takes up
/// to about 250 bytes whatever it takes on the wire, so this bounds a decoded message to 25 MB.
pub const ELEMENTS_MAX: usize = 100_000;

/// The most tagged fields in one message. Kafka's own messages have a handful.
pub const TAGGED_FIELDS_MAX: usize = 1_000;

/// Why a message was refused before decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// A field is not what the schema says.
    #[error("failed to accept message: field {field} is malformed")]
    Field {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        #[source]
        source: CodecError,
    },
    /// A tag that no reader with signed numbers, as the protocol crate is one, could tell.
    #[error("failed to accept message: {tag} is no tag of a field")]
    Tag {
        /// The tag.
        tag: u32,
    },
    /// Too many array elements.
    #[error("failed to accept message: {found} array elements, at most {ELEMENTS_MAX} are taken")]
    TooManyElements {
        /// How many up to where it was refused.
        found: usize,
    },
    /// Too many tagged fields.
    #[error(
        "failed to accept message: {found} tagged fields, at most {TAGGED_FIELDS_MAX} are taken"
    )]
    TooManyTaggedFields {
        /// How many up to where it was refused.
        found: usize,
    },
    /// A tagged field's content is longer or shorter than its size.
    #[error("failed to accept message: tagged field {field} does not have the size it claims")]
    TagSize {
        /// Which field.
        field: &'static str,
    },
    /// A tagged field that this version does not have.
    #[error("failed to accept message: tagged field {field} is not part of this version")]
    TagOfOtherVersion {
        /// Which field.
        field: &'static str,
    },
}
