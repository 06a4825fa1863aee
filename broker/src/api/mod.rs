//! The Kafka APIs, one file each, behind one dispatch over the wire crate's table.
//!
//! Guarantees: every API that is advertised has a handler here (a test holds them together);
//! parts of a request that go to shards are on their way, in the order of the requests, when
//! [`begin`] returns; every wait ends. A request that cannot be decoded, and one of an API or
//! version that is not served, closes the connection, as Kafka does.

mod alter_partition_reassignments;
mod answer;
mod api_versions;
mod call;
mod configs;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_groups;
mod describe_log_dirs;
mod describe_quorum;
mod describe_topic_partitions;
mod dispatch;
mod elect_leaders;
mod fetch;
mod find_coordinator;
mod groups;
mod init_producer_id;
mod leader;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod metadata;
mod named;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod per_shard;
mod produce;
mod topics;
mod unregister_broker;

pub use answer::{Answer, Answering};
pub use call::Context;
pub use dispatch::{begin, is_served_before_ready};
