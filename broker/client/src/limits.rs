//! What bounds a connection.

use std::time::Duration;

/// The limits of one connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The most requests that await their answer; further ones wait their turn, within their own
    /// time-out.
    pub in_flight_max: usize,
    /// The largest answer that is read, in bytes.
    pub response_max_bytes: usize,
    /// How long the connection may take to be made, and then each request from its call to its
    /// answer.
    pub timeout: Duration,
}

impl Default for Limits {
    /// Five in flight as Kafka's own clients have it (`max.in.flight.requests.per.connection`), 32
    /// MiB an answer (Metadata of 10,000 partitions is about 1 MB; a Fetch is bounded by its own
    /// `max_bytes`), and five seconds.
    fn default() -> Self {
        Self {
            in_flight_max: 5,
            response_max_bytes: 32 * 1024 * 1024,
            timeout: Duration::from_secs(5),
        }
    }
}
