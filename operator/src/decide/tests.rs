//! Whole plans, shortened to one line a command so that they can be read.

use kintsugi_crds::{ConditionStatus, KafkaClusterStatus, Phase};

use super::*;
use crate::fixtures::{at, broker, cluster, formed, members, partitions, pod, volume};
use crate::names::{Member, Role};
use crate::observe::PodState;

const BROKER_1: Member = Member {
    role: Role::Broker,
    id: 1,
    generation: 1,
};

/// The plan, and the same commands in words; the status is left out.
fn plan(cluster: &Cluster, observed: &Observed, history: &History, now: Timestamp) -> Vec<String> {
    decide(cluster, observed, None, history, now)
        .commands
        .iter()
        .filter_map(word)
        .collect()
}

fn word(command: &Command) -> Option<String> {
    Some(match command {
        Command::Apply(object) => format!("apply {} {}", object.kind(), object.name()),
        Command::CreateVolume(claim) => {
            format!("create {}", claim.metadata.name.as_ref().unwrap())
        }
        Command::CreatePod(pod) => format!("create {}", pod.metadata.name.as_ref().unwrap()),
        Command::ChangeVolume(change) => {
            let keys: Vec<&str> = change
                .annotations
                .keys()
                .map(|key| key.rsplit('/').next().unwrap())
                .collect();
            let size = change.size.iter().map(|size| format!("size={size}"));
            let policy = change
                .policy
                .iter()
                .map(|policy| format!("policy={policy:?}"));
            let parts: Vec<String> = keys
                .into_iter()
                .map(str::to_owned)
                .chain(size)
                .chain(policy)
                .collect();
            format!("change {} {}", change.name, parts.join(","))
        }
        Command::DeletePod(deletion) => {
            assert!(!deletion.uid.is_empty() && !deletion.resource_version.is_empty());
            format!("delete {}", deletion.name)
        }
        Command::GrantGeneration {
            broker, generation, ..
        } => {
            format!("grant broker {broker} generation {generation}")
        }
        Command::Announce(announcement) => format!("announce {}", announcement.subject),
        Command::WriteStatus(_) => return None,
    })
}

fn status(cluster: &Cluster, observed: &Observed, history: &History) -> KafkaClusterStatus {
    let plan = decide(cluster, observed, None, history, at(0));
    match plan.commands.into_iter().last() {
        Some(Command::WriteStatus(status)) => *status,
        other => panic!("expected a status, got {other:?}"),
    }
}

fn condition<'a>(status: &'a KafkaClusterStatus, type_: &str) -> &'a kintsugi_crds::Condition {
    status
        .conditions
        .iter()
        .find(|condition| condition.type_ == type_)
        .unwrap()
}

/// A history that has seen what `observed` shows often enough.
fn evidence(cluster: &Cluster, observed: &Observed) -> History {
    let mut history = History::default();
    for second in -4..0 {
        history.record(&suspicions(cluster, observed), at(second));
    }
    history
}

/// `observed` with every Service, ConfigMap and budget in place.
fn with_objects(cluster: &Cluster, mut observed: Observed) -> Observed {
    for command in decide(cluster, &observed, None, &History::default(), at(0)).commands {
        if let Command::Apply(object) = command {
            observed.objects.push(object.to_value());
        }
    }
    observed
}

fn whole() -> Observed {
    with_objects(&cluster(), formed())
}

const APPLIES: [&str; 10] = [
    "apply Service demo-controller-1000",
    "apply Service demo-controller-1001",
    "apply Service demo-controller-1002",
    "apply Service demo-controllers",
    "apply Service demo-brokers",
    "apply Service demo-bootstrap",
    "apply ConfigMap demo-controller",
    "apply PodDisruptionBudget demo-controller",
    "apply ConfigMap demo-broker",
    "apply PodDisruptionBudget demo-broker",
];
const VOLUMES: [&str; 6] = [
    "create data-demo-controller-1000-1",
    "create data-demo-controller-1001-1",
    "create data-demo-controller-1002-1",
    "create data-demo-broker-0-1",
    "create data-demo-broker-1-1",
    "create data-demo-broker-2-1",
];
const PODS: [&str; 6] = [
    "create demo-controller-1000-1",
    "create demo-controller-1001-1",
    "create demo-controller-1002-1",
    "create demo-broker-0-1",
    "create demo-broker-1-1",
    "create demo-broker-2-1",
];

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
    let fresh = with_objects(&cluster, Observed::default());
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
fn a_status_that_says_the_same_is_not_written_again() {
    let observed = whole();
    let first = status(&cluster(), &observed, &History::default());
    let second = decide(
        &cluster(),
        &observed,
        Some(&first),
        &History::default(),
        at(60),
    );
    assert_eq!(second.commands, []);
    assert_eq!(second.requeue, REQUEUE_SETTLED);
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
            "change data-demo-broker-1-1 pod-replacements",
            "delete demo-broker-1-1",
        ]
    );
}

fn crashing(since: i64, exit_code: i32) -> Observed {
    let mut observed = formed();
    observed.pods[4].state = PodState::CrashLoop {
        since: at(since),
        exit_code,
    };
    observed.pods[4].ready = false;
    with_objects(&cluster(), observed)
}

