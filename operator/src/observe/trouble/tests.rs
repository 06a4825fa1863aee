use serde_json::{Value, json};

use super::*;

fn pod(status: &Value) -> Pod {
    serde_json::from_value(json!({"metadata": {"name": "demo-broker-0-1"}, "status": status}))
        .unwrap()
}

fn found(status: &Value) -> Option<(TroubleKind, String, String)> {
    find(&pod(status)).map(|trouble| (trouble.kind, trouble.reason, trouble.detail))
}

fn container(state: &Value, last: &Value) -> Value {
    json!({"phase": "Pending", "containerStatuses": [{
        "name": "broker", "image": "kintsugi/broker:none", "imageID": "", "ready": false,
        "restartCount": 3, "state": state, "lastState": last,
    }]})
}

#[test]
fn both_words_for_a_missing_image_are_one_trouble() {
    for reason in ["ErrImagePull", "ImagePullBackOff"] {
        let status = container(
            &json!({"waiting": {"reason": reason, "message": "changes"}}),
            &json!({}),
        );
        let expected = (
            TroubleKind::ImagePull,
            "ImagePullBackOff".to_owned(),
            "kintsugi/broker:none".to_owned(),
        );
        assert_eq!(found(&status), Some(expected));
    }
}

#[test]
fn a_container_that_was_out_of_memory_is_told_from_one_that_crashes() {
    let waiting = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    let ended = |reason: &str| {
        json!({"terminated": {
            "reason": reason, "exitCode": 137, "finishedAt": "2026-01-01T00:00:00Z",
        }})
    };
    let kind = |last: &Value| found(&container(&waiting, last)).map(|(kind, ..)| kind);
    assert_eq!(kind(&ended("OOMKilled")), Some(TroubleKind::OomKilled));
    assert_eq!(kind(&ended("Error")), Some(TroubleKind::CrashLoop));
    let running = json!({"running": {"startedAt": "2026-01-01T00:00:01Z"}});
    let status = container(&running, &ended("OOMKilled"));
    let trouble = find(&pod(&status)).unwrap();
    assert_eq!(trouble.kind, TroubleKind::OomKilled);
    assert_eq!(trouble.ended, "2026-01-01T00:00:00Z".parse().ok());
}

#[test]
fn what_no_node_takes_says_why() {
    let status = json!({"phase": "Pending", "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": "0/4 nodes are available: 4 Insufficient memory.",
    }]});
    let (kind, reason, detail) = found(&status).unwrap();
    assert_eq!(
        (kind, reason.as_str()),
        (TroubleKind::Pending, "Unschedulable")
    );
    assert!(detail.contains("Insufficient memory"));
}

#[test]
fn an_ordinary_start_is_no_trouble() {
    let waiting = json!({"waiting": {"reason": "ContainerCreating"}});
    assert_eq!(found(&container(&waiting, &json!({}))), None);
    assert_eq!(found(&json!({"phase": "Running"})), None);
}
