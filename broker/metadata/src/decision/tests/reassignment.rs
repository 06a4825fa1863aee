use std::collections::BTreeMap;

use kintsugi_types::{ErrorCode, LeaderEpoch, PartitionId};

use super::fixture::{Cluster, SETTINGS, id, ids};
use crate::decision::alter_partition::{IsrProposal, alter};
use crate::decision::reassignment::{ReassignmentRefused, cancel, ongoing, reassign, waits_for};
use crate::record::{MetadataRecord, PartitionState, Reassignment};

/// Five brokers, and one partition on 0, 1 and 2.
fn cluster() -> Cluster {
    let mut cluster = Cluster::with_partition();
    for broker in 3..6 {
        cluster
            .register(&super::fixture::registration(broker))
            .unwrap();
        cluster.unfence(broker);
    }
    cluster
}

fn start(cluster: &mut Cluster, target: &[i32]) -> Vec<MetadataRecord> {
    let (partition, _) = cluster.partition();
    let record = reassign(&cluster.image, &SETTINGS, partition, &ids(target), true).unwrap();
    cluster.apply(record.as_slice());
    record.into_iter().collect()
}

fn alter_to(cluster: &mut Cluster, isr: &[i32]) {
    let (partition, state) = cluster.partition();
    let isr: BTreeMap<_, _> = isr.iter().map(|b| (id(*b), cluster.epoch(*b))).collect();
    let proposal = IsrProposal {
        partition,
        leader_epoch: state.leader_epoch,
        partition_epoch: state.partition_epoch,
        isr: &isr,
    };
    let leader = state.leader.unwrap();
    let record = alter(&cluster.image, &SETTINGS, leader, &proposal).unwrap();
    cluster.apply(record.as_slice());
}

fn refusal(cluster: &Cluster, target: &[i32], may_change_factor: bool) -> ErrorCode {
    let (partition, _) = cluster.partition();
    let target = ids(target);
    reassign(
        &cluster.image,
        &SETTINGS,
        partition,
        &target,
        may_change_factor,
    )
    .unwrap_err()
    .error_code()
}

fn cancelled(cluster: &mut Cluster) -> Result<(), ReassignmentRefused> {
    let (partition, _) = cluster.partition();
    let record = cancel(&cluster.image, &SETTINGS, partition)?;
    cluster.apply(record.as_slice());
    Ok(())
}

#[test]
fn a_move_adds_the_new_replicas_to_the_old_ones_first() {
    let mut cluster = cluster();
    let (partition, before) = cluster.partition();
    let records = start(&mut cluster, &[3, 4, 0]);
    let state = PartitionState {
        replicas: ids(&[3, 4, 0, 1, 2]),
        partition_epoch: before.partition_epoch.next(),
        reassignment: Some(Box::new(Reassignment {
            adding: ids(&[3, 4]),
            removing: ids(&[1, 2]),
            original: ids(&[0, 1, 2]),
        })),
        ..before.as_ref().clone()
    };
    let state = std::sync::Arc::new(state);
    assert_eq!(records, [MetadataRecord::Partition { partition, state }]);
    assert_eq!(ongoing(&cluster.image).count(), 1);
    assert_eq!(waits_for(&cluster.state()), ids(&[3, 4]));
    assert_eq!(start(&mut cluster, &[3, 4, 0]), [], "asked again");
}

#[test]
fn it_completes_when_the_whole_target_is_in_sync_and_the_leader_stays_if_it_may() {
    let mut cluster = cluster();
    start(&mut cluster, &[3, 4, 0]);
    alter_to(&mut cluster, &[0, 1, 2, 3]);
    assert_eq!(waits_for(&cluster.state()), ids(&[4]));
    alter_to(&mut cluster, &[0, 1, 2, 3, 4]);
    let state = cluster.state();
    assert_eq!(
        (&state.replicas, &state.isr),
        (&ids(&[3, 4, 0]), &ids(&[3, 4, 0]))
    );
    assert_eq!((state.leader, &state.reassignment), (Some(id(0)), &None));
    assert_eq!(state.leader_epoch, LeaderEpoch(1), "replicas left");
    assert_eq!(ongoing(&cluster.image).count(), 0);
}

#[test]
fn a_leader_that_leaves_is_followed_by_the_first_of_the_target() {
    let mut cluster = cluster();
    start(&mut cluster, &[4, 3, 5]);
    alter_to(&mut cluster, &[0, 3, 4, 5]);
    let state = cluster.state();
    assert_eq!(
        (&state.replicas, &state.isr),
        (&ids(&[4, 3, 5]), &ids(&[4, 3, 5]))
    );
    assert_eq!(
        (state.leader, state.leader_epoch),
        (Some(id(4)), LeaderEpoch(1))
    );
}

#[test]
fn a_new_order_or_fewer_replicas_in_sync_take_force_at_once() {
    let mut cluster = cluster();
    start(&mut cluster, &[2, 1, 0]);
    let state = cluster.state();
    assert_eq!(
        (&state.replicas, &state.reassignment),
        (&ids(&[2, 1, 0]), &None)
    );
    assert_eq!(
        (state.leader, state.leader_epoch),
        (Some(id(0)), LeaderEpoch(0))
    );
    start(&mut cluster, &[2]);
    let state = cluster.state();
    assert_eq!((&state.replicas, &state.isr), (&ids(&[2]), &ids(&[2])));
    assert_eq!((state.leader, &state.elr), (Some(id(2)), &ids(&[])));
}