#[test]
fn a_crash_loop_is_broken_after_its_time_and_not_before() {
    let history = evidence(&cluster(), &crashing(-5, 1));
    assert_eq!(plan(&cluster(), &crashing(-4, 1), &history, at(0)), [""; 0]);
    assert_eq!(
        plan(&cluster(), &crashing(-5, 1), &history, at(0)),
        [
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
    let Some(Command::DeletePod(deletion)) = planned.get(1) else {
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
    assert_eq!(plan(&cluster(), &observed, &history, at(100)).len(), 2);
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

#[test]
fn a_paused_cluster_gets_a_status_and_nothing_else() {
    let mut cluster = cluster();
    cluster.paused = true;
    let planned = plan(&cluster, &Observed::default(), &History::default(), at(0));
    assert_eq!(planned, ["announce Pause/demo"]);
    let status = status(&cluster, &whole(), &History::default());
    assert_eq!(status.phase, Some(Phase::Paused));
    assert_eq!(condition(&status, "Ready").status, ConditionStatus::True);
}

fn volume_lost() -> Observed {
    let mut observed = formed();
    observed.pods.retain(|pod| pod.member != BROKER_1);
    observed.volumes.retain(|volume| volume.member != BROKER_1);
    registered(&mut observed, 1).fenced = true;
    with_objects(&cluster(), observed)
}

fn registered(observed: &mut Observed, id: i32) -> &mut crate::observe::BrokerView {
    observed
        .quorum
        .as_mut()
        .unwrap()
        .brokers
        .as_mut()
        .unwrap()
        .get_mut(&id)
        .unwrap()
}

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

/// The gate that holds back the replacement of broker 1's volume.
fn gate_of(cluster: &Cluster, observed: &Observed) -> Option<Gate> {
    let history = evidence(cluster, observed);
    let plan = decide(cluster, observed, None, &history, at(0));
    plan.closed.first().map(|closed| closed.gate)
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
fn shrinking_is_refused_aloud() {
    let mut cluster = cluster();
    cluster.brokers.replicas = 2;
    let observed = with_objects(&cluster, formed());
    let history = evidence(&cluster, &observed);
    let status = status(&cluster, &observed, &history);
    assert_eq!(
        condition(&status, "ShrinkRefused").status,
        ConditionStatus::True
    );
    let planned = plan(&cluster, &observed, &history, at(0));
    assert!(
        !planned.iter().any(|command| command.starts_with("delete")),
        "{planned:?}"
    );
}

#[test]
fn a_lost_controller_volume_is_reported_and_never_formatted_again() {
    let mut observed = whole();
    observed.pods.retain(|pod| pod.member.id != 1001);
    observed.volumes.retain(|volume| volume.member.id != 1001);
    let planned = plan(&cluster(), &observed, &History::default(), at(0));
    assert_eq!(planned, ["apply PodDisruptionBudget demo-controller"]);
    let status = status(&cluster(), &observed, &History::default());
    assert_eq!(
        condition(&status, "Degraded").reason,
        "ControllerVolumeLost"
    );
    assert_eq!(
        condition(&status, "QuorumLost").status,
        ConditionStatus::False
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
fn a_cluster_that_is_long_not_ready_is_looked_at_less_often() {
    let mut observed = formed();
    observed.pods[4].ready = false;
    let observed = with_objects(&cluster(), observed);
    let first = status(&cluster(), &observed, &History::default());
    let requeue = |seconds| {
        decide(
            &cluster(),
            &observed,
            Some(&first),
            &History::default(),
            at(seconds),
        )
        .requeue
    };
    assert_eq!(requeue(60), REQUEUE_CHANGING);
    assert_eq!(requeue(180), REQUEUE_SETTLED);
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

#[test]
fn pods_of_an_older_template_are_reported_and_not_restarted() {
    let mut cluster = cluster();
    cluster.image = "kintsugi/broker:next".to_owned();
    let observed = with_objects(&cluster, formed());
    assert_eq!(
        plan(&cluster, &observed, &History::default(), at(0)),
        [""; 0]
    );
    let status = status(&cluster, &observed, &History::default());
    assert_eq!(
        condition(&status, "RestartPending").status,
        ConditionStatus::True
    );
}

#[test]
fn counts_of_partitions_reach_the_status() {
    let mut observed = whole();
    partitions(&mut observed).leaderless = 2;
    partitions(&mut observed).under_replicated = 3;
    let status = status(&cluster(), &observed, &History::default());
    assert_eq!(status.partitions.unwrap().leaderless, 2);
    assert_eq!(status.partitions.unwrap().under_replicated, 3);
    assert_eq!(condition(&status, "Ready").reason, "PartitionsLeaderless");
    assert_eq!(status.phase, Some(Phase::Degraded));
}

#[test]
fn a_transition_time_moves_only_with_its_status() {
    let observed = whole();
    let first = status(&cluster(), &observed, &History::default());
    let mut worse = observed.clone();
    worse.pods[4].ready = false;
    let plan = decide(
        &cluster(),
        &worse,
        Some(&first),
        &History::default(),
        at(60),
    );
    let Some(Command::WriteStatus(second)) = plan.commands.last() else {
        panic!("{plan:?}")
    };
    let time =
        |status: &KafkaClusterStatus, type_| condition(status, type_).last_transition_time.clone();
    assert_ne!(time(&first, "Ready"), time(second, "Ready"));
    assert_eq!(time(&first, "QuorumLost"), time(second, "QuorumLost"));
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
