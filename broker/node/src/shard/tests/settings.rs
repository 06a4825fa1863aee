//! Settings that change while a shard runs.

use kintsugi_metadata::MetadataRecord;
use kintsugi_storage::LogConfig;
use kintsugi_types::BrokerId;

use super::harness::{Cluster, PARTITION, TOPIC};

fn config(cluster: &Cluster, id: usize) -> &LogConfig {
    let shard = cluster.brokers[id].shard.as_ref().unwrap();
    shard.partitions[&PARTITION].log.config()
}

fn of_broker(broker: Option<i32>, key: &str, value: Option<&str>) -> MetadataRecord {
    MetadataRecord::BrokerConfigChanged {
        broker: broker.map(BrokerId),
        key: key.to_owned(),
        value: value.map(str::to_owned),
    }
}

#[test]
fn a_log_goes_by_the_topic_then_the_broker_then_all_brokers_then_the_start() {
    let mut cluster = Cluster::with_topic();
    let default = config(&cluster, 0).retention_ms;
    let name = "log.retention.ms";
    cluster.publish(vec![of_broker(None, name, Some("4"))]);
    cluster.publish(vec![of_broker(Some(0), name, Some("3"))]);
    let retention = |cluster: &Cluster| [0, 1].map(|id| config(cluster, id).retention_ms);
    assert_eq!(retention(&cluster), [Some(3), Some(4)]);
    let of_topic = |value: Option<&str>| MetadataRecord::TopicConfigChanged {
        topic: TOPIC,
        key: "retention.ms".to_owned(),
        value: value.map(str::to_owned),
    };
    cluster.publish(vec![of_topic(Some("2"))]);
    assert_eq!(retention(&cluster), [Some(2), Some(2)]);
    cluster.publish(vec![of_topic(None)]);
    assert_eq!(retention(&cluster), [Some(3), Some(4)]);
    cluster.publish(vec![
        of_broker(Some(0), name, None),
        of_broker(None, name, None),
    ]);
    assert_eq!(retention(&cluster), [default, default]);
}

#[test]
fn a_changed_setting_of_another_broker_changes_nothing_here() {
    let mut cluster = Cluster::with_topic();
    let before = config(&cluster, 0).clone();
    cluster.publish(vec![of_broker(
        Some(1),
        "log.segment.bytes",
        Some("2097152"),
    )]);
    assert_eq!(*config(&cluster, 0), before);
    assert_eq!(config(&cluster, 1).segment_bytes, 2_097_152);
}
