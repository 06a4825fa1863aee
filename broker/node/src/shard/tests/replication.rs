//! Replication, acknowledgement, ISR changes, truncation.

use std::collections::BTreeMap;

use kintsugi_metadata::MetadataRecord;
use kintsugi_types::{
    BrokerEpoch, BrokerId, ErrorCode, LeaderEpoch, Offset, PartitionEpoch, PartitionId,
    PartitionIndex,
};

use super::harness::{Cluster, PARTITION, state};
use crate::message::link::IsrChange;
use crate::message::replication::FetchClass;
use crate::message::shard::{Acks, Command, Event};

fn change(partition_epoch: i32, isr: &[i32]) -> IsrChange {
    let member = |id: &i32| (BrokerId(*id), BrokerEpoch(100 + i64::from(*id)));
    IsrChange {
        partition: PARTITION,
        leader_epoch: LeaderEpoch(1),
        partition_epoch: PartitionEpoch(partition_epoch),
        isr: isr.iter().map(member).collect::<BTreeMap<_, _>>(),
    }
}

#[test]
fn a_record_is_acknowledged_when_all_have_it_without_time_passing() {
    let mut cluster = Cluster::with_topic();
    cluster.produce(0, 1, Acks::All, "one");
    let produced = cluster.produced(0, 1).unwrap();
    assert_eq!(produced.error, ErrorCode::None);
    assert_eq!(produced.base_offset, Offset(0));
    assert_eq!(cluster.log(0), cluster.log(1));
    assert_eq!(cluster.log(0), cluster.log(2));
    // The advance of the high watermark alone woke the followers' next fetches.
    let high_watermarks = [0, 1, 2].map(|id| cluster.high_watermark(id));
    assert_eq!(high_watermarks, [1, 1, 1]);
}

#[test]
fn a_follower_that_is_cut_off_holds_acknowledgements_until_it_leaves_the_isr() {
    let mut cluster = Cluster::with_topic();
    cluster.produce(0, 1, Acks::All, "one");
    cluster.cut_off.insert(2);
    cluster.produce(0, 2, Acks::All, "two");
    assert_eq!(cluster.produced(0, 2), None);
    cluster.pass(4_900);
    assert_eq!(cluster.isr_changes(0), []);
    cluster.pass(1_000);
    assert_eq!(cluster.isr_changes(0), [change(1, &[0, 1])]);
    // Asking is not having: the larger ISR stays in force.
    assert_eq!(cluster.produced(0, 2), None);
    cluster.publish(vec![state(0, 1, 2, &[0, 1])]);
    assert_eq!(cluster.produced(0, 2).unwrap().error, ErrorCode::None);
    // Back again, it catches up and joins.
    cluster.cut_off.clear();
    cluster.pass(2_500);
    assert_eq!(cluster.log(0), cluster.log(2));
    assert_eq!(cluster.isr_changes(0), [change(2, &[0, 1, 2])]);
}

#[test]
fn an_isr_request_without_a_decision_is_sent_again() {
    let mut cluster = Cluster::with_topic();
    cluster.publish(vec![state(0, 1, 2, &[0, 1])]);
    cluster.produce(0, 1, Acks::All, "one");
    assert_eq!(cluster.isr_changes(0), [change(2, &[0, 1, 2])]);
    let results = vec![(PARTITION, ErrorCode::RequestTimedOut)];
    cluster.send(0, Event::AlterPartitionAnswered { results });
    assert_eq!(cluster.isr_changes(0), []);
    cluster.pass(600);
    assert_eq!(cluster.isr_changes(0), [change(2, &[0, 1, 2])]);
}

#[test]
fn too_few_in_sync_replicas_refuse_acks_all_before_the_append() {
    let mut cluster = Cluster::with_topic();
    cluster.cut_off.extend([1, 2]);
    cluster.publish(vec![state(0, 1, 2, &[0])]);
    cluster.produce(0, 1, Acks::All, "one");
    let refused = cluster.produced(0, 1).unwrap();
    assert_eq!(refused.error, ErrorCode::NotEnoughReplicas);
    assert_eq!(cluster.end(0), 0);
    cluster.produce(0, 2, Acks::Leader, "two");
    assert_eq!(cluster.produced(0, 2).unwrap().error, ErrorCode::None);
    assert_eq!(cluster.high_watermark(0), 0);
}

