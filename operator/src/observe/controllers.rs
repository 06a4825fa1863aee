//! What nodes say over HTTP: the controllers, who leads, which brokers are registered and how
//! partitions do; and any node, whether it still answers.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::http_client::{self, HttpError, Method};
use crate::names::{HTTP_PORT, Member};

/// Entries that a controller may have yet to apply and still count as up to date.
const BEHIND_ENTRIES: u64 = 50;

/// The quorum as one of its members sees it, and what the active one adds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QuorumView {
    /// Node ids of the controllers that answered.
    pub answering: Vec<i32>,
    /// Those of them that have not applied what the furthest one knows to be committed.
    pub behind: Vec<i32>,
    /// The active controller, by the answer with the highest term.
    pub leader: Option<i32>,
    /// The active controller's address, if its pod has one.
    pub leader_ip: Option<String>,
    /// The registered brokers by id, if the active controller answered.
    pub brokers: Option<BTreeMap<i32, BrokerView>>,
    /// Counts of partitions, if the active controller answered.
    pub partitions: Option<Partitions>,
    /// The directory that each controller which answered runs on.
    pub directories: BTreeMap<Member, Uuid>,
    /// Who counts, as the active controller says, if it answered.
    pub membership: Option<Membership>,
}

/// Who belongs to the quorum, each by the directory that holds its promises. None where the quorum
/// has not recorded it yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Membership {
    /// Those whose votes count.
    pub voters: BTreeMap<i32, Option<Uuid>>,
    /// Those that are sent the log and become voters once they have caught up.
    pub learners: BTreeMap<i32, Option<Uuid>>,
    /// Whether this is committed: no further change is taken before.
    pub committed: bool,
}

/// A registered broker.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct BrokerView {
    /// Its node id.
    pub id: i32,
    /// The generation that it registered with.
    pub generation: u64,
    /// The generation that the quorum has granted to it, if that is higher.
    #[serde(default)]
    pub granted_generation: Option<u64>,
    /// Whether it is fenced: leads nothing, is in no ISR.
    #[serde(default)]
    pub fenced: bool,
    /// Whether it is on its way to a planned stop.
    #[serde(default)]
    pub stopping: bool,
    /// Whether it is given no new replicas.
    #[serde(default)]
    pub cordoned: bool,
    /// Partitions that name it as a replica, also while a move adds or removes it. Absent where the
    /// controller does not count them.
    #[serde(default)]
    pub replicas: Option<u32>,
    /// Copies of it that are not in sync. Absent where the controller does not count them.
    #[serde(default)]
    pub lagging: Option<u32>,
    /// Partitions that would be under their minimum without it until others are in sync again.
    #[serde(default)]
    pub needed: Option<u32>,
    /// The same, however long one waits: they have no more copies than their minimum.
    #[serde(default)]
    pub needed_always: Option<u32>,
    /// The rack it registered with.
    #[serde(default)]
    pub rack: Option<String>,
}

impl BrokerView {
    /// The generation that a volume for this broker must have at least.
    pub fn generation_required(&self) -> u64 {
        self.generation.max(self.granted_generation.unwrap_or(0))
    }
}

/// Counts of partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Partitions {
    /// All.
    pub total: u32,
    /// Without a leader.
    pub leaderless: u32,
    /// With less in-sync replicas than replicas.
    pub under_replicated: u32,
    /// With less in-sync replicas than their minimum.
    pub under_min_isr: u32,
    /// With no more in-sync replicas than their minimum: one broker less stops acks=all. Absent
    /// where the controller does not count it; then nothing is concluded from it.
    #[serde(default)]
    pub at_min_isr: Option<u32>,
    /// The most copies that a partition has. Absent where the controller does not count them.
    #[serde(default)]
    pub replicas_max: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct QuorumAnswer {
    id: i32,
    term: u64,
    #[serde(default)]
    leader: Option<i32>,
    #[serde(default)]
    commit: u64,
    #[serde(default)]
    applied: u64,
    #[serde(default)]
    directory: Option<Uuid>,
    #[serde(default)]
    active: bool,
    #[serde(default)]
    voters: Vec<MemberAnswer>,
    #[serde(default)]
    learners: Vec<MemberAnswer>,
    #[serde(default)]
    members_committed: bool,
}

