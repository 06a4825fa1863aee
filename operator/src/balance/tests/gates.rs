//! What keeps load from being evened out, and whom it makes room for.

use kintsugi_crds::RebalanceWord;
use serde_json::json;

use super::*;
use crate::observe::{PodState, Removal};

#[test]
fn nothing_begins_while_anything_else_is_amiss_or_under_way_and_the_hold_time_begins_after_it() {
    let waits = |change: &dyn Fn(&mut Looks), what: &str| {
        let mut looks = Looks::at(measured(1.5, 1.5));
        looks.run(HOLD - 5);
        let (cluster, observed) = (looks.cluster.clone(), looks.observed.clone());
        change(&mut looks);
        for _ in 0..4 {
            looks.now_ms += LOOK_MS;
            let found = looks.look();
            assert_eq!(found.act, None, "{what}");
            assert_eq!(found.status.state, BalanceState::Waiting, "{what}");
            assert!(found.status.reason.contains(what), "{found:?}");
        }
        (looks.cluster, looks.observed) = (cluster, observed);
        let again = looks.now_ms / 1_000 + LOOK_MS / 1_000;
        looks.now_ms += LOOK_MS;
        looks.run(HOLD + 30);
        assert_eq!(
            looks.created(),
            [(again + HOLD, RebalanceScope::Full)],
            "{what}"
        );
    };
    waits(&|looks| looks.cluster.paused = true, "spec.paused is set");
    waits(
        &|looks| looks.cluster.healing.enabled = false,
        "spec.healing.enabled is false",
    );
    let unready = |looks: &mut Looks| {
        let pod = looks.observed.pods.last_mut().unwrap();
        (pod.ready, pod.state) = (false, PodState::Pending { why: None });
    };
    waits(&unready, "broker 2 is not ready");
    waits(
        &|looks| looks.observed.pods[4].template_hash = "old".to_owned(),
        "is to be restarted",
    );
    waits(
        &|looks| looks.observed.quorum = None,
        "no active controller",
    );
    waits(
        &|looks| looks.observed.volumes[5].removal = Some(Removal::Draining),
        "broker 2 is being removed",
    );
    let by_hand = |looks: &mut Looks| {
        let moves = Some(RebalancePhase::Rebalancing);
        looks.observed.rebalances.push(of_people(moves));
    };
    waits(&by_hand, "KafkaRebalance by-hand goes first");
    waits(&scales, "the number of brokers is about to become 5");
}

/// A cluster that waits for something before it grows.
fn scales(looks: &mut Looks) {
    let autoscaling = serde_json::from_value(json!({"maxReplicas": 8})).unwrap();
    looks.cluster.autoscaling = Some(autoscaling);
    let status = json!({"desiredReplicas": 3, "wantedReplicas": 5});
    looks.cluster.sizing = Some(crate::scale::Sizing {
        status: serde_json::from_value(status).unwrap(),
        news: None,
        figures: crate::scale::Figures::default(),
    });
}

#[test]
fn a_proposal_that_waits_for_people_and_what_is_over_keep_nothing_waiting() {
    for phase in [
        RebalancePhase::ProposalReady,
        RebalancePhase::Completed,
        RebalancePhase::Stopped,
        RebalancePhase::Failed,
    ] {
        let mut looks = Looks::at(measured(1.5, 1.5));
        looks.observed.rebalances.push(of_people(Some(phase)));
        looks.now_ms = 0;
        looks.look();
        looks.now_ms = HOLD * 1_000;
        looks.observed.rebalances.clear();
        let found = looks.look();
        assert_eq!(
            found.act,
            Some(Act::Create(RebalanceScope::Full)),
            "{phase:?}"
        );
    }
}

#[test]
fn loads_that_are_not_known_decide_nothing_and_begin_the_hold_time_anew() {
    let mut looks = Looks::at(measured(1.5, 1.5));
    looks.run(HOLD - 5);
    let why = "broker 2 has not told its load for 15 s".to_owned();
    let now = looks.now();
    let found = step(
        &mut looks.state,
        &looks.cluster,
        &looks.observed,
        Err(&why),
        now,
    );
    let found = found.unwrap();
    assert_eq!(found.status.state, BalanceState::Waiting);
    assert_eq!((found.status.reason, found.act), (why, None));
    looks.run(HOLD - 10);
    assert_eq!(looks.created(), []);
}

#[test]
fn one_that_people_stopped_stays_stopped_until_they_delete_it() {
    let mut looks = Looks::at(measured(1.5, 1.5));
    looks.run(HOLD + 4);
    let one = &mut looks.observed.rebalances[0];
    (one.word, one.phase) = (Some(RebalanceWord::Stop), Some(RebalancePhase::Stopped));
    looks.run(8 * 3_600);
    assert_eq!(looks.created().len(), 1);
    let found = looks.look();
    assert_eq!(found.status.state, BalanceState::Stopped);
    assert!(found.status.reason.contains("delete it"), "{found:?}");
    looks.observed.rebalances.clear();
    let deleted = looks.now_ms / 1_000;
    looks.run(COOLDOWN + 60);
    let again = looks.created()[1].0 - deleted;
    assert!((COOLDOWN..COOLDOWN + 10).contains(&again), "{again}");
}

#[test]
fn one_of_another_owner_by_its_name_is_left_alone_and_told_of() {
    let mut looks = Looks::at(measured(1.5, 1.5));
    looks.observed.rebalances.push(ObservedRebalance {
        owner: None,
        ..own(RebalanceScope::Full)
    });
    let found = looks.look();
    assert_eq!(
        (found.status.state, found.act.clone()),
        (BalanceState::Stopped, None)
    );
    assert!(found.status.reason.contains("is not the operator's"));
}

#[test]
fn one_under_way_makes_room_for_a_removal_and_for_another_kafka_rebalance() {
    let makes_room = |change: &dyn Fn(&mut Looks), why: &str| {
        let mut looks = Looks::at(measured(1.5, 1.5));
        looks.run(HOLD + 4);
        change(&mut looks);
        assert_eq!(looks.look().act, Some(deletion(why)));
        looks.observed.rebalances.clear();
        looks.observed.volumes[5].removal = None;
        // Given up half way, it has not shown that nothing helps.
        looks.run(COOLDOWN + 60);
        assert_eq!(looks.created().len(), 2);
    };
    let removed = |looks: &mut Looks| {
        looks.observed.volumes[5].removal = Some(Removal::Draining);
    };
    makes_room(&removed, "broker 2 is being removed");
    let by_hand = |looks: &mut Looks| looks.observed.rebalances.push(of_people(None));
    makes_room(&by_hand, "KafkaRebalance by-hand goes first");
}
