//! Volumes that are lost, stale, or to be changed.

use super::*;

#[test]
fn a_lost_volume_is_replaced_by_a_granted_generation() {
    let mut observed = volume_lost();
    let history = evidence(&cluster(), &observed);
    assert_eq!(
        plan(&cluster(), &observed, &history, at(0)),
        ["grant broker 1 generation 2"]
    );
    registered(&mut observed, 1).granted_generation = Some(2);
    // Granted and then restarted: nothing of the evidence is left, nor is it needed.
    assert_eq!(
        plan(&cluster(), &observed, &History::default(), at(0)),
        ["create data-demo-broker-1-2", "create demo-broker-1-2",]
    );
}

#[test]
fn a_stale_volume_gives_way_to_the_generation_that_was_granted() {
    let mut observed = whole();
    registered(&mut observed, 1).granted_generation = Some(2);
    assert_eq!(
        plan(&cluster(), &observed, &History::default(), at(0)),
        ["create data-demo-broker-1-2", "create demo-broker-1-2",]
    );
    let next = Member {
        generation: 2,
        ..BROKER_1
    };
    observed.volumes.push(volume(next));
    observed.pods.push(pod(next));
    assert_eq!(
        plan(&cluster(), &observed, &History::default(), at(0)),
        ["delete demo-broker-1-1"]
    );
}

#[test]
fn each_gate_keeps_a_lost_volume_from_being_given_up() {
    assert_eq!(gate_of(&cluster(), &volume_lost()), None);

    let plan = decide(&cluster(), &volume_lost(), None, &History::default(), at(0));
    assert_eq!(plan.closed[0].gate, Gate::Evidence);

    let mut disabled = cluster();
    disabled.healing.enabled = false;
    assert_eq!(gate_of(&disabled, &volume_lost()), Some(Gate::Pause));

    let mut observed = volume_lost();
    registered(&mut observed, 1).fenced = false;
    assert_eq!(gate_of(&cluster(), &observed), Some(Gate::MinIsr));

    let mut observed = volume_lost();
    registered(&mut observed, 2).fenced = true;
    assert_eq!(gate_of(&cluster(), &observed), Some(Gate::HealingShare));

    let mut observed = volume_lost();
    registered(&mut observed, 2).granted_generation = Some(2);
    assert_eq!(gate_of(&cluster(), &observed), Some(Gate::OneDisruption));

    let mut observed = volume_lost();
    observed.quorum.as_mut().unwrap().answering = vec![1000];
    assert_eq!(gate_of(&cluster(), &observed), Some(Gate::QuorumHealth));
}

#[test]
fn without_an_active_controller_no_broker_gets_a_first_volume_again() {
    let mut observed = volume_lost();
    observed.quorum = None;
    let history = evidence(&cluster(), &observed);
    let plan = decide(&cluster(), &observed, None, &history, at(0));
    assert_eq!(plan.closed.len(), 1);
    assert_eq!(plan.closed[0].gate, Gate::QuorumHealth);
    assert!(
        !plan
            .commands
            .iter()
            .any(|c| matches!(c, Command::CreateVolume(_)))
    );
}

#[test]
fn a_volume_being_deleted_under_a_running_pod_is_left_to_the_pod() {
    let mut observed = whole();
    observed.volumes[4].terminating = true;
    let history = evidence(&cluster(), &observed);
    assert_eq!(plan(&cluster(), &observed, &history, at(0)), [""; 0]);
    let status = status(&cluster(), &observed, &history);
    assert!(
        condition(&status, "Progressing")
            .message
            .contains("delete its pod")
    );
}

#[test]
fn growing_to_an_id_whose_retained_claim_is_lost_says_what_to_do() {
    let mut observed = volume_lost();
    let brokers = observed.quorum.as_mut().unwrap().brokers.as_mut();
    brokers.unwrap().remove(&1);
    let mut claim = crate::fixtures::volume(BROKER_1);
    claim.lost = true;
    observed.volumes.push(claim);
    let history = History::default();
    assert_eq!(plan(&cluster(), &observed, &history, at(0)), [""; 0]);
    let status = status(&cluster(), &observed, &history);
    let message = &condition(&status, "Progressing").message;
    let advice = "kubectl delete pvc data-demo-broker-1-1";
    assert!(message.contains(advice), "{message}");
}

#[test]
fn a_grown_size_and_a_changed_policy_reach_the_volumes() {
    let mut cluster = cluster();
    cluster.brokers.size = "20Gi".to_owned();
    cluster.controllers.deletion_policy = kintsugi_crds::DeletionPolicy::Delete;
    let planned = plan(&cluster, &whole(), &History::default(), at(0));
    assert_eq!(
        planned,
        [
            "change data-demo-controller-1000-1 policy=Delete",
            "change data-demo-controller-1001-1 policy=Delete",
            "change data-demo-controller-1002-1 policy=Delete",
            "change data-demo-broker-0-1 size=20Gi",
            "change data-demo-broker-1-1 size=20Gi",
            "change data-demo-broker-2-1 size=20Gi",
        ]
    );
}

#[test]
fn a_broker_that_is_registered_but_not_ready_keeps_the_rack_it_registered_with() {
    let mut cluster = cluster();
    cluster.topology_key = Some("zone".to_owned());
    let mut observed = volume_lost();
    *registered(&mut observed, 1) = crate::observe::BrokerView {
        rack: Some("b".to_owned()),
        ..broker(1)
    };
    registered(&mut observed, 1).granted_generation = Some(2);
    let created = decide(&cluster, &observed, None, &History::default(), at(0));
    let zone = created.commands.iter().find_map(|command| match command {
        Command::CreateVolume(claim) => claim
            .metadata
            .annotations
            .as_ref()?
            .get("kintsugi.dev/zone"),
        _ => None,
    });
    assert_eq!(zone.map(String::as_str), Some("b"));
}
