//! The Kubernetes that scenarios run on: what is read from it, changed in it, and broken in it.

pub mod api;
pub mod autoscalers;
pub mod config_maps;
pub mod helm;
pub mod helper;
pub mod http;
pub mod localkube;
pub mod metrics;
pub mod objects;
pub mod operators;
pub mod rebalances;
pub mod signals;
pub mod storage;
pub mod tables;
pub mod topics;

/// The label that carries a pod's cluster.
pub const CLUSTER_LABEL: &str = "kintsugi.dev/cluster";
/// The label that carries a pod's role.
pub const ROLE_LABEL: &str = "kintsugi.dev/role";
/// The label that carries a broker's or controller's id.
pub const NODE_ID_LABEL: &str = "kintsugi.dev/node-id";
