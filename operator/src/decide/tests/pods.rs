//! Pods that are gone, ended, crash-looping or frozen.

use super::*;

#[test]
fn a_pod_that_is_gone_is_created_again_on_its_volume() {
    let mut observed = whole();
    observed.pods.retain(|pod| pod.member != BROKER_1);
    let planned = plan(&cluster(), &observed, &History::default(), at(0));
    assert_eq!(
        planned,
        [
            "apply PodDisruptionBudget demo-broker",
            "create demo-broker-1-1"
        ]
    );
}

#[test]
fn a_pod_that_is_being_deleted_is_waited_for() {
    let mut observed = whole();
    observed.pods[4].state = PodState::Terminating;
    assert_eq!(
        plan(&cluster(), &observed, &History::default(), at(0)),
        [""; 0]
    );
}

#[test]
fn an_evicted_pod_is_counted_and_deleted_once_there_is_evidence() {
    let mut observed = whole();
    observed.pods[4].state = PodState::Finished {
        why: "Evicted".to_owned(),
    };
    observed.pods[4].ready = false;
    let observed = with_objects(&cluster(), observed);
    assert_eq!(
        plan(&cluster(), &observed, &History::default(), at(0)),
        ["announce Evidence/demo-broker-1-1"]
    );
    let history = evidence(&cluster(), &observed);
    assert_eq!(
        plan(&cluster(), &observed, &history, at(0)),
        [
            "rehearse demo-broker-1-1",
            "change data-demo-broker-1-1 pod-replacements",
            "delete demo-broker-1-1",
        ]
    );
}

#[test]
fn a_crash_loop_is_broken_after_its_time_and_not_before() {
    let history = evidence(&cluster(), &crashing(-5, 1));
    assert_eq!(plan(&cluster(), &crashing(-4, 1), &history, at(0)), [""; 0]);
    assert_eq!(
        plan(&cluster(), &crashing(-5, 1), &history, at(0)),
        [
            "rehearse demo-broker-1-1",
            "change data-demo-broker-1-1 pod-replacements",
            "delete demo-broker-1-1",
        ]
    );
}

#[test]
fn a_node_that_refuses_to_start_is_not_replaced_but_reported() {
    let observed = crashing(-60, 70);
    let history = evidence(&cluster(), &observed);
    assert_eq!(plan(&cluster(), &observed, &history, at(0)), [""; 0]);
    let status = status(&cluster(), &observed, &history);
    assert!(
        condition(&status, "Degraded")
            .message
            .contains("refuses to start")
    );
}

#[test]
fn a_frozen_broker_is_replaced_only_after_the_quorum_has_fenced_it() {
    let mut observed = formed();
    (observed.pods[4].ready, observed.pods[4].silent) = (false, true);
    let observed = with_objects(&cluster(), observed);
    let history = evidence(&cluster(), &observed);
    assert_eq!(plan(&cluster(), &observed, &history, at(0)), [""; 0]);
    let mut fenced = observed;
    registered(&mut fenced, 1).fenced = true;
    let history = evidence(&cluster(), &fenced);
    let planned = decide(&cluster(), &fenced, None, &history, at(0)).commands;
    let Some(Command::DeletePod(deletion)) = planned.get(2) else {
        panic!("{planned:?}")
    };
    assert_eq!(
        (deletion.name.as_str(), deletion.grace_seconds),
        ("demo-broker-1-1", Some(1))
    );
}

#[test]
fn a_broker_that_is_busy_coming_back_is_left_alone() {
    let mut observed = formed();
    observed.pods[4].ready = false;
    registered(&mut observed, 1).fenced = true;
    let observed = with_objects(&cluster(), observed);
    let history = evidence(&cluster(), &observed);
    assert_eq!(plan(&cluster(), &observed, &history, at(0)), [""; 0]);
}

#[test]
fn two_crash_loops_are_broken_one_after_the_other() {
    let mut observed = crashing(-60, 1);
    observed.pods[5].state = PodState::CrashLoop {
        since: at(-60),
        exit_code: 1,
    };
    observed.pods[5].ready = false;
    let history = evidence(&cluster(), &observed);
    assert_eq!(
        plan(&cluster(), &observed, &history, at(0)),
        [
            "rehearse demo-broker-1-1",
            "change data-demo-broker-1-1 pod-replacements",
            "delete demo-broker-1-1",
            "announce OneDisruption/demo-broker-2-1",
        ]
    );
    // The first one's replacement is under way.
    observed.pods[4].state = PodState::Pending { why: None };
    observed.volumes[4].replacements = vec![at(0)];
    assert_eq!(
        plan(&cluster(), &observed, &history, at(5)),
        ["announce OneDisruption/demo-broker-2-1"]
    );
}

#[test]
fn a_pod_that_was_replaced_too_often_is_left_and_reported() {
    let mut observed = crashing(-60, 1);
    observed.volumes[4].replacements = (0..6).map(|n| at(-70 * (6 - n) - 100)).collect();
    let history = evidence(&cluster(), &observed);
    assert_eq!(
        plan(&cluster(), &observed, &history, at(0)),
        ["announce HealingLimit/demo-broker-1-1"]
    );
    let status = status(&cluster(), &observed, &history);
    assert_eq!(
        condition(&status, "HealingBlocked").status,
        ConditionStatus::True
    );
    // Ten minutes after the first of them there is room for one more.
    assert_eq!(plan(&cluster(), &observed, &history, at(100)).len(), 3);
}

#[test]
fn a_closed_gate_is_announced_once() {
    let mut observed = crashing(-60, 1);
    observed.volumes[4].replacements = (0..6).map(|n| at(-n)).collect();
    let mut history = evidence(&cluster(), &observed);
    let first = decide(&cluster(), &observed, None, &history, at(0));
    history.remember_closed(&first.closed);
    assert_eq!(plan(&cluster(), &observed, &history, at(1)), [""; 0]);
}
