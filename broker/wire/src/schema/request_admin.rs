//! The layout of the requests of the admin APIs, from Kafka's message definitions.

use super::field::{Schema, array, boolean, int8, int16, int32, schema, string, uuid};

/// MetadataRequest, versions 0 to 12.
pub(crate) const METADATA: Schema = schema(
    9,
    &[
        array(
            "topics",
            &[uuid("topic_id").since(10), string("name").nullable()],
        )
        .nullable(),
        boolean("allow_auto_topic_creation").since(4),
        boolean("include_cluster_authorized_operations")
            .since(8)
            .until(10),
        boolean("include_topic_authorized_operations").since(8),
    ],
);

/// ApiVersionsRequest, versions 0 to 4.
pub(crate) const API_VERSIONS: Schema = schema(
    3,
    &[
        string("client_software_name").since(3),
        string("client_software_version").since(3),
    ],
);

/// CreateTopicsRequest, versions 2 to 7.
pub(crate) const CREATE_TOPICS: Schema = schema(
    5,
    &[
        array(
            "topics",
            &[
                string("name"),
                int32("num_partitions"),
                int16("replication_factor"),
                array(
                    "assignments",
                    &[
                        int32("partition_index"),
                        array("broker_ids", &[int32("element")]).of_scalars(),
                    ],
                ),
                array("configs", &[string("name"), string("value").nullable()]),
            ],
        ),
        int32("timeout_ms"),
        boolean("validate_only"),
    ],
);

/// DeleteTopicsRequest, versions 1 to 6.
pub(crate) const DELETE_TOPICS: Schema = schema(
    4,
    &[
        array(
            "topics",
            &[
                string("name").nullable().since(6),
                uuid("topic_id").since(6),
            ],
        )
        .since(6),
        array("topic_names", &[string("element")])
            .of_scalars()
            .until(5),
        int32("timeout_ms"),
    ],
);

/// CreatePartitionsRequest, versions 0 to 3.
pub(crate) const CREATE_PARTITIONS: Schema = schema(
    2,
    &[
        array(
            "topics",
            &[
                string("name"),
                int32("count"),
                array(
                    "assignments",
                    &[array("broker_ids", &[int32("element")]).of_scalars()],
                )
                .nullable(),
            ],
        ),
        int32("timeout_ms"),
        boolean("validate_only"),
    ],
);

/// DescribeConfigsRequest, versions 1 to 4.
pub(crate) const DESCRIBE_CONFIGS: Schema = schema(
    4,
    &[
        array(
            "resources",
            &[
                int8("resource_type"),
                string("resource_name"),
                array("configuration_keys", &[string("element")])
                    .of_scalars()
                    .nullable(),
            ],
        ),
        boolean("include_synonyms"),
        boolean("include_documentation").since(3),
    ],
);

/// AlterConfigsRequest, versions 0 to 2.
pub(crate) const ALTER_CONFIGS: Schema = schema(
    2,
    &[
        array(
            "resources",
            &[
                int8("resource_type"),
                string("resource_name"),
                array("configs", &[string("name"), string("value").nullable()]),
            ],
        ),
        boolean("validate_only"),
    ],
);

/// IncrementalAlterConfigsRequest, versions 0 to 1.
pub(crate) const INCREMENTAL_ALTER_CONFIGS: Schema = schema(
    1,
    &[
        array(
            "resources",
            &[
                int8("resource_type"),
                string("resource_name"),
                array(
                    "configs",
                    &[
                        string("name"),
                        int8("config_operation"),
                        string("value").nullable(),
                    ],
                ),
            ],
        ),
        boolean("validate_only"),
    ],
);

/// DescribeClusterRequest, versions 0 to 2.
pub(crate) const DESCRIBE_CLUSTER: Schema = schema(
    0,
    &[
        boolean("include_cluster_authorized_operations"),
        int8("endpoint_type").since(1),
        boolean("include_fenced_brokers").since(2),
    ],
);
