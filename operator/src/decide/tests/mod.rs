//! Whole plans, shortened to one line a command so that they can be read.

mod balance;
mod balancer_model;
mod forming;
mod model;
mod pods;
mod quorum_model;
mod racks;
mod removal;
mod reporting;
mod rollout;
mod scale;
mod secret;
mod volumes;
mod voters;
mod watched;

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
        Command::Apply(object) => {
            let name = object.name();
            // The end of a ConfigMap's name is a hash of its content.
            let steady = match object {
                crate::build::Object::ConfigMap(_) => name.rsplit_once('-').unwrap().0,
                _ => name,
            };
            format!("apply {} {steady}", object.kind())
        }
        Command::CreateSecret(creation) => {
            let verb = match (creation.lost, &creation.keys) {
                (false, _) => "create",
                (true, Some(_)) => "put back",
                (true, None) => "replace",
            };
            format!("{verb} {}", creation.secret.metadata.name.as_ref().unwrap())
        }
        Command::DeleteNetworkPolicy { name, .. } => format!("delete NetworkPolicy {name}"),
        Command::CreateVolume(claim) => {
            format!("create {}", claim.metadata.name.as_ref().unwrap())
        }
        Command::CreatePod(pod) => format!("create {}", pod.metadata.name.as_ref().unwrap()),
        Command::ChangeVolume(change) => {
            let keys: Vec<String> = change.annotations.iter().map(annotation).collect();
            let size = change.size.iter().map(|size| format!("size={size}"));
            let policy = change
                .policy
                .iter()
                .map(|policy| format!("policy={policy:?}"));
            let parts: Vec<String> = keys.into_iter().chain(size).chain(policy).collect();
            format!("change {} {}", change.name, parts.join(","))
        }
        Command::RehearsePod(pod) => {
            format!("rehearse {}", pod.metadata.name.as_ref().unwrap())
        }
        Command::MarkPod(mark) => {
            assert!(!mark.uid.is_empty() && !mark.resource_version.is_empty());
            let verb = mark.restart_for.as_ref().map_or("unmark", |_| "mark");
            format!("{verb} {}", mark.name)
        }
        Command::DeleteConfigMap { name, .. } => {
            format!("delete ConfigMap {}", name.rsplit_once('-').unwrap().0)
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
        Command::RemoveVoter(change) => voter("remove", change),
        Command::AddVoter(change) => voter("add", change),
        Command::Cordon(change) => format!("cordon broker {}", change.broker),
        Command::Uncordon(change) => format!("uncordon broker {}", change.broker),
        Command::Unregister(change) => format!("unregister broker {}", change.broker),
        Command::CreateRebalance(one) => format!("create {}", one.metadata.name.as_ref().unwrap()),
        Command::StopRebalance(one) => format!("stop {}", one.name),
        Command::DeleteRebalance(one) | Command::DeleteVolume(one) => {
            assert!(!one.uid.is_empty() && !one.resource_version.is_empty());
            format!("delete {}", one.name)
        }
        Command::Announce(announcement) => format!("announce {}", announcement.subject),
        Command::WriteStatus(_) => return None,
    })
}

/// The end of an annotation's key; of a removal's also the value.
fn annotation((key, value): (&String, &Option<String>)) -> String {
    let key = key.rsplit('/').next().unwrap();
    match (key, value) {
        ("removal", Some(value)) => format!("removal={value}"),
        (key, None) => format!("{key}=none"),
        (key, Some(_)) => key.to_owned(),
    }
}

/// The high half of a test's directory is its generation.
fn voter(verb: &str, change: &crate::plan::VoterChange) -> String {
    let generation = change.directory.as_u128() >> 64;
    format!(
        "{verb} controller {} of generation {generation}",
        change.controller
    )
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
        history.record(&suspicions(cluster, observed, at(0)), at(second));
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

/// The Secret comes first: no pod starts without it.
const APPLIES: [&str; 13] = [
    "create demo-internal",
    "apply Service demo-controller-1000",
    "apply Service demo-controller-1001",
    "apply Service demo-controller-1002",
    "apply Service demo-controllers",
    "apply Service demo-brokers",
    "apply Service demo-bootstrap",
    "apply ConfigMap demo-controller",
    "apply PodDisruptionBudget demo-controller",
    "apply NetworkPolicy demo-controller",
    "apply ConfigMap demo-broker",
    "apply PodDisruptionBudget demo-broker",
    "apply NetworkPolicy demo-broker",
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

fn crashing(since: i64, exit_code: i32) -> Observed {
    let mut observed = formed();
    observed.pods[4].state = PodState::CrashLoop {
        since: at(since),
        exit_code,
    };
    observed.pods[4].ready = false;
    with_objects(&cluster(), observed)
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

/// The gate that holds back the replacement of broker 1's volume.
fn gate_of(cluster: &Cluster, observed: &Observed) -> Option<Gate> {
    let history = evidence(cluster, observed);
    let plan = decide(cluster, observed, None, &history, at(0));
    plan.closed.first().map(|closed| closed.gate)
}
