//! Plans for a Kafka cluster that is known by its bootstrap address only, Apache Kafka's too.
//!
//! Guarantees: nothing of the cluster is changed, only Metadata and DescribeLogDirs are asked; what
//! could not be measured is said and judged by no goal; every wait and every answer is bounded.
//! Assumes: the brokers' advertised addresses can be reached from here, without TLS or SASL.
//! Never does: carry a plan out. `kafka-reassign-partitions` takes the file that is written.
//!
//! `look` has the order: `admin` asks, `observation` puts the answers together, `model` makes the planner's input of them,
//! `tables` and `reassignment` tell what came out; all but `look` and `admin` are pure.

pub mod admin;
pub mod look;
pub mod model;
pub mod observation;
pub mod reassignment;
pub mod tables;
