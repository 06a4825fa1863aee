//! The secret by which nodes know each other, and the policies around them.

use super::model::{Operator, World};
use super::*;
use crate::build::pod as template;
use crate::fixtures::resource;
use crate::names::secret;
use crate::observe::ObservedSecret;
use crate::validate::validate;

fn lost() -> Observed {
    let mut observed = whole();
    observed.secret = ObservedSecret::Absent;
    observed
}

/// A cluster whose nodes run without a secret, as they were formed before there was one.
fn bare() -> Observed {
    let mut observed = formed();
    for pod in &mut observed.pods {
        pod.knows_secret = false;
    }
    observed.secret = ObservedSecret::Absent;
    let cluster = validated(&observed);
    for pod in &mut observed.pods {
        pod.template_hash = template::template_hash(&cluster, pod.member, None);
    }
    with_objects(&cluster, observed)
}

fn validated(observed: &Observed) -> Cluster {
    validate(&resource(), observed, "kintsugi/broker:test").unwrap()
}

#[test]
fn a_secret_that_is_there_is_left_alone() {
    assert_eq!(
        plan(&cluster(), &whole(), &History::default(), at(0)),
        [""; 0]
    );
    let mut observed = Observed {
        secret: crate::fixtures::secret(),
        ..Observed::default()
    };
    let planned = plan(&cluster(), &observed, &History::default(), at(0));
    assert_eq!(planned, [&APPLIES[1..], &VOLUMES, &PODS].concat());
    // One of no use too: somebody meant something by it. Pods say what they cannot read.
    observed.secret = ObservedSecret::Unusable("it has no key secret".to_owned());
    let planned = plan(&cluster(), &observed, &History::default(), at(0));
    assert_eq!(planned, [&APPLIES[1..], &VOLUMES, &PODS].concat());
}

#[test]
fn a_lost_secret_is_put_back_as_it_was_by_whoever_has_read_it() {
    let mut history = History::default();
    history.remember_secret(&crate::fixtures::secret());
    let planned = plan(&cluster(), &lost(), &history, at(0));
    assert_eq!(planned, ["put back demo-internal"]);
}

#[test]
fn a_lost_secret_that_nobody_has_read_is_replaced_on_evidence() {
    let (cluster, observed) = (cluster(), lost());
    let decided = decide(&cluster, &observed, None, &History::default(), at(0));
    assert_eq!(decided.closed[0].gate, Gate::Evidence);
    let history = evidence(&cluster, &observed);
    assert_eq!(
        plan(&cluster, &observed, &history, at(0)),
        ["replace demo-internal"]
    );
    let said = status(&cluster, &observed, &History::default());
    let degraded = condition(&said, "Degraded");
    assert_eq!(
        (degraded.status, degraded.reason.as_str()),
        (ConditionStatus::True, "SecretLost")
    );
}

#[test]
fn a_lost_secret_comes_back_however_often_the_operator_is_replaced() {
    for restarts in [false, true] {
        let mut world = World::new();
        let mut operator = Operator::default();
        world.run(&mut operator, 3);
        world.observed.secret = ObservedSecret::Absent;
        if restarts {
            operator = Operator::default();
        }
        world.run(&mut operator, 6);
        assert!(world.observed.secret.keys().is_some());
        assert!(world.stopped.is_empty(), "nothing is restarted for it");
    }
}

#[test]
fn a_cluster_whose_nodes_run_without_a_secret_stays_as_it_is() {
    let observed = bare();
    let cluster = validated(&observed);
    assert!(!cluster.authenticated);
    let history = evidence(&cluster, &observed);
    assert_eq!(plan(&cluster, &observed, &history, at(0)), [""; 0]);
    let mut missing = observed;
    missing.pods.retain(|pod| pod.member != BROKER_1);
    missing.secret = crate::fixtures::secret();
    let made = decide(&cluster, &missing, None, &history, at(0)).commands;
    let pods = made.iter().filter_map(|command| match command {
        Command::CreatePod(pod) => Some(pod.as_ref()),
        _ => None,
    });
    let mounts = |pod: &&k8s_openapi::api::core::v1::Pod| {
        let volumes = pod.spec.as_ref().unwrap().volumes.as_ref().unwrap();
        volumes.iter().any(|volume| volume.secret.is_some())
    };
    assert_eq!(pods.clone().count(), 1);
    assert_eq!(pods.filter(mounts).count(), 0);
}

#[test]
fn one_node_without_the_secret_does_not_make_the_others_forget_it() {
    let mut observed = whole();
    observed.pods[4].knows_secret = false;
    observed.pods[4].template_hash = "older".to_owned();
    observed.pods[4].ready = false;
    registered(&mut observed, 1).fenced = true;
    let cluster = validated(&observed);
    assert!(cluster.authenticated);
    let history = evidence(&cluster, &observed);
    let planned = plan(&cluster, &observed, &history, at(0));
    assert!(
        planned.contains(&"delete demo-broker-1-1".to_owned()),
        "{planned:?}"
    );
}

#[test]
fn a_cluster_that_has_no_node_left_begins_with_a_secret() {
    let mut observed = bare();
    observed.pods.clear();
    let cluster = validated(&observed);
    assert!(cluster.authenticated);
    let planned = plan(&cluster, &observed, &History::default(), at(0));
    assert_eq!(planned[0], format!("create {}", secret("demo")));
}

#[test]
fn policies_go_when_they_are_not_wanted_and_only_the_operators_own() {
    let mut cluster = cluster();
    let mut observed = whole();
    let mut foreign = observed
        .objects
        .iter()
        .find(|object| object["kind"] == "NetworkPolicy")
        .unwrap()
        .clone();
    foreign["metadata"]["name"] = "mine".into();
    foreign["metadata"]["ownerReferences"] = serde_json::json!([]);
    observed.objects.push(foreign);
    assert_eq!(
        plan(&cluster, &observed, &History::default(), at(0)),
        [""; 0]
    );
    cluster.network_policy = false;
    assert_eq!(
        plan(&cluster, &observed, &History::default(), at(0)),
        [
            "delete NetworkPolicy demo-controller",
            "delete NetworkPolicy demo-broker",
        ]
    );
}
