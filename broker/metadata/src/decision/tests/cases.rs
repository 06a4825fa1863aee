use std::collections::BTreeMap;

use kintsugi_types::{
    BootId, BrokerEpoch, DirectoryId, ErrorCode, Generation, LeaderEpoch, PartitionEpoch,
    StartCounter,
};
use uuid::Uuid;

use super::fixture::{Cluster, SETTINGS, id, ids, registration};
use crate::decision::alter_partition::{IsrProposal, alter};
use crate::decision::generation::{GrantRefused, grant};
use crate::decision::registration::RegistrationRefused;
use crate::decision::{preferred, stopping};
use crate::record::{MetadataRecord, RecoveryState};

pub(super) fn alter_to(cluster: &mut Cluster, sender: i32, isr: &[i32]) -> Result<(), ErrorCode> {
    let (partition, state) = cluster.partition();
    let isr: BTreeMap<_, _> = isr.iter().map(|b| (id(*b), cluster.epoch(*b))).collect();
    let proposal = IsrProposal {
        partition,
        leader_epoch: state.leader_epoch,
        partition_epoch: state.partition_epoch,
        isr: &isr,
    };
    let record = alter(&cluster.image, &SETTINGS, id(sender), &proposal)?;
    cluster.apply(record.as_slice());
    Ok(())
}

