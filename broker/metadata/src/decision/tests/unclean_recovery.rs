use std::collections::BTreeMap;

use kintsugi_types::{BootId, LeaderEpoch, Offset};
use uuid::Uuid;

use super::fixture::{Cluster, SETTINGS, id, ids};
use crate::decision::unclean_recovery::{Evidence, ReplicaLogEnd, elect_by_log_ends, is_needed};
use crate::record::{MetadataRecord, RecoveryState};

fn reboot(cluster: &mut Cluster, broker: i32) {
    cluster.restart(broker, |c| c.boot = BootId(Uuid::from_u128(99)));
}

/// Broker 2 led last; 1 and 2 lost power, so that nobody is in ISR or ELR; all are fenced.
fn uncertain() -> Cluster {
    let mut cluster = Cluster::with_partition();
    for broker in 0..3 {
        cluster.fence(broker);
    }
    for broker in 1..3 {
        reboot(&mut cluster, broker);
    }
    assert!(is_needed(&cluster.state()));
    assert_eq!(cluster.state().last_known_leader, Some(id(2)));
    cluster
}

/// These brokers' present answers: the epoch of the last batch, and the end of the log.
fn evidence(cluster: &Cluster, is_wait_over: bool, ends: &[(i32, i32, i64)]) -> Evidence {
    let answer = |(broker, last_epoch, log_end): &(i32, i32, i64)| {
        let answer = ReplicaLogEnd {
            broker_epoch: cluster.epoch(*broker),
            leader_epoch: cluster.state().leader_epoch,
            last_epoch: LeaderEpoch(*last_epoch),
            log_end: Offset(*log_end),
        };
        (id(*broker), answer)
    };
    Evidence {
        answers: ends.iter().map(answer).collect(),
        is_wait_over,
        may_lose: false,
    }
}

fn elect(cluster: &mut Cluster, evidence: Evidence) -> Vec<MetadataRecord> {
    let (partition, _) = cluster.partition();
    let evidence = BTreeMap::from([(partition, evidence)]);
    let records = elect_by_log_ends(&cluster.image, &SETTINGS, &evidence);
    cluster.apply(&records);
    records
}

#[test]
fn the_replica_whose_log_reaches_furthest_leads_though_another_led_last() {
    let mut cluster = uncertain();
    for broker in 0..3 {
        cluster.unfence(broker);
    }
    let before = cluster.state();
    assert_eq!(before.leader, None, "nobody was asked yet");
    let all = evidence(&cluster, false, &[(0, 1, 7), (1, 1, 9), (2, 1, 5)]);
    elect(&mut cluster, all);
    let state = cluster.state();
    assert_eq!((state.leader, &state.isr), (Some(id(1)), &ids(&[1])));
    assert_eq!((&state.elr, state.last_known_leader), (&ids(&[]), None));
    assert_eq!(state.recovery, RecoveryState::Recovering);
    assert_eq!(state.leader_epoch, before.leader_epoch.next());
}

#[test]
fn a_later_epoch_comes_before_a_longer_log_and_the_last_known_leader_before_its_equals() {
    let mut cluster = uncertain();
    for broker in 0..3 {
        cluster.unfence(broker);
    }
    let (image, state) = (&cluster.image, cluster.state());
    let best = |ends: &[_]| evidence(&cluster, false, ends).best(image, &state);
    assert_eq!(best(&[(0, 2, 3), (1, 1, 9), (2, 1, 5)]), Some(id(0)));
    assert_eq!(best(&[(0, 1, 5), (1, 1, 5), (2, 1, 5)]), Some(id(2)));
    assert_eq!(best(&[(0, 1, 5), (1, 1, 5), (2, 1, 4)]), Some(id(0)));
    assert_eq!(best(&[(0, -1, 0), (1, -1, 0), (2, 0, 1)]), Some(id(2)));
}