#[test]
fn a_leader_that_was_replaced_cuts_off_what_only_it_has() {
    let mut cluster = Cluster::with_topic();
    cluster.produce(0, 1, Acks::All, "kept");
    cluster.cut_off.insert(0);
    cluster.produce(0, 2, Acks::All, "lost");
    cluster.produce(0, 3, Acks::Leader, "lost too");
    assert_eq!(cluster.end(0), 3);
    cluster.publish_to(vec![state(1, 2, 2, &[1, 2])], &[1, 2]);
    cluster.produce(1, 4, Acks::All, "other");
    assert_eq!(cluster.produced(1, 4).unwrap().error, ErrorCode::None);
    // The old leader hears of it: its waiting produce fails, and its log becomes the new one's.
    cluster.push_image(None, &[0]);
    let failed = cluster.produced(0, 2).unwrap();
    assert_eq!(failed.error, ErrorCode::NotLeaderOrFollower);
    cluster.cut_off.clear();
    cluster.pass(1_000);
    assert_eq!(cluster.log(0), cluster.log(1));
    assert_eq!(cluster.high_watermark(0), 2);
}

#[test]
fn a_new_leader_is_followed_at_once_though_fetches_are_held() {
    let mut cluster = Cluster::with_topic();
    cluster.produce(0, 1, Acks::All, "one");
    // Broker 2 follows broker 1 in another partition, so its fetch is held there for a while;
    // here that means: it has a session that does not know of the new leadership.
    cluster.publish_to(vec![state(1, 2, 2, &[1, 2])], &[1]);
    cluster.produce(1, 2, Acks::All, "two");
    assert_eq!(cluster.produced(1, 2), None);
    cluster.push_image(None, &[0, 2]);
    assert_eq!(cluster.produced(1, 2).unwrap().error, ErrorCode::None);
}

#[test]
fn a_follower_that_hears_of_an_epoch_first_is_served_when_its_leader_has_heard() {
    let mut cluster = Cluster::with_topic();
    cluster.produce(0, 1, Acks::All, "one");
    cluster.publish_to(vec![state(1, 2, 2, &[1, 2])], &[0, 2]);
    cluster.push_image(None, &[1]);
    cluster.produce(1, 2, Acks::All, "two");
    assert_eq!(cluster.produced(1, 2).unwrap().error, ErrorCode::None);
}

#[test]
fn joining_the_isr_holds_no_acknowledgement_up_while_another_fetch_is_held() {
    let mut cluster = Cluster::with_topic();
    // Broker 2 is in sync in partition 1 of the same leader, where nothing happens: its fetch of
    // that session is held. In partition 0 it catches up by another session.
    let MetadataRecord::Partition { state: other, .. } = state(0, 1, 1, &[0, 1, 2]) else {
        unreachable!();
    };
    let partition = PartitionId {
        index: PartitionIndex(1),
        ..PARTITION
    };
    let other = MetadataRecord::Partition {
        partition,
        state: other,
    };
    cluster.publish(vec![other, state(0, 1, 2, &[0, 1])]);
    cluster.produce(0, 1, Acks::All, "one");
    assert_eq!(cluster.produced(0, 1).unwrap().error, ErrorCode::None);
    cluster.pass(600);
    cluster.publish(vec![state(0, 1, 3, &[0, 1, 2])]);
    cluster.produce(0, 2, Acks::All, "two");
    assert_eq!(cluster.produced(0, 2).unwrap().error, ErrorCode::None);
    // Once the held fetch has come back, the partition is fetched in that session.
    cluster.pass(600);
    let shard = cluster.brokers[2].shard.as_ref().unwrap();
    let source = shard.fetchers.source(PARTITION);
    assert_eq!(source, Some((BrokerId(0), 0, FetchClass::InSync)));
    cluster.produce(0, 3, Acks::All, "three");
    assert_eq!(cluster.produced(0, 3).unwrap().error, ErrorCode::None);
}

#[test]
fn handing_over_waits_for_in_sync_followers() {
    let mut cluster = Cluster::with_topic();
    cluster.cut_off.insert(1);
    cluster.produce(0, 1, Acks::Leader, "one");
    cluster.send(0, Event::Drain);
    let drained = |cluster: &Cluster| cluster.brokers[0].commands.contains(&Command::Drained);
    assert!(!drained(&cluster));
    cluster.cut_off.clear();
    cluster.pass(2_500);
    assert!(drained(&cluster));
}