#[test]
fn fencing_moves_leaderships_first_and_then_leaves_every_isr() {
    let mut cluster = Cluster::with_topic(3, 6, 3);
    let records = cluster.fence(0);
    let (first, rest) = records.split_first().unwrap();
    assert!(matches!(first, MetadataRecord::BrokerFenced { .. }));
    let moved: Vec<bool> = rest
        .iter()
        .map(|record| match record {
            MetadataRecord::Partition { state, .. } => state.leader_epoch == LeaderEpoch(1),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(moved, [true, true, false, false, false, false]);
    for (_, state) in cluster.image.partitions() {
        assert!(!state.isr.contains(&id(0)));
        assert_eq!(state.elr, [], "two in sync are enough");
    }
    assert_eq!(cluster.fence(0), [], "a second fence changes nothing");
}

#[test]
fn whoever_leaves_an_isr_that_becomes_too_small_stays_eligible() {
    let mut cluster = Cluster::with_partition();
    cluster.fence(0);
    cluster.fence(1);
    let state = cluster.state();
    assert_eq!((&state.isr, &state.elr), (&ids(&[2]), &ids(&[1])));
    cluster.fence(2);
    let state = cluster.state();
    assert_eq!((&state.isr, &state.elr), (&ids(&[]), &ids(&[1, 2])));
    assert_eq!((state.leader, state.last_known_leader), (None, Some(id(2))));
    cluster.unfence(0);
    assert_eq!(
        cluster.state().leader,
        None,
        "it left while enough others were in sync"
    );
    cluster.unfence(1);
    let state = cluster.state();
    assert_eq!(state.leader, Some(id(1)));
    assert_eq!((&state.isr, &state.elr), (&ids(&[1]), &ids(&[2])));
    assert_eq!(state.recovery, RecoveryState::Recovered);
    assert_eq!(state.last_known_leader, None);
}

#[test]
fn a_restart_that_lost_nothing_keeps_eligibility_and_any_other_loses_it() {
    let lost_all = |c: &mut crate::record::BrokerRegistration| c.boot = BootId(Uuid::from_u128(99));
    let mut cluster = Cluster::with_partition();
    for broker in 0..3 {
        cluster.fence(broker);
    }
    assert_eq!(cluster.state().elr, ids(&[1, 2]));
    let mut crashed = cluster.clone();
    crashed.restart(1, |_| {});
    assert_eq!(crashed.state().elr, ids(&[1, 2]));
    let mut rebooted = cluster.clone();
    rebooted.restart(1, lost_all);
    assert_eq!(rebooted.state().elr, ids(&[2]));
    let mut clean = cluster.clone();
    let epoch = clean.epoch(1);
    clean.restart(1, |c| {
        lost_all(c);
        c.clean_stop_epoch = Some(epoch);
    });
    assert_eq!(clean.state().elr, ids(&[1, 2]));
    let mut older_mark = cluster.clone();
    older_mark.restart(1, |c| {
        lost_all(c);
        c.clean_stop_epoch = Some(BrokerEpoch(0));
    });
    assert_eq!(older_mark.state().elr, ids(&[2]));
    let mut torn = cluster;
    torn.restart(1, |c| c.recovered_to_checkpoint = false);
    assert_eq!(torn.state().elr, ids(&[2]));
}

#[test]
fn a_restart_gives_a_new_leader_epoch_even_where_the_broker_is_the_only_replica() {
    let mut cluster = Cluster::with_topic(1, 1, 1);
    cluster.restart(0, |_| {});
    let state = cluster.state();
    assert_eq!((state.leader, state.leader_epoch), (None, LeaderEpoch(1)));
    assert_eq!(state.elr, ids(&[0]));
    cluster.unfence(0);
    let state = cluster.state();
    assert_eq!(
        (state.leader, state.leader_epoch),
        (Some(id(0)), LeaderEpoch(2))
    );
}

#[test]
fn registrations_are_refused_by_the_rules_of_incarnations() {
    let mut cluster = Cluster::of(1);
    cluster.restart(0, |_| {});
    let stale = cluster.register(&registration(0)).unwrap_err();
    assert!(matches!(stale, RegistrationRefused::Stale { .. }) && stale.is_fatal());
    let mut foreign = registration(0);
    foreign.incarnation.start = StartCounter(2);
    foreign.directories = vec![DirectoryId(Uuid::from_u128(77))];
    let twin = cluster.register(&foreign).unwrap_err();
    assert!(matches!(twin, RegistrationRefused::Stale { .. }) && twin.is_fatal());
    foreign.incarnation.start = StartCounter(9);
    let other = cluster.register(&foreign).unwrap_err();
    assert!(matches!(other, RegistrationRefused::OtherDirectory { .. }) && other.is_fatal());
    foreign.incarnation.generation = Generation(2);
    foreign.incarnation.start = StartCounter(1);
    let early = cluster.register(&foreign).unwrap_err();
    assert!(matches!(early, RegistrationRefused::NotGranted { .. }) && !early.is_fatal());
    cluster.fence(0);
    let records = grant(&cluster.image, &SETTINGS, id(0), Generation(2)).unwrap();
    cluster.apply(&records);
    cluster.register(&foreign).unwrap();
    assert_eq!(
        cluster.image.brokers[&id(0)].registration.incarnation,
        foreign.incarnation
    );
}

#[test]
fn a_grant_needs_another_sure_copy_and_gives_up_eligibility() {
    let mut cluster = Cluster::with_partition();
    cluster.fence(0);
    cluster.fence(1);
    let live = grant(&cluster.image, &SETTINGS, id(2), Generation(2));
    assert_eq!(live, Err(GrantRefused::BrokerIsLive));
    let records = grant(&cluster.image, &SETTINGS, id(1), Generation(2)).unwrap();
    cluster.apply(&records);
    assert_eq!(cluster.state().elr, ids(&[]));
    cluster.fence(2);
    let last = grant(&cluster.image, &SETTINGS, id(2), Generation(2));
    assert!(matches!(
        last,
        Err(GrantRefused::LastCopy { partitions: 1, .. })
    ));
}

#[test]
fn a_given_up_volume_is_no_last_known_leader_since_it_may_come_back_empty() {
    let mut cluster = Cluster::with_partition();
    for broker in [0, 1, 2] {
        cluster.fence(broker);
    }
    let state = cluster.state();
    assert_eq!(
        (&state.elr, state.last_known_leader),
        (&ids(&[1, 2]), Some(id(2)))
    );
    let records = grant(&cluster.image, &SETTINGS, id(2), Generation(2)).unwrap();
    cluster.apply(&records);
    let state = cluster.state();
    assert_eq!(
        (&state.elr, state.last_known_leader),
        (&ids(&[1]), Some(id(1)))
    );
}

#[test]
fn a_generation_that_was_given_up_by_a_grant_never_serves_again() {
    let mut cluster = Cluster::with_partition();
    cluster.fence(0);
    let records = grant(&cluster.image, &SETTINGS, id(0), Generation(2)).unwrap();
    cluster.apply(&records);
    cluster.unfence(0);
    assert!(!cluster.image.is_unfenced(id(0)));
    let same = cluster.register(&registration(0)).unwrap_err();
    assert!(matches!(same, RegistrationRefused::GivenUp { .. }) && same.is_fatal());
    let restarted = cluster.try_restart(0, |_| {}).unwrap_err();
    assert!(matches!(restarted, RegistrationRefused::GivenUp { .. }));
}

#[test]
fn a_leader_may_leave_its_place_to_the_rest_of_the_isr_and_to_nobody_else() {
    let mut cluster = Cluster::with_partition();
    let refused = Err(ErrorCode::InvalidRequest);
    assert_eq!(alter_to(&mut cluster, 0, &[]), refused);
    assert_eq!(alter_to(&mut cluster, 0, &[0, 1]), Ok(()));
    assert_eq!(
        alter_to(&mut cluster, 0, &[1, 2]),
        refused,
        "2 is not in it"
    );
    assert_eq!(alter_to(&mut cluster, 0, &[1]), Ok(()));
    let state = cluster.state();
    assert_eq!(
        (state.leader, &state.isr[..]),
        (Some(id(1)), &ids(&[1])[..])
    );
    assert_eq!(state.leader_epoch, LeaderEpoch(1));
    assert_eq!(state.elr, [], "what it cannot read, it does not hold");
    assert_eq!(alter_to(&mut cluster, 1, &[1, 2]), Ok(()));
    cluster.stop(2);
    assert_eq!(alter_to(&mut cluster, 1, &[2]), refused);
}

#[test]
fn isr_changes_are_compared_and_their_members_checked() {
    let mut cluster = Cluster::with_partition();
    assert_eq!(
        alter_to(&mut cluster, 1, &[0, 1]),
        Err(ErrorCode::InvalidRequest)
    );
    assert_eq!(alter_to(&mut cluster, 0, &[0, 1, 2]), Ok(()));
    assert_eq!(
        cluster.state().partition_epoch,
        PartitionEpoch(0),
        "nothing changed"
    );
    assert_eq!(alter_to(&mut cluster, 0, &[0, 1]), Ok(()));
    assert_eq!(cluster.state().partition_epoch, PartitionEpoch(1));
    assert_eq!(cluster.state().elr, []);
    assert_eq!(alter_to(&mut cluster, 0, &[0]), Ok(()));
    assert_eq!(cluster.state().elr, ids(&[1]));
    cluster.fence(2);
    assert_eq!(
        alter_to(&mut cluster, 0, &[0, 2]),
        Err(ErrorCode::IneligibleReplica)
    );
    cluster.stop(1);
    assert_eq!(
        alter_to(&mut cluster, 0, &[0, 1]),
        Err(ErrorCode::IneligibleReplica)
    );
    let (partition, state) = cluster.partition();
    let members = |epoch| BTreeMap::from([(id(0), BrokerEpoch(epoch))]);
    let proposal = |leader_epoch, partition_epoch, isr| IsrProposal {
        partition,
        leader_epoch: LeaderEpoch(leader_epoch),
        partition_epoch: PartitionEpoch(partition_epoch),
        isr,
    };
    let ask = |proposal| alter(&cluster.image, &SETTINGS, id(0), &proposal).unwrap_err();
    let epoch = state.partition_epoch.0;
    let wrong = members(99);
    assert_eq!(
        ask(proposal(0, epoch, &wrong)),
        ErrorCode::IneligibleReplica
    );
    assert_eq!(
        ask(proposal(-1, epoch, &wrong)),
        ErrorCode::FencedLeaderEpoch
    );
    assert_eq!(ask(proposal(1, epoch, &wrong)), ErrorCode::NotController);
    assert_eq!(
        ask(proposal(0, epoch - 1, &wrong)),
        ErrorCode::InvalidUpdateVersion
    );
    assert_eq!(
        ask(proposal(0, epoch + 1, &wrong)),
        ErrorCode::NotController
    );
}

#[test]
fn a_stopping_broker_hands_over_what_others_can_lead_and_keeps_the_rest() {
    let mut cluster = Cluster::with_partition();
    cluster.stop(0);
    let state = cluster.state();
    assert_eq!((state.leader, &state.isr), (Some(id(1)), &ids(&[1, 2])));
    assert!(stopping::may_stop(&cluster.image, id(0), cluster.epoch(0)));
    cluster.fence(2);
    cluster.stop(1);
    let state = cluster.state();
    assert_eq!((state.leader, &state.isr), (Some(id(1)), &ids(&[1])));
    assert!(stopping::may_stop(&cluster.image, id(1), cluster.epoch(1)));
    cluster.restart(2, |_| {});
    cluster.unfence(2);
    assert_eq!(alter_to(&mut cluster, 1, &[1, 2]), Ok(()));
    assert!(!stopping::may_stop(&cluster.image, id(1), cluster.epoch(1)));
    cluster.stop(1);
    assert_eq!(cluster.state().leader, Some(id(2)));
}

#[test]
fn leaderships_go_back_to_the_preferred_replica_only_when_it_is_in_sync() {
    let mut cluster = Cluster::with_partition();
    cluster.fence(0);
    cluster.restart(0, |_| {});
    cluster.unfence(0);
    assert_eq!(preferred::rebalance(&cluster.image, &SETTINGS), []);
    assert_eq!(alter_to(&mut cluster, 1, &[0, 1, 2]), Ok(()));
    let records = preferred::rebalance(&cluster.image, &SETTINGS);
    cluster.apply(&records);
    let state = cluster.state();
    assert_eq!(
        (state.leader, state.leader_epoch),
        (Some(id(0)), LeaderEpoch(2))
    );
}
