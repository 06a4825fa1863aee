//! The layout of the answers about moves of partitions (KIP-455, KIP-860), from Kafka's message
//! definitions.

use super::field::{Schema, array, boolean, int16, int32, schema, string};

/// AlterPartitionReassignmentsResponse, versions 0 to 1.
pub(crate) const ALTER_PARTITION_REASSIGNMENTS: Schema = schema(
    0,
    &[
        int32("throttle_time_ms"),
        boolean("allow_replication_factor_change").since(1),
        int16("error_code"),
        string("error_message").nullable(),
        array(
            "responses",
            &[
                string("name"),
                array(
                    "partitions",
                    &[
                        int32("partition_index"),
                        int16("error_code"),
                        string("error_message").nullable(),
                    ],
                ),
            ],
        ),
    ],
);

/// ListPartitionReassignmentsResponse, version 0.
pub(crate) const LIST_PARTITION_REASSIGNMENTS: Schema = schema(
    0,
    &[
        int32("throttle_time_ms"),
        int16("error_code"),
        string("error_message").nullable(),
        array(
            "topics",
            &[
                string("name"),
                array(
                    "partitions",
                    &[
                        int32("partition_index"),
                        array("replicas", &[int32("element")]).of_scalars(),
                        array("adding_replicas", &[int32("element")]).of_scalars(),
                        array("removing_replicas", &[int32("element")]).of_scalars(),
                    ],
                ),
            ],
        ),
    ],
);
