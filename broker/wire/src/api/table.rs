//! The rows.

use super::{Api, ApiKey};
use crate::schema::{
    Schema, request_admin, request_cluster, request_data, request_groups, request_reassignments,
    response_admin, response_cluster, response_data, response_groups, response_reassignments,
};

const fn served(
    key: ApiKey,
    name: &'static str,
    versions: (i16, i16),
    request: Schema,
    response: Schema,
) -> Api {
    Api {
        key,
        name,
        version_min: versions.0,
        version_max: versions.1,
        advertised_min: versions.0,
        request,
        response,
    }
}

impl Api {
    const fn advertised_from(mut self, version: i16) -> Self {
        self.advertised_min = version;
        self
    }
}

macro_rules! rows {
    ($($key:ident, $versions:expr, $request:ident, $response:ident, $schema:ident $(, $change:ident($($argument:expr)?))?;)*) => {
        /// Every API, by key.
        pub const TABLE: &[Api] = &[$(
            served(
                ApiKey::$key,
                stringify!($key),
                $versions,
                $request::$schema,
                $response::$schema,
            )$(.$change($($argument)?))?,
        )*];
    };
}

// InitProducerId ends at 4: later versions belong to transactions. Fetch ends below 13, Produce below
// 13: from there on topics go by id.
rows! {
    Produce, (3, 11), request_data, response_data, PRODUCE, advertised_from(0);
    Fetch, (4, 12), request_data, response_data, FETCH;
    ListOffsets, (1, 10), request_data, response_data, LIST_OFFSETS;
    Metadata, (0, 12), request_admin, response_admin, METADATA;
    OffsetCommit, (2, 10), request_groups, response_groups, OFFSET_COMMIT;
    OffsetFetch, (1, 10), request_groups, response_groups, OFFSET_FETCH;
    FindCoordinator, (0, 4), request_groups, response_groups, FIND_COORDINATOR;
    JoinGroup, (0, 9), request_groups, response_groups, JOIN_GROUP;
    Heartbeat, (0, 4), request_groups, response_groups, HEARTBEAT;
    LeaveGroup, (0, 5), request_groups, response_groups, LEAVE_GROUP;
    SyncGroup, (0, 5), request_groups, response_groups, SYNC_GROUP;
    DescribeGroups, (0, 6), request_groups, response_groups, DESCRIBE_GROUPS;
    ListGroups, (0, 5), request_groups, response_groups, LIST_GROUPS;
    ApiVersions, (0, 4), request_admin, response_admin, API_VERSIONS;
    CreateTopics, (2, 7), request_admin, response_admin, CREATE_TOPICS;
    DeleteTopics, (1, 6), request_admin, response_admin, DELETE_TOPICS;
    DeleteRecords, (0, 2), request_cluster, response_cluster, DELETE_RECORDS;
    InitProducerId, (0, 4), request_data, response_data, INIT_PRODUCER_ID;
    OffsetForLeaderEpoch, (2, 4), request_data, response_data, OFFSET_FOR_LEADER_EPOCH;
    DescribeConfigs, (1, 4), request_admin, response_admin, DESCRIBE_CONFIGS;
    AlterConfigs, (0, 2), request_admin, response_admin, ALTER_CONFIGS;
    DescribeLogDirs, (1, 4), request_cluster, response_cluster, DESCRIBE_LOG_DIRS;
    CreatePartitions, (0, 3), request_admin, response_admin, CREATE_PARTITIONS;
    DeleteGroups, (0, 2), request_groups, response_groups, DELETE_GROUPS;
    ElectLeaders, (0, 2), request_cluster, response_cluster, ELECT_LEADERS;
    IncrementalAlterConfigs, (0, 1), request_admin, response_admin, INCREMENTAL_ALTER_CONFIGS;
    AlterPartitionReassignments, (0, 1), request_reassignments, response_reassignments, ALTER_PARTITION_REASSIGNMENTS;
    ListPartitionReassignments, (0, 0), request_reassignments, response_reassignments, LIST_PARTITION_REASSIGNMENTS;
    OffsetDelete, (0, 0), request_groups, response_groups, OFFSET_DELETE;
    DescribeQuorum, (0, 2), request_cluster, response_cluster, DESCRIBE_QUORUM;
    DescribeCluster, (0, 2), request_admin, response_admin, DESCRIBE_CLUSTER;
    UnregisterBroker, (0, 0), request_cluster, response_cluster, UNREGISTER_BROKER;
    DescribeTopicPartitions, (0, 0), request_cluster, response_cluster, DESCRIBE_TOPIC_PARTITIONS;
}
