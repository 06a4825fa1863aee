//! The layout of the responses of the data APIs, from Kafka's message definitions.

use super::field::{Schema, array, bytes, int16, int32, int64, schema, string, structure};

/// ProduceResponse, versions 3 to 11.
pub(crate) const PRODUCE: Schema = schema(
    9,
    &[
        array(
            "responses",
            &[
                string("name"),
                array(
                    "partition_responses",
                    &[
                        int32("index"),
                        int16("error_code"),
                        int64("base_offset"),
                        int64("log_append_time_ms"),
                        int64("log_start_offset").since(5),
                        array(
                            "record_errors",
                            &[
                                int32("batch_index").since(8),
                                string("batch_index_error_message").nullable().since(8),
                            ],
                        )
                        .since(8),
                        string("error_message").nullable().since(8),
                        structure(
                            "current_leader",
                            &[
                                int32("leader_id").since(10),
                                int32("leader_epoch").since(10),
                            ],
                        )
                        .since(10)
                        .tagged(0),
                    ],
                ),
            ],
        ),
        int32("throttle_time_ms"),
        array(
            "node_endpoints",
            &[
                int32("node_id").since(10),
                string("host").since(10),
                int32("port").since(10),
                string("rack").nullable().since(10),
            ],
        )
        .since(10)
        .tagged(0),
    ],
);

/// FetchResponse, versions 4 to 12.
pub(crate) const FETCH: Schema = schema(
    12,
    &[
        int32("throttle_time_ms"),
        int16("error_code").since(7),
        int32("session_id").since(7),
        array(
            "responses",
            &[
                string("topic"),
                array(
                    "partitions",
                    &[
                        int32("partition_index"),
                        int16("error_code"),
                        int64("high_watermark"),
                        int64("last_stable_offset"),
                        int64("log_start_offset").since(5),
                        array(
                            "aborted_transactions",
                            &[int64("producer_id"), int64("first_offset")],
                        )
                        .nullable(),
                        int32("preferred_read_replica").since(11),
                        bytes("records").nullable(),
                        structure(
                            "diverging_epoch",
                            &[int32("epoch").since(12), int64("end_offset").since(12)],
                        )
                        .tagged(0),
                        structure(
                            "current_leader",
                            &[
                                int32("leader_id").since(12),
                                int32("leader_epoch").since(12),
                            ],
                        )
                        .tagged(1),
                        structure("snapshot_id", &[int64("end_offset"), int32("epoch")]).tagged(2),
                    ],
                ),
            ],
        ),
    ],
);

/// ListOffsetsResponse, versions 1 to 10.
pub(crate) const LIST_OFFSETS: Schema = schema(
    6,
    &[
        int32("throttle_time_ms").since(2),
        array(
            "topics",
            &[
                string("name"),
                array(
                    "partitions",
                    &[
                        int32("partition_index"),
                        int16("error_code"),
                        int64("timestamp"),
                        int64("offset"),
                        int32("leader_epoch").since(4),
                    ],
                ),
            ],
        ),
    ],
);

/// InitProducerIdResponse, versions 0 to 4.
pub(crate) const INIT_PRODUCER_ID: Schema = schema(
    2,
    &[
        int32("throttle_time_ms"),
        int16("error_code"),
        int64("producer_id"),
        int16("producer_epoch"),
    ],
);

/// OffsetForLeaderEpochResponse, versions 2 to 4.
pub(crate) const OFFSET_FOR_LEADER_EPOCH: Schema = schema(
    4,
    &[
        int32("throttle_time_ms"),
        array(
            "topics",
            &[
                string("topic"),
                array(
                    "partitions",
                    &[
                        int16("error_code"),
                        int32("partition"),
                        int32("leader_epoch"),
                        int64("end_offset"),
                    ],
                ),
            ],
        ),
    ],
);
