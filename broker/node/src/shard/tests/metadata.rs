//! Directories of partitions as metadata changes, and starting again.

use std::path::Path;
use std::sync::Arc;

use kintsugi_metadata::MetadataRecord;
use kintsugi_replica::RoleName;
use kintsugi_storage::FileSystem;
use kintsugi_types::{BrokerEpoch, LeaderEpoch, Offset, PartitionIndex, Time};

use super::harness::{Cluster, PARTITION, TOPIC, open, state};
use crate::directory::LastRun;
use crate::message::link::LogEnd;
use crate::message::shard::{Acks, Command, Event};

fn names(cluster: &Cluster, id: usize) -> Vec<String> {
    cluster.brokers[id].fs.read_dir(Path::new("data")).unwrap()
}

fn checkpoint(offset: i64) -> LastRun {
    let key = ("t".parse().unwrap(), PartitionIndex(0));
    let mut last = LastRun::default();
    last.checkpoints.high_watermarks = [(key, Offset(offset))].into();
    last
}

#[test]
fn a_deleted_topics_directories_are_removed() {
    let mut cluster = Cluster::with_topic();
    cluster.produce(0, 1, Acks::All, "one");
    assert_eq!(names(&cluster, 1), ["t-0"]);
    cluster.publish(vec![MetadataRecord::TopicDeleted { topic: TOPIC }]);
    assert!(names(&cluster, 1).is_empty());
}

#[test]
fn a_restarted_broker_goes_on_with_its_logs() {
    let mut cluster = Cluster::with_topic();
    cluster.produce(0, 1, Acks::All, "one");
    cluster.brokers[1].shard = None;
    cluster.brokers[1].fs.crash_process();
    let shard = open(&cluster.brokers[1].fs, 1, &checkpoint(1));
    assert!(shard.recovered_to_checkpoint());
    cluster.brokers[1].shard = Some(shard);
    cluster.push_image(None, &[1]);
    assert_eq!(cluster.high_watermark(1), 1);
    assert_eq!(cluster.log(1), cluster.log(0));
    cluster.produce(0, 2, Acks::All, "two");
    cluster.pass(2_500);
    assert_eq!(cluster.log(1), cluster.log(0));
}

#[test]
fn a_restarted_broker_leads_nothing_by_metadata_from_before_its_registration() {
    let mut cluster = Cluster::with_topic();
    cluster.produce(0, 1, Acks::All, "one");
    cluster.brokers[0].shard = None;
    cluster.brokers[0].fs.crash_process();
    cluster.brokers[0].shard = Some(open(&cluster.brokers[0].fs, 0, &checkpoint(1)));
    // Its new registration has epoch 200; this image still names the incarnation before, which
    // leads.
    let image = Arc::new(cluster.image.clone());
    let publish = |broker_epoch| Event::Publish {
        image: Arc::clone(&image),
        delta: None,
        broker_epoch: BrokerEpoch(broker_epoch),
    };
    let before = publish(200);
    cluster.send(0, before);
    let shard = cluster.brokers[0].shard.as_ref().unwrap();
    assert!(shard.inspect().all(|view| view.role == RoleName::Idle));
    // By an image that has its registration it acts.
    let reached = publish(100);
    cluster.send(0, reached);
    let shard = cluster.brokers[0].shard.as_ref().unwrap();
    assert!(shard.inspect().all(|view| view.role == RoleName::Leader));
}

#[test]
fn a_log_below_its_checkpointed_high_watermark_is_told() {
    let mut cluster = Cluster::with_topic();
    cluster.produce(0, 1, Acks::All, "one");
    cluster.brokers[1].shard = None;
    assert!(!open(&cluster.brokers[1].fs, 1, &checkpoint(2)).recovered_to_checkpoint());
}

#[test]
fn a_log_that_the_metadata_does_not_know_is_set_aside_and_kept() {
    let mut cluster = Cluster::with_topic();
    cluster.produce(0, 1, Acks::All, "one");
    let mut other = Cluster::new();
    other.brokers[1].shard = None;
    other.brokers[1].fs = cluster.brokers[1].fs.clone();
    cluster.brokers[1].shard = None;
    other.brokers[1].shard = Some(open(&other.brokers[1].fs, 1, &checkpoint(1)));
    other.push_image(None, &[1]);
    assert_eq!(names(&other, 1), ["t-0.0-stray"]);
}

#[test]
fn becoming_leader_touches_no_file() {
    let mut cluster = Cluster::with_topic();
    cluster.produce(0, 1, Acks::All, "one");
    let before = cluster.brokers[1].fs.mutations();
    cluster.publish(vec![state(1, 2, 2, &[1, 2])]);
    assert_eq!(cluster.brokers[1].fs.mutations(), before);
}

#[test]
fn a_shard_closes_all_logs_for_a_clean_stop() {
    let mut cluster = Cluster::with_topic();
    cluster.produce(0, 1, Acks::All, "one");
    let until = Time::ZERO;
    cluster.send(0, Event::ExtendLease { until });
    let shard = cluster.brokers[0].shard.take().unwrap();
    let mut closed = checkpoint(1).checkpoints;
    closed.recovery_points.clone_from(&closed.high_watermarks);
    assert_eq!(shard.close(|| false).unwrap().checkpoints, closed);
}

#[test]
fn log_ends_are_told_only_of_partitions_that_have_no_leader_in_the_epoch_asked_about() {
    let mut cluster = Cluster::with_topic();
    cluster.produce(0, 1, Acks::All, "one");
    cluster.produce(0, 2, Acks::All, "two");
    let ask = |cluster: &mut Cluster, epoch| {
        cluster.brokers[1].commands.clear();
        let partitions = [(PARTITION, LeaderEpoch(epoch))].into();
        cluster.send(1, Event::AskLogEnds { partitions });
        std::mem::take(&mut cluster.brokers[1].commands)
    };
    assert_eq!(ask(&mut cluster, 1), [], "it has a leader");
    assert_eq!(ask(&mut cluster, 2), [], "it knows of no such epoch");
    let MetadataRecord::Partition { state, .. } = state(0, 2, 2, &[]) else {
        unreachable!();
    };
    let mut state = state.as_ref().clone();
    state.leader = None;
    let state = Arc::new(state);
    cluster.publish(vec![MetadataRecord::Partition {
        partition: PARTITION,
        state,
    }]);
    assert_eq!(ask(&mut cluster, 1), [], "that epoch is over");
    let ends = vec![LogEnd {
        partition: PARTITION,
        leader_epoch: LeaderEpoch(2),
        last_epoch: LeaderEpoch(1),
        log_end: Offset(2),
    }];
    assert_eq!(ask(&mut cluster, 2), [Command::LogEnds { ends }]);
}
