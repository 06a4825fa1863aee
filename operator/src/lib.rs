//! The operator: it forms Kafka clusters on Kubernetes, and mends them.
//!
//! One look at a cluster, at a topic (room [`topic`]) or at a rebalance (room [`rebalance`]), is
//! `observe` (the only reader) -> `validate` -> `decide` -> `act` (the only writer); `build` makes objects. What lies between the reader and the writer is pure.
//!
//! Guarantees: a look that is repeated does nothing twice, whatever point the one before reached;
//! every destructive act passes the gates of [`decide::gates`]; data is never deleted, but for a topic
//! whose resource asks for it and the volume of a broker that was emptied, removed and asked to go
//! with its volume, and a quorum never formed anew while a volume of the cluster exists.
//! Assumes: pod addresses can be reached from here.
//! Never does: stand in the way of failover, which the controllers decide alone.

pub mod act;
pub mod balance;
pub mod build;
pub mod causes;
pub mod cluster;
pub mod decide;
pub mod definition;
pub mod history;
pub mod http_client;
pub mod kafka;
pub mod learned;
pub mod load;
pub mod metrics;
pub mod names;
pub mod observe;
pub mod plan;
pub mod quantity;
pub mod rebalance;
pub mod reconcile;
pub mod remembered;
pub mod run;
pub mod scale;
pub mod size;
pub mod storage;
pub mod template;
pub mod told;
pub mod topic;
pub mod validate;
pub mod watched;
pub mod web;

#[cfg(test)]
mod fixtures;
