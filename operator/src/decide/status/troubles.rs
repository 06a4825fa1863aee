//! What keeps a cluster from being ready, in words.

use crate::decide::members::Members;
use crate::decide::pods::EXIT_REFUSED;
use crate::decide::secret;
use crate::decide::voters::not_voting;
use crate::names::{Member, Role};
use crate::observe::{Observed, PodState};

/// Nodes that a message names before it only counts.
const NAMED_MAX: usize = 10;

/// Everything that keeps the cluster from being ready, the most telling first.
pub fn troubles(observed: &Observed, members: &Members<'_>) -> Vec<(&'static str, String)> {
    let mut troubles: Vec<_> = secret::trouble(observed).into_iter().collect();
    let lost = members.lost_controllers();
    if !lost.is_empty() {
        troubles.push((
            "ControllerVolumeLost",
            format!(
                "the volumes of controllers {lost:?} are gone; the quorum goes on with the others, \
                 and each gets an empty volume and votes again once it holds the log"
            ),
        ));
    }
    for (id, why) in not_voting(observed, members) {
        troubles.push(("ControllerNotVoting", format!("controller {id}: {why}")));
    }
    for (role, id, volume) in members
        .controllers
        .iter()
        .map(|(id, volume)| (Role::Controller, id, volume))
        .chain(
            members
                .brokers
                .iter()
                .map(|(id, volume)| (Role::Broker, id, volume)),
        )
    {
        let trouble = match volume {
            None if observed.is_held(role, *id) => "its volume is going",
            None => "it has no volume yet",
            Some(volume) => match pod_trouble(observed, volume.member) {
                None => continue,
                Some(text) => {
                    troubles.push(("NodesNotReady", format!("{role} {id}: {text}")));
                    continue;
                }
            },
        };
        troubles.push(("NodesNotReady", format!("{role} {id}: {trouble}")));
    }
    troubles.extend(quorum_troubles(observed, members));
    troubles
}

fn pod_trouble(observed: &Observed, member: Member) -> Option<String> {
    let Some(pod) = observed.pod(member) else {
        return Some("it has no pod yet".to_owned());
    };
    match &pod.state {
        _ if pod.ready => None,
        PodState::Pending { why: Some(why) } => Some(why.clone()),
        PodState::Pending { why: None } => Some("its pod starts".to_owned()),
        PodState::Running => Some("its pod runs and is not ready".to_owned()),
        PodState::CrashLoop {
            exit_code: EXIT_REFUSED,
            ..
        } => Some(
            "it refuses to start (exit code 70): its incarnation is stale or its volume belongs \
             to another cluster; its log says which"
                .to_owned(),
        ),
        PodState::CrashLoop { exit_code, .. } => Some(format!(
            "its container ends with code {exit_code} again and again"
        )),
        PodState::Finished { why } => Some(format!("its pod ended: {why}")),
        PodState::Terminating => Some("its pod is being deleted".to_owned()),
    }
}

fn quorum_troubles(observed: &Observed, members: &Members<'_>) -> Vec<(&'static str, String)> {
    let quorum = observed.quorum.as_ref();
    let Some(brokers) = quorum.and_then(|quorum| quorum.brokers.as_ref()) else {
        return vec![(
            "NoActiveController",
            "no active controller answers".to_owned(),
        )];
    };
    let mut troubles = Vec::new();
    for id in &members.broker_ids {
        match brokers.get(id) {
            None => troubles.push(("BrokersFenced", format!("broker {id} has not registered"))),
            Some(broker) if broker.fenced => {
                troubles.push(("BrokersFenced", format!("broker {id} is fenced")));
            }
            Some(_) => {}
        }
    }
    match quorum.and_then(|quorum| quorum.partitions) {
        Some(partitions) if partitions.leaderless > 0 => troubles.push((
            "PartitionsLeaderless",
            format!("{} partitions have no leader", partitions.leaderless),
        )),
        _ => {}
    }
    troubles
}

/// The troubles in one sentence.
pub fn join(troubles: &[(&'static str, String)]) -> String {
    let named: Vec<&str> = troubles
        .iter()
        .take(NAMED_MAX)
        .map(|(_, text)| text.as_str())
        .collect();
    let rest = troubles.len().saturating_sub(NAMED_MAX);
    let more = if rest > 0 {
        format!("; and {rest} more")
    } else {
        String::new()
    };
    format!("{}{more}", named.join("; "))
}