#[test]
fn fenced_replicas_are_waited_for_only_for_a_time_and_live_ones_until_they_answer() {
    let mut cluster = uncertain();
    cluster.unfence(0);
    cluster.unfence(1);
    let early = evidence(&cluster, false, &[(0, 1, 7), (1, 1, 9)]);
    assert_eq!(elect(&mut cluster, early), [], "broker 2 may come back");
    let silent = evidence(&cluster, true, &[(0, 1, 7)]);
    assert_eq!(elect(&mut cluster, silent), [], "broker 1 lives");
    let nobody = Evidence {
        is_wait_over: true,
        ..Evidence::default()
    };
    assert_eq!(elect(&mut cluster, nobody), []);
    let late = evidence(&cluster, true, &[(0, 1, 7), (1, 1, 9)]);
    elect(&mut cluster, late);
    assert_eq!(cluster.state().leader, Some(id(1)));
}

#[test]
fn an_answer_from_before_a_restart_or_of_another_leader_epoch_does_not_count() {
    let mut cluster = uncertain();
    for broker in 0..3 {
        cluster.unfence(broker);
    }
    let ends = [(0, 1, 7), (1, 1, 9), (2, 1, 5)];
    let before = evidence(&cluster, true, &ends);
    reboot(&mut cluster, 1);
    cluster.unfence(1);
    assert_eq!(elect(&mut cluster, before), []);
    let mut older = evidence(&cluster, true, &ends);
    let answer = older.answers.get_mut(&id(0)).unwrap();
    answer.leader_epoch = LeaderEpoch(answer.leader_epoch.0 - 1);
    assert_eq!(elect(&mut cluster, older), []);
    let fenced = evidence(&cluster, true, &ends);
    cluster.fence(1);
    elect(&mut cluster, fenced);
    assert_eq!(cluster.state().leader, Some(id(0)), "1 could not lead");
}

#[test]
fn no_worse_replica_leads_while_the_best_one_is_stopping() {
    let mut cluster = uncertain();
    for broker in 0..3 {
        cluster.unfence(broker);
    }
    cluster.stop(1);
    let ends = [(0, 1, 7), (1, 1, 9), (2, 1, 5)];
    let all = evidence(&cluster, false, &ends);
    assert_eq!(elect(&mut cluster, all), []);
    let all = evidence(&cluster, false, &[(0, 1, 9), (1, 1, 9), (2, 1, 5)]);
    elect(&mut cluster, all);
    assert_eq!(cluster.state().leader, Some(id(0)));
}

#[test]
fn the_only_replica_leads_again_after_a_reboot_but_is_marked_as_recovering() {
    let mut cluster = Cluster::with_topic(1, 1, 1);
    reboot(&mut cluster, 0);
    assert_eq!(cluster.state().last_known_leader, Some(id(0)));
    cluster.unfence(0);
    assert_eq!(cluster.state().leader, None);
    let all = evidence(&cluster, false, &[(0, -1, 0)]);
    elect(&mut cluster, all);
    let state = cluster.state();
    assert_eq!(state.leader, Some(id(0)));
    assert_eq!(state.recovery, RecoveryState::Recovering);
}

#[test]
fn whoever_may_lose_records_gets_a_live_leader_though_the_eligible_ones_are_dead() {
    let mut cluster = Cluster::with_partition();
    cluster.fence(0);
    cluster.fence(1);
    cluster.fence(2);
    cluster.unfence(0);
    let before = cluster.state();
    assert_eq!((before.leader, &before.elr), (None, &ids(&[1, 2])));
    let ends = [(0, 0, 5)];
    let mut patient = evidence(&cluster, true, &ends);
    assert_eq!(
        elect(&mut cluster, patient.clone()),
        [],
        "the eligible ones are waited for"
    );
    patient.may_lose = true;
    elect(&mut cluster, patient);
    let after = cluster.state();
    assert_eq!(
        (after.leader, &after.isr, &after.elr),
        (Some(id(0)), &ids(&[0]), &ids(&[]))
    );
    assert_eq!(after.recovery, RecoveryState::Recovering);
    cluster.unfence(1);
    assert_eq!(
        cluster.state().leader,
        Some(id(0)),
        "whoever comes back follows"
    );
}

#[test]
fn a_live_eligible_replica_leads_before_any_that_may_have_lost_records() {
    let mut cluster = Cluster::with_partition();
    for broker in 0..3 {
        cluster.fence(broker);
    }
    let mut impatient = evidence(&cluster, true, &[(0, 9, 9)]);
    impatient.may_lose = true;
    cluster.unfence(1);
    assert_eq!(cluster.state().leader, Some(id(1)));
    assert_eq!(elect(&mut cluster, impatient), [], "somebody leads already");
}