#[derive(Debug, Deserialize)]
struct MemberAnswer {
    id: i32,
    #[serde(default)]
    directory: Option<Uuid>,
}

/// An answer, and who gave it from where.
struct Answered<'a> {
    member: Member,
    ip: &'a str,
    answer: QuorumAnswer,
}

/// Asks the controllers at `addresses` (whose pod, pod IP). None if none answered.
pub async fn ask(addresses: &[(Member, String)]) -> Option<QuorumView> {
    let asked = addresses.iter().map(|(member, ip)| async move {
        let answer = get::<QuorumAnswer>(ip, "/v1/quorum").await.ok()?;
        let member = *member;
        // Addresses are reused: somebody else's answer is none.
        (answer.id == member.id).then_some(Answered { member, ip, answer })
    });
    let answers: Vec<Answered<'_>> = join_all(asked).await.into_iter().flatten().collect();
    let mut view = view(&answers)?;
    if let Some(ip) = view.leader_ip.clone() {
        let (brokers, partitions) = tokio::join!(
            get::<Vec<BrokerView>>(&ip, "/v1/brokers"),
            get::<Partitions>(&ip, "/v1/partitions"),
        );
        view.brokers = brokers.ok().map(|brokers| {
            brokers
                .into_iter()
                .map(|broker| (broker.id, broker))
                .collect()
        });
        view.partitions = partitions.ok();
    }
    Some(view)
}

