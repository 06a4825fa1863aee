//! Why an input was refused. Each error names the field as the caller wrote it.

/// A cluster, or an update of one, that cannot be what a cluster is.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InputError {
    /// A number that is NaN, infinite, negative, or beyond [`crate::model::MAX_LOAD`].
    #[error("{field} is {value}; give a finite number from 0 to 1e18")]
    NotALoad {
        /// Path of the field.
        field: String,
        /// What it held.
        value: f64,
    },
    /// A capacity of 0.
    #[error("{field} is 0; give what the broker can carry, above 0")]
    NoCapacity {
        /// Path of the field.
        field: String,
    },
    /// A broker id below 0.
    #[error("{field} is {id}; broker ids are 0 or more")]
    NegativeBroker {
        /// Path of the field.
        field: String,
        /// The id.
        id: i32,
    },
    /// A broker that is not in the list of brokers.
    #[error(
        "{field} names broker {id}, which is not among the brokers; list it, as dead if it is gone"
    )]
    UnknownBroker {
        /// Path of the field.
        field: String,
        /// The id.
        id: i32,
    },
    /// The same thing twice in one list.
    #[error("{field} is {value}, which is there already; give each once")]
    Duplicate {
        /// Path of the field.
        field: String,
        /// What was repeated.
        value: String,
    },
    /// A topic that is not in the list of topics.
    #[error(
        "{field} is {topic}, but there are {topics} topics; it is the place of a topic in their list"
    )]
    UnknownTopic {
        /// Path of the field.
        field: String,
        /// The place given.
        topic: u32,
        /// How many there are.
        topics: usize,
    },
    /// A partition that is not in the model.
    #[error("{field} is {partition}, but the model has {partitions} partitions")]
    UnknownPartition {
        /// Path of the field.
        field: String,
        /// The id given.
        partition: u32,
        /// How many there are.
        partitions: usize,
    },
    /// A leader that has no replica.
    #[error("{field} is broker {id}, which has no replica of the partition")]
    LeaderWithoutReplica {
        /// Path of the field.
        field: String,
        /// The id.
        id: i32,
    },
    /// A rack, topic name or list that is empty.
    #[error("{field} is empty; {advice}")]
    Empty {
        /// Path of the field.
        field: String,
        /// What to do instead.
        advice: &'static str,
    },
    /// More than a limit of [`crate::model`] allows.
    #[error("{field} is {count}, at most {limit} are supported")]
    TooMany {
        /// Path of the field.
        field: String,
        /// How many were given.
        count: usize,
        /// The limit.
        limit: usize,
    },
}
