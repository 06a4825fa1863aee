//! What a shard looks at as time passes.

use kintsugi_metadata::MetadataRecord;
use kintsugi_types::Offset;

use super::harness::{Cluster, PARTITION, TOPIC, state};
use crate::message::shard::Acks;

/// How many partitions each broker looks at next time.
fn watched(cluster: &Cluster) -> [usize; 3] {
    [0, 1, 2].map(|id| cluster.brokers[id].shard.as_ref().unwrap().watch.len())
}

#[test]
fn where_nothing_happens_no_partition_is_looked_at_and_no_checkpoint_written() {
    let mut cluster = Cluster::with_topic();
    cluster.pass(6_000);
    // The first is given even so: a file is written when every shard has given its own.
    assert_eq!(cluster.checkpoints, [1, 1, 1]);
    assert_eq!(watched(&cluster), [0, 0, 0]);
    cluster.pass(60_000);
    assert_eq!(cluster.checkpoints, [1, 1, 1]);
    assert_eq!(watched(&cluster), [0, 0, 0]);
    cluster.produce(0, 1, Acks::All, "one");
    assert_eq!(watched(&cluster), [1, 1, 1]);
    cluster.pass(6_000);
    assert_eq!(cluster.checkpoints, [2, 2, 2]);
    assert_eq!(watched(&cluster), [0, 0, 0]);
}

#[test]
fn a_partition_is_looked_at_until_its_followers_have_everything_or_are_out_of_the_isr() {
    let mut cluster = Cluster::with_topic();
    cluster.pass(1_000);
    cluster.cut_off.insert(2);
    cluster.drop_fetches(2);
    cluster.produce(0, 1, Acks::All, "one");
    cluster.pass(3_000);
    assert_eq!(watched(&cluster)[0], 1);
    cluster.pass(3_000);
    let changes = cluster.isr_changes(0);
    assert_eq!(changes[0].isr.len(), 2);
    // What becomes of the proposal has to be looked for.
    assert_eq!(watched(&cluster)[0], 1);
    cluster.publish(vec![state(0, 1, 2, &[0, 1])]);
    cluster.pass(1_000);
    assert_eq!(watched(&cluster)[0], 0);
    cluster.cut_off.clear();
    cluster.pass(1_000);
    let changes = cluster.isr_changes(0);
    assert_eq!(changes[0].isr.len(), 3);
}

#[test]
fn a_changed_setting_counts_for_what_was_written_before_it() {
    let mut cluster = Cluster::with_topic();
    cluster.produce(0, 1, Acks::All, "one");
    cluster.pass(1_000);
    assert_eq!(watched(&cluster), [0, 0, 0]);
    cluster.publish(vec![MetadataRecord::TopicConfigChanged {
        topic: TOPIC,
        key: "flush.ms".to_owned(),
        value: Some("0".to_owned()),
    }]);
    cluster.pass(1_000);
    for broker in &cluster.brokers {
        let log = &broker.shard.as_ref().unwrap().partitions[&PARTITION].log;
        assert_eq!(log.recovery_point(), Offset(1));
    }
    assert_eq!(watched(&cluster), [0, 0, 0]);
}
