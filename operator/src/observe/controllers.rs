//! What nodes say over HTTP: the controllers, who leads, which brokers are registered and how
//! partitions do; and any node, whether it still answers.

use std::collections::BTreeMap;

use futures::future::join_all;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::http_client::{self, HttpError, Method};
use crate::names::HTTP_PORT;

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
}

/// Asks the controllers at `addresses` (node id, pod IP). None if none answered.
pub async fn ask(addresses: &[(i32, String)]) -> Option<QuorumView> {
    let asked = addresses.iter().map(|(id, ip)| async move {
        let answer = get::<QuorumAnswer>(ip, "/v1/quorum").await.ok();
        // Addresses are reused: somebody else's answer is none.
        answer.filter(|answer| answer.id == *id)
    });
    let answers: Vec<QuorumAnswer> = join_all(asked).await.into_iter().flatten().collect();
    let newest = answers
        .iter()
        .max_by_key(|answer| (answer.term, answer.leader.is_some()))?;
    let leader = newest.leader;
    let leader_ip = addresses
        .iter()
        .find(|(id, _)| Some(*id) == leader)
        .map(|(_, ip)| ip.clone());
    let mut view = QuorumView {
        answering: answers.iter().map(|answer| answer.id).collect(),
        behind: behind(&answers),
        leader,
        leader_ip: leader_ip.clone(),
        ..QuorumView::default()
    };
    if let Some(ip) = leader_ip {
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

/// The controllers are asked at once, not at one instant, so a few entries count for nothing.
fn behind(answers: &[QuorumAnswer]) -> Vec<i32> {
    let commit = answers
        .iter()
        .map(|answer| answer.commit)
        .max()
        .unwrap_or(0);
    answers
        .iter()
        .filter(|answer| answer.applied.saturating_add(BEHIND_ENTRIES) < commit)
        .map(|answer| answer.id)
        .collect()
}

/// Asks the active controller at `ip` to grant `generation` to `broker`.
///
/// # Errors
/// [`HttpError::Status`] with the controller's reason: 409 where a partition's only copy would be
/// given up, 421 where another controller is active by now.
pub async fn grant_generation(ip: &str, broker: i32, generation: u64) -> Result<(), HttpError> {
    let body = format!("{{\"generation\": {generation}}}");
    let path = format!("/v1/brokers/{broker}/generations");
    http_client::request(Method::Post, ip, HTTP_PORT, &path, body)
        .await
        .map(|_| ())
}

/// Whether the process at `ip` lets a liveness question time out. A refused connection is no
/// silence: then the process is gone or not there yet, which Kubernetes sees by itself.
pub async fn is_silent(ip: &str) -> bool {
    let asked = http_client::request(Method::Get, ip, HTTP_PORT, "/livez", String::new()).await;
    matches!(asked, Err(HttpError::Timeout { .. }))
}

async fn get<T: DeserializeOwned>(ip: &str, path: &str) -> Result<T, HttpError> {
    let body = http_client::request(Method::Get, ip, HTTP_PORT, path, String::new()).await?;
    serde_json::from_slice(&body).map_err(|source| HttpError::Decode {
        path: path.to_owned(),
        source,
    })
}
