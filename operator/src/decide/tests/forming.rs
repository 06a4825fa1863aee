//! Forming, growing, and what must never be formed twice.

use super::*;

#[test]
fn a_new_cluster_is_created_whole_in_one_plan_volumes_before_pods() {
    let planned = plan(&cluster(), &Observed::default(), &History::default(), at(0));
    assert_eq!(planned, [&APPLIES[..], &VOLUMES, &PODS].concat());
}

#[test]
fn the_same_look_gives_the_same_plan() {
    let look = || {
        decide(
            &cluster(),
            &Observed::default(),
            None,
            &History::default(),
            at(0),
        )
    };
    assert_eq!(look(), look());
}

#[test]
fn a_restart_at_any_point_of_forming_goes_on_where_it_was() {
    let cluster = cluster();
    let mut fresh = with_objects(&cluster, Observed::default());
    fresh.secret = crate::fixtures::secret();
    let everything = [&VOLUMES[..], &PODS].concat();
    for done in 0..=everything.len() {
        let mut observed = fresh.clone();
        for member in members().into_iter().take(done.min(VOLUMES.len())) {
            let mut volume = volume(member);
            volume.formed = false;
            observed.volumes.push(volume);
        }
        for member in members()
            .into_iter()
            .take(done.saturating_sub(VOLUMES.len()))
        {
            observed.pods.push(pod(member));
        }
        let planned: Vec<String> = plan(&cluster, &observed, &History::default(), at(0))
            .into_iter()
            .filter(|command| !command.starts_with("apply"))
            .collect();
        assert_eq!(planned, everything[done..], "after {done} acts");
    }
}

#[test]
fn a_whole_cluster_is_left_alone_and_ready() {
    let observed = whole();
    assert_eq!(
        plan(&cluster(), &observed, &History::default(), at(0)),
        [""; 0]
    );
    let status = status(&cluster(), &observed, &History::default());
    assert_eq!(status.phase, Some(Phase::Ready));
    assert_eq!(status.brokers.summary, "3/3");
    let held: Vec<&str> = status
        .conditions
        .iter()
        .filter(|condition| condition.status == ConditionStatus::True)
        .map(|condition| condition.type_.as_str())
        .collect();
    assert_eq!(held, ["Ready"]);
}

#[test]
fn volumes_are_marked_once_the_quorum_is_active() {
    let mut observed = whole();
    observed.volumes[0].formed = false;
    assert_eq!(
        plan(&cluster(), &observed, &History::default(), at(0)),
        ["change data-demo-controller-1000-1 quorum-formed"]
    );
}

#[test]
fn growing_adds_brokers_and_touches_nothing_else() {
    let mut cluster = cluster();
    cluster.brokers.replicas = 4;
    let planned = plan(&cluster, &whole(), &History::default(), at(0));
    assert_eq!(
        planned,
        [
            "apply PodDisruptionBudget demo-broker",
            "create data-demo-broker-3-1",
            "create demo-broker-3-1",
        ]
    );
}

#[test]
fn a_lost_majority_stops_everything() {
    let brokers = members().into_iter().filter(|m| m.role == Role::Broker);
    let mut observed = Observed {
        volumes: brokers.map(volume).collect(),
        ..Observed::default()
    };
    assert_eq!(
        plan(&cluster(), &observed, &History::default(), at(0)),
        [""; 0]
    );
    let status = status(&cluster(), &observed, &History::default());
    assert_eq!(status.phase, Some(Phase::QuorumLost));
    // The same without the marks: a broker's volume alone proves that controllers' existed.
    for volume in &mut observed.volumes {
        volume.formed = false;
    }
    assert_eq!(
        plan(&cluster(), &observed, &History::default(), at(0)),
        [""; 0]
    );
}

#[test]
fn a_cluster_that_is_all_being_deleted_begins_anew_once_it_is_gone() {
    let mut observed = whole();
    observed
        .volumes
        .iter_mut()
        .for_each(|volume| volume.terminating = true);
    observed
        .pods
        .iter_mut()
        .for_each(|pod| pod.state = PodState::Terminating);
    observed.quorum = None;
    let planned = plan(&cluster(), &observed, &History::default(), at(0));
    assert!(
        !planned.iter().any(|command| command.starts_with("create")),
        "{planned:?}"
    );
    observed.volumes.clear();
    observed.pods.clear();
    let planned = plan(&cluster(), &observed, &History::default(), at(0));
    assert!(planned.ends_with(&PODS.map(str::to_owned)), "{planned:?}");
}

#[test]
fn running_pods_on_volumes_being_deleted_keep_the_quorum() {
    let mut observed = whole();
    observed
        .volumes
        .iter_mut()
        .for_each(|volume| volume.terminating = true);
    assert_eq!(
        plan(&cluster(), &observed, &History::default(), at(0)),
        [""; 0]
    );
    let status = status(&cluster(), &observed, &History::default());
    assert_eq!(
        condition(&status, "QuorumLost").status,
        ConditionStatus::False
    );
}

#[test]
fn new_brokers_go_to_the_emptiest_zone() {
    let mut cluster = cluster();
    cluster.topology_key = Some("zone".to_owned());
    cluster.brokers.replicas = 5;
    let mut observed = formed();
    observed.zones = vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
    for (volume, zone) in observed.volumes.iter_mut().skip(3).zip(["a", "b", "b"]) {
        volume.zone = Some(zone.to_owned());
    }
    let born: Vec<String> = decide(&cluster, &observed, None, &History::default(), at(0))
        .commands
        .iter()
        .filter_map(|command| match command {
            Command::CreateVolume(claim) => {
                Some(claim.metadata.annotations.as_ref().unwrap()["kintsugi.dev/zone"].clone())
            }
            _ => None,
        })
        .collect();
    assert_eq!(born, ["c", "a"]);
}

#[test]
fn without_a_zone_no_broker_is_born_and_the_status_says_why() {
    let mut cluster = cluster();
    cluster.topology_key = Some("zone".to_owned());
    let status = status(&cluster, &Observed::default(), &History::default());
    assert!(
        condition(&status, "Progressing")
            .message
            .contains("no schedulable node")
    );
}
