//! Reading what brokers answer. Every limit has a name; what is above one is refused whole.

mod json;
mod prometheus;

pub use json::{group_offsets, load};
pub use prometheus::jmx_exporter;

/// The largest answer in bytes: 100,000 partitions at 100 bytes, with room.
pub const ANSWER_BYTES_MAX: usize = 16 << 20;

/// The most partitions that one broker may tell of.
pub const ANSWER_PARTITIONS_MAX: usize = 100_000;

/// The most buckets of request times: brokers have 13.
pub const ANSWER_BUCKETS_MAX: usize = 64;

/// The longest topic name, as Kafka has it.
pub const TOPIC_BYTES_MAX: usize = 249;

/// The largest counter or size: above it numbers are not exact any more, and it is 8 petabytes.
pub const VALUE_MAX: f64 = 9_007_199_254_740_992.0;

/// Why an answer was refused.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Too large.
    #[error("failed to read the load: {bytes} bytes, at most {ANSWER_BYTES_MAX} are read")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// More partitions than a broker can have.
    #[error("failed to read the load: more than {ANSWER_PARTITIONS_MAX} partitions")]
    TooManyPartitions,
    /// Not what is expected.
    #[error("failed to read the load as JSON")]
    Json(#[from] serde_json::Error),
    /// The numbers of a partition are not named as expected.
    #[error("failed to read the load: its columns are not those of this version")]
    Columns,
    /// Buckets of times that are none.
    #[error(
        "failed to read the load: produce_times has not 1 to {ANSWER_BUCKETS_MAX} ascending bounds \
         with a count each and one above them"
    )]
    Buckets,
    /// Neither text nor numbers where they should be.
    #[error("failed to read the load: line {line} is no metric of Prometheus's text format")]
    Line {
        /// Which, from 1.
        line: usize,
    },
    /// A value that cannot be.
    #[error("failed to read the load: {field} is {value}")]
    Value {
        /// Of what.
        field: &'static str,
        /// The value.
        value: f64,
    },
    /// A topic's name that cannot be.
    #[error("failed to read the load: a topic's name has {bytes} bytes")]
    Topic {
        /// Its length.
        bytes: usize,
    },
}

/// A value that can be: finite, not negative, not above [`VALUE_MAX`].
fn checked(field: &'static str, value: f64) -> Result<f64, ReadError> {
    if (0.0..=VALUE_MAX).contains(&value) {
        Ok(value)
    } else {
        Err(ReadError::Value { field, value })
    }
}

fn checked_topic(name: &str) -> Result<(), ReadError> {
    let bytes = name.len();
    if (1..=TOPIC_BYTES_MAX).contains(&bytes) {
        Ok(())
    } else {
        Err(ReadError::Topic { bytes })
    }
}

#[cfg(test)]
mod tests;
