//! The layout of the responses of the APIs for leaders, brokers, directories and the quorum, from
//! Kafka's message definitions.

use super::field::{
    Field, Schema, array, boolean, int16, int32, int64, schema, string, structure, uuid,
};

/// DeleteRecordsResponse, versions 0 to 2.
pub(crate) const DELETE_RECORDS: Schema = schema(
    2,
    &[
        int32("throttle_time_ms"),
        array(
            "topics",
            &[
                string("name"),
                array(
                    "partitions",
                    &[
                        int32("partition_index"),
                        int64("low_watermark"),
                        int16("error_code"),
                    ],
                ),
            ],
        ),
    ],
);

/// DescribeLogDirsResponse, versions 1 to 4.
pub(crate) const DESCRIBE_LOG_DIRS: Schema = schema(
    2,
    &[
        int32("throttle_time_ms"),
        int16("error_code").since(3),
        array(
            "results",
            &[
                int16("error_code"),
                string("log_dir"),
                array(
                    "topics",
                    &[
                        string("name"),
                        array(
                            "partitions",
                            &[
                                int32("partition_index"),
                                int64("partition_size"),
                                int64("offset_lag"),
                                boolean("is_future_key"),
                            ],
                        ),
                    ],
                ),
                int64("total_bytes").since(4),
                int64("usable_bytes").since(4),
            ],
        ),
    ],
);

/// ElectLeadersResponse, versions 0 to 2.
pub(crate) const ELECT_LEADERS: Schema = schema(
    2,
    &[
        int32("throttle_time_ms"),
        int16("error_code").since(1),
        array(
            "replica_election_results",
            &[
                string("topic"),
                array(
                    "partition_result",
                    &[
                        int32("partition_id"),
                        int16("error_code"),
                        string("error_message").nullable(),
                    ],
                ),
            ],
        ),
    ],
);

const REPLICA_STATE: &[Field] = &[
    int32("replica_id"),
    uuid("replica_directory_id").since(2),
    int64("log_end_offset"),
    int64("last_fetch_timestamp").since(1),
    int64("last_caught_up_timestamp").since(1),
];

/// DescribeQuorumResponse, versions 0 to 2.
pub(crate) const DESCRIBE_QUORUM: Schema = schema(
    0,
    &[
        int16("error_code"),
        string("error_message").nullable().since(2),
        array(
            "topics",
            &[
                string("topic_name"),
                array(
                    "partitions",
                    &[
                        int32("partition_index"),
                        int16("error_code"),
                        string("error_message").nullable().since(2),
                        int32("leader_id"),
                        int32("leader_epoch"),
                        int64("high_watermark"),
                        array("current_voters", REPLICA_STATE),
                        array("observers", REPLICA_STATE),
                    ],
                ),
            ],
        ),
        array(
            "nodes",
            &[
                int32("node_id").since(2),
                array(
                    "listeners",
                    &[
                        string("name").since(2),
                        string("host").since(2),
                        int16("port").since(2),
                    ],
                )
                .since(2),
            ],
        )
        .since(2),
    ],
);

/// UnregisterBrokerResponse, version 0.
pub(crate) const UNREGISTER_BROKER: Schema = schema(
    0,
    &[
        int32("throttle_time_ms"),
        int16("error_code"),
        string("error_message").nullable(),
    ],
);

/// DescribeTopicPartitionsResponse, version 0.
pub(crate) const DESCRIBE_TOPIC_PARTITIONS: Schema = schema(
    0,
    &[
        int32("throttle_time_ms"),
        array(
            "topics",
            &[
                int16("error_code"),
                string("name").nullable(),
                uuid("topic_id"),
                boolean("is_internal"),
                array(
                    "partitions",
                    &[
                        int16("error_code"),
                        int32("partition_index"),
                        int32("leader_id"),
                        int32("leader_epoch"),
                        array("replica_nodes", &[int32("element")]).of_scalars(),
                        array("isr_nodes", &[int32("element")]).of_scalars(),
                        array("eligible_leader_replicas", &[int32("element")])
                            .of_scalars()
                            .nullable(),
                        array("last_known_elr", &[int32("element")])
                            .of_scalars()
                            .nullable(),
                        array("offline_replicas", &[int32("element")]).of_scalars(),
                    ],
                ),
                int32("topic_authorized_operations"),
            ],
        ),
        structure(
            "next_cursor",
            &[string("topic_name"), int32("partition_index")],
        )
        .nullable(),
    ],
);
