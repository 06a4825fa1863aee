//! The layout of the requests of the APIs for leaders, brokers, directories and the quorum, from
//! Kafka's message definitions.

use super::field::{Schema, array, int8, int32, int64, schema, string, structure};

/// DeleteRecordsRequest, versions 0 to 2.
pub(crate) const DELETE_RECORDS: Schema = schema(
    2,
    &[
        array(
            "topics",
            &[
                string("name"),
                array("partitions", &[int32("partition_index"), int64("offset")]),
            ],
        ),
        int32("timeout_ms"),
    ],
);

/// DescribeLogDirsRequest, versions 1 to 4.
pub(crate) const DESCRIBE_LOG_DIRS: Schema = schema(
    2,
    &[array(
        "topics",
        &[
            string("topic"),
            array("partitions", &[int32("element")]).of_scalars(),
        ],
    )
    .nullable()],
);

/// ElectLeadersRequest, versions 0 to 2.
pub(crate) const ELECT_LEADERS: Schema = schema(
    2,
    &[
        int8("election_type").since(1),
        array(
            "topic_partitions",
            &[
                string("topic"),
                array("partitions", &[int32("element")]).of_scalars(),
            ],
        )
        .nullable(),
        int32("timeout_ms"),
    ],
);

/// DescribeQuorumRequest, versions 0 to 2.
pub(crate) const DESCRIBE_QUORUM: Schema = schema(
    0,
    &[array(
        "topics",
        &[
            string("topic_name"),
            array("partitions", &[int32("partition_index")]),
        ],
    )],
);

/// UnregisterBrokerRequest, version 0.
pub(crate) const UNREGISTER_BROKER: Schema = schema(0, &[int32("broker_id")]);

/// DescribeTopicPartitionsRequest, version 0.
pub(crate) const DESCRIBE_TOPIC_PARTITIONS: Schema = schema(
    0,
    &[
        array("topics", &[string("name")]),
        int32("response_partition_limit"),
        structure("cursor", &[string("topic_name"), int32("partition_index")]).nullable(),
    ],
);
