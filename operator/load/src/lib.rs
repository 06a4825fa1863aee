//! From brokers' cumulative counters to the load of partitions and brokers, and the lag of groups.
//!
//! Guarantees: a rate is a partition's, whoever leads it: it goes on through leader moves, restarts
//! and brokers that do not answer; what a broker answers is bounded in bytes, in number and in value
//! before it counts; the same samples give the same rates. Useful [`WARM_UP`] after the first sample.
//! Assumes that samples of one broker come in order.
//! Never reads a clock, a socket or a file. What outlives a process is its rates ([`Kept`]): counters
//! are cumulative and live in the brokers, so that the first answer tells them. The history that
//! forecasts are made of is not kept here.

mod cpu;
mod ewma;
mod groups;
mod history;
mod kept;
mod model;
mod output;
pub mod read;
mod sample;
mod skew;
mod split;
mod times;

pub use ewma::{HALF_LIFE, INTERVAL_MAX, INTERVAL_MIN, RATE_MAX};
pub use groups::{GroupLag, GroupModel, GroupOffsets, PartitionLag, TopicLag};
pub use history::{Age, HISTORY_MAX};
pub use kept::{Kept, PARTITIONS_KEPT_MAX};
pub use model::{BROKERS_MAX, FORGET_AFTER, LoadModel, PARTITIONS_MAX, WARM_UP};
pub use output::{BrokerLoad, Load, PartitionLoad, PartitionRates, Rates};
pub use sample::{BrokerSample, Counters, Millis, PartitionSample, TopicPartition, TopicSample};
pub use skew::{Skew, skews};
pub use times::{RequestTimes, TIMES_KEPT, TimesInterval};
