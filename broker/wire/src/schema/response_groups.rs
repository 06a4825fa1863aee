//! The layout of the responses of the groups APIs, from Kafka's message definitions.

use super::field::{
    NEVER_FLEXIBLE, Schema, array, boolean, bytes, int16, int32, int64, schema, string, uuid,
};

/// OffsetCommitResponse, versions 2 to 10.
pub(crate) const OFFSET_COMMIT: Schema = schema(
    8,
    &[
        int32("throttle_time_ms").since(3),
        array(
            "topics",
            &[
                uuid("topic_id").since(10),
                string("name").until(9),
                array(
                    "partitions",
                    &[int32("partition_index"), int16("error_code")],
                ),
            ],
        ),
    ],
);

/// OffsetFetchResponse, versions 1 to 10.
pub(crate) const OFFSET_FETCH: Schema = schema(
    6,
    &[
        int32("throttle_time_ms").since(3),
        array(
            "topics",
            &[
                string("name").until(7),
                array(
                    "partitions",
                    &[
                        int32("partition_index").until(7),
                        int64("committed_offset").until(7),
                        int32("committed_leader_epoch").since(5).until(7),
                        string("metadata").nullable().until(7),
                        int16("error_code").until(7),
                    ],
                )
                .until(7),
            ],
        )
        .until(7),
        int16("error_code").since(2).until(7),
        array(
            "groups",
            &[
                string("group_id").since(8),
                array(
                    "topics",
                    &[
                        uuid("topic_id").since(10),
                        string("name").since(8).until(9),
                        array(
                            "partitions",
                            &[
                                int32("partition_index").since(8),
                                int64("committed_offset").since(8),
                                int32("committed_leader_epoch").since(8),
                                string("metadata").nullable().since(8),
                                int16("error_code").since(8),
                            ],
                        )
                        .since(8),
                    ],
                )
                .since(8),
                int16("error_code").since(8),
            ],
        )
        .since(8),
    ],
);

/// FindCoordinatorResponse, versions 0 to 4.
pub(crate) const FIND_COORDINATOR: Schema = schema(
    3,
    &[
        int32("throttle_time_ms").since(1),
        int16("error_code").until(3),
        string("error_message").nullable().since(1).until(3),
        int32("node_id").until(3),
        string("host").until(3),
        int32("port").until(3),
        array(
            "coordinators",
            &[
                string("key").since(4),
                int32("node_id").since(4),
                string("host").since(4),
                int32("port").since(4),
                int16("error_code").since(4),
                string("error_message").nullable().since(4),
            ],
        )
        .since(4),
    ],
);

/// JoinGroupResponse, versions 0 to 9.
pub(crate) const JOIN_GROUP: Schema = schema(
    6,
    &[
        int32("throttle_time_ms").since(2),
        int16("error_code"),
        int32("generation_id"),
        string("protocol_type").nullable().since(7),
        string("protocol_name").nullable(),
        string("leader"),
        boolean("skip_assignment").since(9),
        string("member_id"),
        array(
            "members",
            &[
                string("member_id"),
                string("group_instance_id").nullable().since(5),
                bytes("metadata"),
            ],
        ),
    ],
);

/// HeartbeatResponse, versions 0 to 4.
pub(crate) const HEARTBEAT: Schema = schema(
    4,
    &[int32("throttle_time_ms").since(1), int16("error_code")],
);

/// LeaveGroupResponse, versions 0 to 5.
pub(crate) const LEAVE_GROUP: Schema = schema(
    4,
    &[
        int32("throttle_time_ms").since(1),
        int16("error_code"),
        array(
            "members",
            &[
                string("member_id").since(3),
                string("group_instance_id").nullable().since(3),
                int16("error_code").since(3),
            ],
        )
        .since(3),
    ],
);

/// SyncGroupResponse, versions 0 to 5.
pub(crate) const SYNC_GROUP: Schema = schema(
    4,
    &[
        int32("throttle_time_ms").since(1),
        int16("error_code"),
        string("protocol_type").nullable().since(5),
        string("protocol_name").nullable().since(5),
        bytes("assignment"),
    ],
);

/// DescribeGroupsResponse, versions 0 to 6.
pub(crate) const DESCRIBE_GROUPS: Schema = schema(
    5,
    &[
        int32("throttle_time_ms").since(1),
        array(
            "groups",
            &[
                int16("error_code"),
                string("error_message").nullable().since(6),
                string("group_id"),
                string("group_state"),
                string("protocol_type"),
                string("protocol_data"),
                array(
                    "members",
                    &[
                        string("member_id"),
                        string("group_instance_id").nullable().since(4),
                        string("client_id"),
                        string("client_host"),
                        bytes("member_metadata"),
                        bytes("member_assignment"),
                    ],
                ),
                int32("authorized_operations").since(3),
            ],
        ),
    ],
);

/// ListGroupsResponse, versions 0 to 5.
pub(crate) const LIST_GROUPS: Schema = schema(
    3,
    &[
        int32("throttle_time_ms").since(1),
        int16("error_code"),
        array(
            "groups",
            &[
                string("group_id"),
                string("protocol_type"),
                string("group_state").since(4),
                string("group_type").since(5),
            ],
        ),
    ],
);

/// DeleteGroupsResponse, versions 0 to 2.
pub(crate) const DELETE_GROUPS: Schema = schema(
    2,
    &[
        int32("throttle_time_ms"),
        array("results", &[string("group_id"), int16("error_code")]),
    ],
);

/// OffsetDeleteResponse, version 0.
pub(crate) const OFFSET_DELETE: Schema = schema(
    NEVER_FLEXIBLE,
    &[
        int16("error_code"),
        int32("throttle_time_ms"),
        array(
            "topics",
            &[
                string("name"),
                array(
                    "partitions",
                    &[int32("partition_index"), int16("error_code")],
                ),
            ],
        ),
    ],
);
