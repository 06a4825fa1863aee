//! Controllers that lost their volume: each gets an empty one of the next generation, and takes the
//! lost one's place in the quorum.
//!
//! Guarantees: every step follows from what is observed, so an operator that restarts between two
//! of them goes on. A directory is taken from the quorum only while the other voters are a majority
//! of the whole by themselves, up to date, and nobody answers from that directory any more. An
//! empty directory never votes: only the quorum makes it a voter, once it holds the log.
//! Never does: form a quorum.
//!
//! | seen | done |
//! |---|---|
//! | no volume | an empty one of the next generation, and its pod |
//! | its directory is not the one that the quorum knows | that one is removed |
//! | the quorum does not know it | it is added, as a learner |
//! | it is a learner | nothing: the quorum makes it a voter |
//! | it is a voter | its volume is marked as part of the formed quorum |

use std::collections::BTreeSet;

use uuid::Uuid;

use super::Draft;
use super::gates::{Gate, first_closed};
use super::members::Members;
use crate::build::volume;
use crate::cluster::Cluster;
use crate::history::{EVIDENCE_HELD, EVIDENCE_READS, History, Suspicion};
use crate::names::{Member, Role};
use crate::observe::{Membership, Observed};
use crate::plan::{Command, VoterChange};

/// How a controller stands to the quorum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its vote counts.
    Voter,
    /// It is sent the log and will be a voter.
    Learner,
    /// The quorum does not know its id.
    Absent {
        /// The directory that it runs on.
        present: Uuid,
    },
    /// The quorum knows its id by another directory, which is lost.
    DirectoryLost {
        /// That one.
        recorded: Uuid,
        /// The one that it runs on.
        present: Uuid,
    },
    /// It does not answer, the active controller does not, or the quorum has not recorded its
    /// directory yet.
    Unknown,
}

impl Standing {
    /// Of the pod of `member`.
    pub fn of(observed: &Observed, member: Member) -> Self {
        let Some(quorum) = &observed.quorum else {
            return Standing::Unknown;
        };
        let present = quorum.directories.get(&member).copied();
        let (Some(membership), Some(present)) = (&quorum.membership, present) else {
            return Standing::Unknown;
        };
        let voter = membership.voters.get(&member.id);
        let learner = membership.learners.get(&member.id);
        match (voter, learner) {
            (Some(Some(recorded)), _) if *recorded == present => Standing::Voter,
            (None, Some(Some(recorded))) if *recorded == present => Standing::Learner,
            (Some(Some(recorded)), _) | (None, Some(Some(recorded))) => Standing::DirectoryLost {
                recorded: *recorded,
                present,
            },
            (Some(None), _) | (None, Some(None)) => Standing::Unknown,
            (None, None) => Standing::Absent { present },
        }
    }

    /// Why its vote does not count, if that is known.
    pub fn why_no_vote(self) -> Option<&'static str> {
        match self {
            Standing::Voter | Standing::Unknown => None,
            Standing::Learner => Some("it is sent the log and does not vote yet"),
            Standing::Absent { .. } => Some("it is about to be added to the quorum"),
            Standing::DirectoryLost { .. } => {
                Some("it has another directory than the quorum knows, and does not vote")
            }
        }
    }
}

/// Controllers in force whose vote is known not to count, and why.
pub fn not_voting(observed: &Observed, members: &Members<'_>) -> Vec<(i32, &'static str)> {
    let volumes = members.controllers.values().flatten();
    let each = volumes.map(|volume| volume.member).filter_map(|member| {
        let why = Standing::of(observed, member).why_no_vote()?;
        Some((member.id, why))
    });
    each.collect()
}

/// What calls for replacing a voter.
pub fn suspicions(observed: &Observed, members: &Members<'_>) -> Vec<Suspicion> {
    let lost = members
        .lost_controllers()
        .into_iter()
        .map(|controller| Suspicion::ControllerVolumeLost { controller });
    let elsewhere =
        members.controllers.values().flatten().filter_map(|volume| {
            match Standing::of(observed, volume.member) {
                Standing::DirectoryLost { recorded, present } => Some(Suspicion::DirectoryLost {
                    controller: volume.member.id,
                    recorded,
                    present,
                }),
                _ => None,
            }
        });
    lost.chain(elsewhere).collect()
}

/// Adds an empty volume of the next generation for a controller that has none.
pub fn create_volume(
    cluster: &Cluster,
    observed: &Observed,
    members: &Members<'_>,
    history: &History,
    id: i32,
    draft: &mut Draft,
) {
    if observed.is_held(Role::Controller, id) {
        draft.waiting.push(format!(
            "controller {id} runs on a volume that is going: delete its pod to have the volume \
             replaced"
        ));
        return;
    }
    let suspicion = Suspicion::ControllerVolumeLost { controller: id };
    let evidence = (
        Gate::Evidence,
        history.holds(&suspicion),
        format!("its volume must be missing in {EVIDENCE_HELD} of {EVIDENCE_READS} live reads"),
    );
    let checks = gates(cluster, observed, members, id, evidence, draft);
    if let Some(closed) = first_closed(&format!("controller-{id}"), checks) {
        draft.closed.push(closed);
        return;
    }
    let member = next_generation(observed, id);
    let claim = volume::build(cluster, member, None);
    draft.commands.push(Command::CreateVolume(Box::new(claim)));
}

/// One above every generation of that id that an object is left of, and at least 2: a controller of
/// the first generation would take its empty directory for a new quorum's.
fn next_generation(observed: &Observed, id: i32) -> Member {
    let role = Role::Controller;
    let volumes = observed.volumes.iter().map(|volume| volume.member);
    let pods = observed.pods.iter().map(|pod| pod.member);
    let of_id = |member: &Member| (member.role, member.id) == (role, id);
    let known = volumes.chain(pods).filter(of_id).map(|m| m.generation);
    Member {
        role,
        id,
        generation: known.max().unwrap_or(1).max(1).saturating_add(1),
    }
}

