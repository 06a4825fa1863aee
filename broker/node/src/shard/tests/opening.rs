//! What a shard takes over from its directory.

use bytes::Bytes;
use kintsugi_types::{PartitionIndex, TimestampMs};
use kintsugi_wire::records::{Record, build};

use super::harness::{Cluster, PARTITION, open};
use crate::directory::LastRun;
use crate::message::shard::Acks;

#[test]
fn a_high_watermark_of_another_log_falls_to_the_end_of_a_whole_batch() {
    let mut cluster = Cluster::with_topic();
    let record = Record {
        timestamp: TimestampMs(5),
        value: Some(Bytes::from_static(b"x")),
        ..Record::default()
    };
    for token in 1..=2 {
        let batch = build(&[record.clone(), record.clone(), record.clone()]).unwrap();
        cluster.produce_batch(0, token, Acks::Leader, batch);
    }
    let fs = cluster.brokers[0].fs.clone();
    let topic = cluster.image.topics[&PARTITION.topic].name.clone();
    drop(cluster.brokers[0].shard.take());
    for (checkpointed, expected) in [
        (0, 0),
        (1, 0),
        (2, 0),
        (3, 3),
        (4, 3),
        (5, 3),
        (6, 6),
        (7, 6),
    ] {
        fs.crash_process();
        let key = (topic.clone(), PartitionIndex(0));
        let mut last = LastRun::default();
        let checkpointed_at = kintsugi_types::Offset(checkpointed);
        last.checkpoints.high_watermarks = [(key, checkpointed_at)].into();
        let shard = open(&fs, 0, &last);
        let view = shard.inspect().next().unwrap();
        let found = (view.high_watermark.0, view.log.log_end().0);
        assert_eq!(found, (expected, 6), "checkpointed {checkpointed}");
        assert_eq!(shard.recovered_to_checkpoint(), checkpointed <= 6);
    }
}
