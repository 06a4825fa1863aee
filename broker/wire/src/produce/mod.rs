//! Produce, versions 3 to 11: the request without a copy of its records, and the response.
//!
//! Guarantees: a request is bounded as in [`crate::schema`], and its records share the frame's
//! memory. Never looks into records: that is [`crate::batch::verify_produced`].

mod request;
mod response;
#[cfg(test)]
mod tests;

pub use request::{ProducePartition, ProduceRequest, ProduceTopic};
pub use response::{ProducePartitionResponse, ProduceResponse, ProduceTopicResponse};