/// Adds the next step by which each controller on a new directory becomes a voter.
pub fn replace(
    cluster: &Cluster,
    observed: &Observed,
    members: &Members<'_>,
    history: &History,
    draft: &mut Draft,
) {
    let quorum = observed.quorum.as_ref();
    let Some((ip, membership)) =
        quorum.and_then(|quorum| Some((quorum.leader_ip.clone()?, quorum.membership.as_ref()?)))
    else {
        return;
    };
    for member in members.controllers.values().flatten().map(|v| v.member) {
        let id = member.id;
        let change = |directory| VoterChange {
            controller_ip: ip.clone(),
            controller: id,
            directory,
        };
        match Standing::of(observed, member) {
            Standing::Voter | Standing::Learner | Standing::Unknown => {}
            // While a change is under way the quorum takes no other.
            _ if !membership.committed => {}
            Standing::Absent { present } => {
                if is_expected(cluster, membership, id) {
                    draft.commands.push(Command::AddVoter(change(present)));
                }
            }
            Standing::DirectoryLost { recorded, present } => {
                let suspicion = Suspicion::DirectoryLost {
                    controller: id,
                    recorded,
                    present,
                };
                let evidence = (
                    Gate::Evidence,
                    history.holds(&suspicion) && !is_answered_from(observed, recorded),
                    format!(
                        "directory {recorded} must be gone in {EVIDENCE_HELD} of \
                         {EVIDENCE_READS} live reads"
                    ),
                );
                let checks = gates(cluster, observed, members, id, evidence, draft);
                match first_closed(&format!("controller-{id}"), checks) {
                    Some(closed) => draft.closed.push(closed),
                    None => draft.commands.push(Command::RemoveVoter(change(recorded))),
                }
            }
        }
    }
}

/// Whether the quorum counts that id, or has room for it because it was taken away. The number of
/// controllers does not change in this version.
fn is_expected(cluster: &Cluster, membership: &Membership, id: i32) -> bool {
    let members = membership.voters.keys().chain(membership.learners.keys());
    let ids: BTreeSet<i32> = members.copied().collect();
    let whole = usize::try_from(cluster.controllers.replicas).unwrap_or(0);
    ids.contains(&id) || ids.len() + 1 == whole
}

fn is_answered_from(observed: &Observed, directory: Uuid) -> bool {
    let quorum = observed.quorum.as_ref();
    quorum.is_some_and(|quorum| quorum.directories.values().any(|one| *one == directory))
}

/// The gates before the directory of controller `id` is given up.
fn gates(
    cluster: &Cluster,
    observed: &Observed,
    members: &Members<'_>,
    id: i32,
    evidence: (Gate, bool, String),
    draft: &Draft,
) -> Vec<(Gate, bool, String)> {
    let membership = observed
        .quorum
        .as_ref()
        .and_then(|quorum| quorum.membership.as_ref());
    let others = others_voting(observed, members, id);
    let needed = cluster.majority();
    let disturbed = first_disturbed(observed, members, id, draft);
    vec![
        (
            Gate::Pause,
            cluster.healing.enabled,
            "spec.healing.enabled is false".to_owned(),
        ),
        evidence,
        (
            Gate::QuorumHealth,
            others >= needed,
            format!(
                "{others} other controllers vote and are up to date, a majority is {needed}: \
                 no more than a minority is ever given up"
            ),
        ),
        (
            Gate::QuorumHealth,
            membership.is_some_and(|membership| is_expected(cluster, membership, id)),
            "the quorum does not count this controller: the number of controllers cannot change \
             in this version"
                .to_owned(),
        ),
        (
            Gate::OneDisruption,
            disturbed.is_none(),
            disturbed.unwrap_or_default(),
        ),
    ]
}

/// How many controllers other than `id` vote and have applied what is committed.
fn others_voting(observed: &Observed, members: &Members<'_>, id: i32) -> usize {
    let behind = observed.quorum.as_ref().map(|quorum| &quorum.behind);
    members
        .controllers
        .values()
        .flatten()
        .map(|volume| volume.member)
        .filter(|member| member.id != id && Standing::of(observed, *member) == Standing::Voter)
        .filter(|member| behind.is_none_or(|behind| !behind.contains(&member.id)))
        .count()
}

/// What else is on its way, if anything is.
fn first_disturbed(
    observed: &Observed,
    members: &Members<'_>,
    id: i32,
    draft: &Draft,
) -> Option<String> {
    let replaced = members.replaced_controllers().into_iter();
    let not_voting = not_voting(observed, members).into_iter().map(|(id, _)| id);
    if let Some(other) = replaced.chain(not_voting).find(|other| *other != id) {
        return Some(format!("controller {other} is being replaced"));
    }
    let marked = observed
        .pods
        .iter()
        .find(|pod| pod.restart_for.is_some() && !pod.is_terminating());
    if let Some(pod) = marked {
        return Some(format!("{} is about to be restarted", pod.name));
    }
    let disruptive = |command: &Command| match command {
        Command::DeletePod(_) | Command::RemoveVoter(_) | Command::AddVoter(_) => true,
        Command::CreateVolume(claim) => {
            let labels = claim.metadata.labels.as_ref();
            let member = labels.and_then(Member::from_labels);
            member.is_some_and(|member| member.role == Role::Controller)
        }
        _ => false,
    };
    let under_way = draft.commands.iter().any(disruptive);
    under_way.then(|| "another node is being mended".to_owned())
}
