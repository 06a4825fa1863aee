//! The layout of the requests of the data APIs, from Kafka's message definitions.

use super::field::{Schema, array, bytes, int8, int16, int32, int64, schema, string};

/// ProduceRequest, versions 3 to 11.
pub(crate) const PRODUCE: Schema = schema(
    9,
    &[
        string("transactional_id").nullable(),
        int16("acks"),
        int32("timeout_ms"),
        array(
            "topic_data",
            &[
                string("name"),
                array(
                    "partition_data",
                    &[int32("index"), bytes("records").nullable()],
                ),
            ],
        ),
    ],
);

/// FetchRequest, versions 4 to 12.
pub(crate) const FETCH: Schema = schema(
    12,
    &[
        int32("replica_id"),
        int32("max_wait_ms"),
        int32("min_bytes"),
        int32("max_bytes"),
        int8("isolation_level"),
        int32("session_id").since(7),
        int32("session_epoch").since(7),
        array(
            "topics",
            &[
                string("topic"),
                array(
                    "partitions",
                    &[
                        int32("partition"),
                        int32("current_leader_epoch").since(9),
                        int64("fetch_offset"),
                        int32("last_fetched_epoch").since(12),
                        int64("log_start_offset").since(5),
                        int32("partition_max_bytes"),
                    ],
                ),
            ],
        ),
        array(
            "forgotten_topics_data",
            &[
                string("topic").since(7),
                array("partitions", &[int32("element")])
                    .of_scalars()
                    .since(7),
            ],
        )
        .since(7),
        string("rack_id").since(11),
        string("cluster_id").nullable().tagged(0),
    ],
);

/// ListOffsetsRequest, versions 1 to 10.
pub(crate) const LIST_OFFSETS: Schema = schema(
    6,
    &[
        int32("replica_id"),
        int8("isolation_level").since(2),
        array(
            "topics",
            &[
                string("name"),
                array(
                    "partitions",
                    &[
                        int32("partition_index"),
                        int32("current_leader_epoch").since(4),
                        int64("timestamp"),
                    ],
                ),
            ],
        ),
        int32("timeout_ms").since(10),
    ],
);

/// InitProducerIdRequest, versions 0 to 4.
pub(crate) const INIT_PRODUCER_ID: Schema = schema(
    2,
    &[
        string("transactional_id").nullable(),
        int32("transaction_timeout_ms"),
        int64("producer_id").since(3),
        int16("producer_epoch").since(3),
    ],
);

/// OffsetForLeaderEpochRequest, versions 2 to 4.
pub(crate) const OFFSET_FOR_LEADER_EPOCH: Schema = schema(
    4,
    &[
        int32("replica_id").since(3),
        array(
            "topics",
            &[
                string("topic"),
                array(
                    "partitions",
                    &[
                        int32("partition"),
                        int32("current_leader_epoch"),
                        int32("leader_epoch"),
                    ],
                ),
            ],
        ),
    ],
);
