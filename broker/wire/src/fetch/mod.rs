//! Fetch, versions 4 to 12: the request, and the response as segments for a vectored write.
//!
//! Guarantees: a request is bounded as in [`crate::schema`]; records in a response are not copied.
//! Never reads a log: what to send is the caller's choice.

mod request;
mod response;
#[cfg(test)]
mod tests;

pub use request::{FetchPartition, FetchRequest, FetchTopic, ForgottenTopic};
pub use response::{FetchPartitionResponse, FetchResponse, FetchTopicResponse, Segments};
