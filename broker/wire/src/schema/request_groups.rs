//! The layout of the requests of the groups APIs, from Kafka's message definitions.

use super::field::{
    NEVER_FLEXIBLE, Schema, array, boolean, bytes, int8, int32, int64, schema, string, uuid,
};

/// OffsetCommitRequest, versions 2 to 10.
pub(crate) const OFFSET_COMMIT: Schema = schema(
    8,
    &[
        string("group_id"),
        int32("generation_id_or_member_epoch"),
        string("member_id"),
        string("group_instance_id").nullable().since(7),
        int64("retention_time_ms").until(4),
        array(
            "topics",
            &[
                uuid("topic_id").since(10),
                string("name").until(9),
                array(
                    "partitions",
                    &[
                        int32("partition_index"),
                        int64("committed_offset"),
                        int32("committed_leader_epoch").since(6),
                        string("committed_metadata").nullable(),
                    ],
                ),
            ],
        ),
    ],
);

/// OffsetFetchRequest, versions 1 to 10.
pub(crate) const OFFSET_FETCH: Schema = schema(
    6,
    &[
        string("group_id").until(7),
        array(
            "topics",
            &[
                string("name").until(7),
                array("partition_indexes", &[int32("element")])
                    .of_scalars()
                    .until(7),
            ],
        )
        .nullable()
        .until(7),
        array(
            "groups",
            &[
                string("group_id").since(8),
                string("member_id").nullable().since(9),
                int32("member_epoch").since(9),
                array(
                    "topics",
                    &[
                        uuid("topic_id").since(10),
                        string("name").since(8).until(9),
                        array("partition_indexes", &[int32("element")])
                            .of_scalars()
                            .since(8),
                    ],
                )
                .nullable()
                .since(8),
            ],
        )
        .since(8),
        boolean("require_stable").since(7),
    ],
);

/// FindCoordinatorRequest, versions 0 to 4.
pub(crate) const FIND_COORDINATOR: Schema = schema(
    3,
    &[
        string("key").until(3),
        int8("key_type").since(1),
        array("coordinator_keys", &[string("element")])
            .of_scalars()
            .since(4),
    ],
);

/// JoinGroupRequest, versions 0 to 9.
pub(crate) const JOIN_GROUP: Schema = schema(
    6,
    &[
        string("group_id"),
        int32("session_timeout_ms"),
        int32("rebalance_timeout_ms").since(1),
        string("member_id"),
        string("group_instance_id").nullable().since(5),
        string("protocol_type"),
        array("protocols", &[string("name"), bytes("metadata")]),
        string("reason").nullable().since(8),
    ],
);

/// HeartbeatRequest, versions 0 to 4.
pub(crate) const HEARTBEAT: Schema = schema(
    4,
    &[
        string("group_id"),
        int32("generation_id"),
        string("member_id"),
        string("group_instance_id").nullable().since(3),
    ],
);

/// LeaveGroupRequest, versions 0 to 5.
pub(crate) const LEAVE_GROUP: Schema = schema(
    4,
    &[
        string("group_id"),
        string("member_id").until(2),
        array(
            "members",
            &[
                string("member_id").since(3),
                string("group_instance_id").nullable().since(3),
                string("reason").nullable().since(5),
            ],
        )
        .since(3),
    ],
);

/// SyncGroupRequest, versions 0 to 5.
pub(crate) const SYNC_GROUP: Schema = schema(
    4,
    &[
        string("group_id"),
        int32("generation_id"),
        string("member_id"),
        string("group_instance_id").nullable().since(3),
        string("protocol_type").nullable().since(5),
        string("protocol_name").nullable().since(5),
        array("assignments", &[string("member_id"), bytes("assignment")]),
    ],
);

/// DescribeGroupsRequest, versions 0 to 6.
pub(crate) const DESCRIBE_GROUPS: Schema = schema(
    5,
    &[
        array("groups", &[string("element")]).of_scalars(),
        boolean("include_authorized_operations").since(3),
    ],
);

/// ListGroupsRequest, versions 0 to 5.
pub(crate) const LIST_GROUPS: Schema = schema(
    3,
    &[
        array("states_filter", &[string("element")])
            .of_scalars()
            .since(4),
        array("types_filter", &[string("element")])
            .of_scalars()
            .since(5),
    ],
);

/// DeleteGroupsRequest, versions 0 to 2.
pub(crate) const DELETE_GROUPS: Schema = schema(
    2,
    &[array("groups_names", &[string("element")]).of_scalars()],
);

/// OffsetDeleteRequest, version 0.
pub(crate) const OFFSET_DELETE: Schema = schema(
    NEVER_FLEXIBLE,
    &[
        string("group_id"),
        array(
            "topics",
            &[
                string("name"),
                array("partitions", &[int32("partition_index")]),
            ],
        ),
    ],
);
