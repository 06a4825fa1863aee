//! The layout of the requests that move partitions (KIP-455, KIP-860), from Kafka's message
//! definitions.

use super::field::{Schema, array, boolean, int32, schema, string};

/// AlterPartitionReassignmentsRequest, versions 0 to 1.
pub(crate) const ALTER_PARTITION_REASSIGNMENTS: Schema = schema(
    0,
    &[
        int32("timeout_ms"),
        boolean("allow_replication_factor_change").since(1),
        array(
            "topics",
            &[
                string("name"),
                array(
                    "partitions",
                    &[
                        int32("partition_index"),
                        array("replicas", &[int32("element")])
                            .of_scalars()
                            .nullable(),
                    ],
                ),
            ],
        ),
    ],
);

/// ListPartitionReassignmentsRequest, version 0.
pub(crate) const LIST_PARTITION_REASSIGNMENTS: Schema = schema(
    0,
    &[
        int32("timeout_ms"),
        array(
            "topics",
            &[
                string("name"),
                array("partition_indexes", &[int32("element")]).of_scalars(),
            ],
        )
        .nullable(),
    ],
);