/// What the answers say together. None if there are none.
fn view(answers: &[Answered<'_>]) -> Option<QuorumView> {
    let newest = answers
        .iter()
        .max_by_key(|from| (from.answer.term, from.answer.leader.is_some()))?;
    let leader = newest.answer.leader;
    let active = answers
        .iter()
        .find(|from| from.answer.active && from.answer.term == newest.answer.term);
    let leads = || answers.iter().find(|from| Some(from.answer.id) == leader);
    let ids: BTreeSet<i32> = answers.iter().map(|from| from.answer.id).collect();
    let directory = |from: &Answered<'_>| Some((from.member, from.answer.directory?));
    Some(QuorumView {
        answering: ids.into_iter().collect(),
        behind: behind(answers),
        leader,
        leader_ip: active.or_else(leads).map(|from| from.ip.to_owned()),
        directories: answers.iter().filter_map(directory).collect(),
        membership: active.map(|from| Membership {
            voters: by_id(&from.answer.voters),
            learners: by_id(&from.answer.learners),
            committed: from.answer.members_committed,
        }),
        ..QuorumView::default()
    })
}

fn by_id(members: &[MemberAnswer]) -> BTreeMap<i32, Option<Uuid>> {
    let each = members.iter().map(|member| (member.id, member.directory));
    each.collect()
}

/// The controllers are asked at once, not at one instant, so a few entries count for nothing.
fn behind(answers: &[Answered<'_>]) -> Vec<i32> {
    let commits = answers.iter().map(|from| from.answer.commit);
    let commit = commits.max().unwrap_or(0);
    answers
        .iter()
        .filter(|from| from.answer.applied.saturating_add(BEHIND_ENTRIES) < commit)
        .map(|from| from.answer.id)
        .collect()
}

/// Asks the active controller at `ip` to grant `generation` to `broker`.
///
/// # Errors
/// [`HttpError::Status`] with the controller's reason: 409 where a partition's only copy would be
/// given up, 421 where another controller is active by now.
pub async fn grant_generation(
    ip: &str,
    broker: i32,
    generation: u64,
    token: Option<&str>,
) -> Result<(), HttpError> {
    let body = format!("{{\"generation\": {generation}}}");
    let path = format!("/v1/brokers/{broker}/generations");
    http_client::request(Method::Post, ip, HTTP_PORT, &path, body, token)
        .await
        .map(|_| ())
}

/// Asks the active controller at `ip` to take the controller on that `directory` from the quorum.
///
/// # Errors
/// [`HttpError::Status`] with the controller's reason: 409 where the quorum knows it by another
/// directory or would lose its majority, 421 where another controller is active by now, 503 while
/// another change is under way.
pub async fn remove_voter(
    ip: &str,
    controller: i32,
    directory: Uuid,
    token: Option<&str>,
) -> Result<(), HttpError> {
    let path = format!("/v1/quorum/voters/{controller}/{directory}");
    http_client::request(Method::Delete, ip, HTTP_PORT, &path, String::new(), token)
        .await
        .map(|_| ())
}

/// Asks the active controller at `ip` to let the controller on that `directory` join. It becomes a
/// voter later, once it has caught up.
///
/// # Errors
/// As [`remove_voter`].
pub async fn add_voter(
    ip: &str,
    controller: i32,
    directory: Uuid,
    token: Option<&str>,
) -> Result<(), HttpError> {
    let body = format!("{{\"id\": {controller}, \"directory\": \"{directory}\"}}");
    http_client::request(
        Method::Post,
        ip,
        HTTP_PORT,
        "/v1/quorum/voters",
        body,
        token,
    )
    .await
    .map(|_| ())
}

/// Whether the process at `ip` lets a liveness question time out. A refused connection is no
/// silence: then the process is gone or not there yet, which Kubernetes sees by itself.
pub async fn is_silent(ip: &str) -> bool {
    let asked =
        http_client::request(Method::Get, ip, HTTP_PORT, "/livez", String::new(), None).await;
    matches!(asked, Err(HttpError::Timeout { .. }))
}

async fn get<T: DeserializeOwned>(ip: &str, path: &str) -> Result<T, HttpError> {
    let body = http_client::request(Method::Get, ip, HTTP_PORT, path, String::new(), None).await?;
    serde_json::from_slice(&body).map_err(|source| HttpError::Decode {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Role;

    fn answered(id: i32, generation: u64, text: &str) -> Answered<'static> {
        let role = Role::Controller;
        Answered {
            member: Member {
                role,
                id,
                generation,
            },
            ip: "10.0.0.1",
            answer: serde_json::from_str(text).unwrap(),
        }
    }

    #[test]
    fn the_membership_is_that_of_the_active_controller_of_the_newest_term() {
        let old = answered(
            1000,
            1,
            r#"{"id": 1000, "term": 3, "leader": 1000, "active": true, "directory": null,
                "voters": [{"id": 1000, "directory": null, "endpoint": "a:1"}]}"#,
        );
        let new = answered(
            1001,
            2,
            r#"{"id": 1001, "term": 4, "leader": 1001, "active": true, "members_committed": true,
                "directory": "6a5c4f1e-0000-4000-8000-000000000001",
                "voters": [{"id": 1001, "directory": "6a5c4f1e-0000-4000-8000-000000000001"}],
                "learners": [{"id": 1000, "directory": "6a5c4f1e-0000-4000-8000-000000000002"}]}"#,
        );
        let directory = |n: u128| {
            Some(Uuid::from_u128(
                0x6a5c_4f1e_0000_4000_8000_0000_0000_0000 + n,
            ))
        };
        let seen = view(&[old, new]).unwrap();
        let membership = seen.membership.unwrap();
        assert_eq!(membership.voters, [(1001, directory(1))].into());
        assert_eq!(membership.learners, [(1000, directory(2))].into());
        assert!(membership.committed);
        assert_eq!(seen.directories.len(), 1);
        assert_eq!(seen.leader, Some(1001));
    }
}