#[test]
fn a_target_that_is_dead_holds_the_move_up_until_it_is_back() {
    let mut cluster = cluster();
    cluster.fence(4);
    start(&mut cluster, &[0, 1, 4]);
    cluster.fence(2);
    assert_eq!(cluster.state().replicas, ids(&[0, 1, 4, 2]));
    cluster.unfence(4);
    alter_to(&mut cluster, &[0, 1, 4]);
    assert_eq!(cluster.state().replicas, ids(&[0, 1, 4]));
}

#[test]
fn a_target_of_which_nobody_could_lead_does_not_take_over() {
    let mut cluster = cluster();
    start(&mut cluster, &[4]);
    alter_to(&mut cluster, &[0, 1, 2, 4]);
    assert_eq!(cluster.state().replicas, ids(&[4]));
    start(&mut cluster, &[3]);
    alter_to(&mut cluster, &[4, 3]);
    cluster.stop(3);
    start(&mut cluster, &[4]);
    assert_eq!(cluster.state().leader, Some(id(3)), "{:?}", cluster.state());
    alter_to(&mut cluster, &[3, 4]);
    assert_eq!(cluster.state().leader, Some(id(4)));
}

#[test]
fn what_acks_all_needs_neither_grows_nor_shrinks_before_the_move_is_complete() {
    let mut cluster = cluster();
    let needed = |cluster: &Cluster| {
        let (partition, state) = cluster.partition();
        SETTINGS.min_isr(&cluster.image, partition.topic, &state)
    };
    start(&mut cluster, &[0]);
    assert_eq!(needed(&cluster), 1);
    start(&mut cluster, &[0, 3, 4]);
    assert_eq!(needed(&cluster), 1, "one replica is all there was");
    alter_to(&mut cluster, &[0, 3, 4]);
    assert_eq!(needed(&cluster), 2);
}

#[test]
fn a_cancelled_move_gives_back_what_was_before_it() {
    let mut cluster = cluster();
    assert_eq!(
        cancelled(&mut cluster),
        Err(ReassignmentRefused::NoneInProgress)
    );
    start(&mut cluster, &[4, 2, 3]);
    start(&mut cluster, &[5, 4, 2]);
    alter_to(&mut cluster, &[0, 1, 4]);
    cancelled(&mut cluster).unwrap();
    let state = cluster.state();
    assert_eq!(
        (&state.replicas, &state.isr),
        (&ids(&[0, 1, 2]), &ids(&[0, 1]))
    );
    assert_eq!((state.leader, &state.reassignment), (Some(id(0)), &None));
    assert_eq!(state.leader_epoch, LeaderEpoch(1), "replicas left");
}

#[test]
fn a_move_is_not_cancelled_while_only_new_replicas_hold_everything() {
    let mut cluster = cluster();
    start(&mut cluster, &[3, 4, 5]);
    alter_to(&mut cluster, &[0, 3]);
    cluster.fence(0);
    assert_eq!(cluster.state().isr, ids(&[3]));
    assert_eq!(cluster.state().elr, ids(&[0]));
    assert_eq!(cancelled(&mut cluster), Err(ReassignmentRefused::WouldLose));
    cluster.unfence(0);
    assert_eq!(cancelled(&mut cluster), Ok(()), "it holds everything too");
    assert_eq!(cluster.state().leader, Some(id(0)));
}

#[test]
fn whoever_stays_eligible_during_a_move_may_lead_it_on() {
    let mut cluster = cluster();
    start(&mut cluster, &[3, 4, 5]);
    alter_to(&mut cluster, &[0, 3]);
    cluster.fence(3);
    cluster.fence(0);
    let state = cluster.state();
    assert_eq!((state.leader, &state.elr), (None, &ids(&[3, 0])));
    cluster.unfence(3);
    let state = cluster.state();
    assert_eq!((state.leader, &state.isr), (Some(id(3)), &ids(&[3])));
    alter_to(&mut cluster, &[3, 4, 5]);
    let state = cluster.state();
    assert_eq!((&state.replicas, &state.elr), (&ids(&[3, 4, 5]), &ids(&[])));
}

#[test]
fn a_cordoned_broker_keeps_its_replicas_and_is_given_no_new_ones() {
    let mut cluster = cluster();
    for broker in [2, 3] {
        cluster.apply(&[MetadataRecord::BrokerConfigChanged {
            broker: Some(id(broker)),
            key: "cordoned.log.dirs".to_owned(),
            value: Some("*".to_owned()),
        }]);
    }
    let error = refusal(&cluster, &[0, 1, 3], true);
    assert_eq!(error, ErrorCode::InvalidReplicaAssignment);
    start(&mut cluster, &[2, 0, 1]);
    assert_eq!(cluster.state().replicas, ids(&[2, 0, 1]), "it has one");
    start(&mut cluster, &[4, 0, 1]);
    alter_to(&mut cluster, &[2, 0, 1, 4]);
    assert_eq!(cluster.state().replicas, ids(&[4, 0, 1]));
    let error = refusal(&cluster, &[2, 0, 1], true);
    assert_eq!(error, ErrorCode::InvalidReplicaAssignment, "it left");
}

#[test]
fn wrong_targets_are_refused_with_kafkas_errors() {
    let cluster = cluster();
    for target in [&[][..], &[0, 1, 1], &[0, 1, 9]] {
        let error = refusal(&cluster, target, true);
        assert_eq!(error, ErrorCode::InvalidReplicaAssignment, "{target:?}");
    }
    let error = refusal(&cluster, &[0, 3], false);
    assert_eq!(error, ErrorCode::InvalidReplicationFactor);
    let (partition, _) = cluster.partition();
    let unknown = PartitionId {
        index: kintsugi_types::PartitionIndex(7),
        ..partition
    };
    let refused = reassign(&cluster.image, &SETTINGS, unknown, &ids(&[0]), true);
    assert_eq!(refused, Err(ReassignmentRefused::UnknownPartition));
}
