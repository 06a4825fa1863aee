//! The layout of the responses of the admin APIs, from Kafka's message definitions.

use super::field::{Schema, array, boolean, int8, int16, int32, int64, schema, string, uuid};

/// MetadataResponse, versions 0 to 12.
pub(crate) const METADATA: Schema = schema(
    9,
    &[
        int32("throttle_time_ms").since(3),
        array(
            "brokers",
            &[
                int32("node_id"),
                string("host"),
                int32("port"),
                string("rack").nullable().since(1),
            ],
        ),
        string("cluster_id").nullable().since(2),
        int32("controller_id").since(1),
        array(
            "topics",
            &[
                int16("error_code"),
                string("name").nullable(),
                uuid("topic_id").since(10),
                boolean("is_internal").since(1),
                array(
                    "partitions",
                    &[
                        int16("error_code"),
                        int32("partition_index"),
                        int32("leader_id"),
                        int32("leader_epoch").since(7),
                        array("replica_nodes", &[int32("element")]).of_scalars(),
                        array("isr_nodes", &[int32("element")]).of_scalars(),
                        array("offline_replicas", &[int32("element")])
                            .of_scalars()
                            .since(5),
                    ],
                ),
                int32("topic_authorized_operations").since(8),
            ],
        ),
        int32("cluster_authorized_operations").since(8).until(10),
    ],
);

/// ApiVersionsResponse, versions 0 to 4.
pub(crate) const API_VERSIONS: Schema = schema(
    3,
    &[
        int16("error_code"),
        array(
            "api_keys",
            &[int16("api_key"), int16("min_version"), int16("max_version")],
        ),
        int32("throttle_time_ms").since(1),
        array(
            "supported_features",
            &[
                string("name").since(3),
                int16("min_version").since(3),
                int16("max_version").since(3),
            ],
        )
        .tagged(0),
        int64("finalized_features_epoch").tagged(1),
        array(
            "finalized_features",
            &[
                string("name").since(3),
                int16("max_version_level").since(3),
                int16("min_version_level").since(3),
            ],
        )
        .tagged(2),
        boolean("zk_migration_ready").tagged(3),
    ],
);

/// CreateTopicsResponse, versions 2 to 7.
pub(crate) const CREATE_TOPICS: Schema = schema(
    5,
    &[
        int32("throttle_time_ms"),
        array(
            "topics",
            &[
                string("name"),
                uuid("topic_id").since(7),
                int16("error_code"),
                string("error_message").nullable(),
                int32("num_partitions").since(5),
                int16("replication_factor").since(5),
                array(
                    "configs",
                    &[
                        string("name").since(5),
                        string("value").nullable().since(5),
                        boolean("read_only").since(5),
                        int8("config_source").since(5),
                        boolean("is_sensitive").since(5),
                    ],
                )
                .nullable()
                .since(5),
                int16("topic_config_error_code").tagged(0),
            ],
        ),
    ],
);

/// DeleteTopicsResponse, versions 1 to 6.
pub(crate) const DELETE_TOPICS: Schema = schema(
    4,
    &[
        int32("throttle_time_ms"),
        array(
            "responses",
            &[
                string("name").nullable(),
                uuid("topic_id").since(6),
                int16("error_code"),
                string("error_message").nullable().since(5),
            ],
        ),
    ],
);

/// CreatePartitionsResponse, versions 0 to 3.
pub(crate) const CREATE_PARTITIONS: Schema = schema(
    2,
    &[
        int32("throttle_time_ms"),
        array(
            "results",
            &[
                string("name"),
                int16("error_code"),
                string("error_message").nullable(),
            ],
        ),
    ],
);

/// DescribeConfigsResponse, versions 1 to 4.
pub(crate) const DESCRIBE_CONFIGS: Schema = schema(
    4,
    &[
        int32("throttle_time_ms"),
        array(
            "results",
            &[
                int16("error_code"),
                string("error_message").nullable(),
                int8("resource_type"),
                string("resource_name"),
                array(
                    "configs",
                    &[
                        string("name"),
                        string("value").nullable(),
                        boolean("read_only"),
                        int8("config_source"),
                        boolean("is_sensitive"),
                        array(
                            "synonyms",
                            &[string("name"), string("value").nullable(), int8("source")],
                        ),
                        int8("config_type").since(3),
                        string("documentation").nullable().since(3),
                    ],
                ),
            ],
        ),
    ],
);

/// AlterConfigsResponse, versions 0 to 2.
pub(crate) const ALTER_CONFIGS: Schema = schema(
    2,
    &[
        int32("throttle_time_ms"),
        array(
            "responses",
            &[
                int16("error_code"),
                string("error_message").nullable(),
                int8("resource_type"),
                string("resource_name"),
            ],
        ),
    ],
);

/// IncrementalAlterConfigsResponse, versions 0 to 1.
pub(crate) const INCREMENTAL_ALTER_CONFIGS: Schema = schema(
    1,
    &[
        int32("throttle_time_ms"),
        array(
            "responses",
            &[
                int16("error_code"),
                string("error_message").nullable(),
                int8("resource_type"),
                string("resource_name"),
            ],
        ),
    ],
);

/// DescribeClusterResponse, versions 0 to 2.
pub(crate) const DESCRIBE_CLUSTER: Schema = schema(
    0,
    &[
        int32("throttle_time_ms"),
        int16("error_code"),
        string("error_message").nullable(),
        int8("endpoint_type").since(1),
        string("cluster_id"),
        int32("controller_id"),
        array(
            "brokers",
            &[
                int32("broker_id"),
                string("host"),
                int32("port"),
                string("rack").nullable(),
                boolean("is_fenced").since(2),
            ],
        ),
        int32("cluster_authorized_operations"),
    ],
);
