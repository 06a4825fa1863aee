//! The reads of one look at a rebalance: the Kubernetes API, the controllers, one broker, and what
//! was measured of loads.
//!
//! Guarantees: every read of where things stand is live, bounded in count and time. A list that
//! fails fails the look: absence is never concluded from an error. Brokers and controllers that do
//! not answer are told as that.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use futures::FutureExt;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kintsugi_crds::{ConditionStatus, KafkaCluster, KafkaRebalance};
use kintsugi_load::{LoadModel, Millis};
use kintsugi_survey::{Cluster, PartitionKey, PartitionLoads};
use kube::{Api, Client};

use super::producers::{Interval, ProduceTimes};
use super::validate::{self, Rebalance};
use crate::kafka::{KafkaError, Moving, Pool, Session, cluster, reassignments};
use crate::load::Loads;
use crate::names::{CLUSTER_LABEL, Role};
use crate::observe::{
    ObserveError, Observed as ObservedCluster, ObservedPod, QuorumView, ask_brokers, bounded, list,
    observe_nodes, read_cluster,
};
use crate::quantity::units;

/// Everything that was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// The KafkaCluster.
    pub cluster: ClusterView,
    /// Other KafkaRebalances of the cluster that matter to this one.
    pub rivals: Vec<Rival>,
    /// Brokers that other KafkaRebalances empty, or have emptied, and those that are cordoned.
    pub leaving: BTreeSet<i32>,
    /// What is wrong with the quorum, if anything is.
    pub quorum_trouble: Option<String>,
    /// Partitions with less in-sync copies than their minimum.
    pub under_min_isr: u32,
    /// What a broker said.
    pub kafka: KafkaView,
    /// What was measured; None where it is not known for long enough.
    pub load: Option<LoadView>,
    /// How long it took to ask the broker, in milliseconds: large clusters are asked less often.
    pub asked_ms: u64,
}

/// The KafkaCluster, as far as rebalances go by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterView {
    /// It is not there, or is being deleted.
    Gone,
    /// It is there.
    Present {
        /// Whether people stopped the operator for it.
        paused: bool,
        /// Why a rolling restart is under way, if it is.
        rollout: Option<String>,
    },
}

/// Another KafkaRebalance of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Whether it has begun to change something in Kafka.
    pub has_begun: bool,
    /// Whether it is about to.
    pub wants_to_begin: bool,
}

/// What a broker said.
#[derive(Clone, Debug, PartialEq)]
pub enum KafkaView {
    /// None was asked: there is no cluster.
    NotAsked,
    /// None answered, and why.
    Silent(String),
    /// One answered.
    Answered(Box<Snapshot>),
}

/// What stands where, as one broker knows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Live brokers, and all partitions. Of those that move, the replicas that come are named too.
    pub cluster: Cluster,
    /// The moves in flight.
    pub moving: BTreeMap<PartitionKey, Moving>,
}

/// What was measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadView {
    /// Of each partition.
    pub partitions: BTreeMap<PartitionKey, PartitionLoads>,
    /// What each broker's volume holds, where it tells.
    pub disk_bytes: BTreeMap<i32, f64>,
    /// What is on each of these volumes beside logs.
    pub other_bytes: BTreeMap<i32, f64>,
    /// The CPU limit of every broker, in cores.
    pub cpu_cores: Option<f64>,
    /// The greatest share of it that a broker uses.
    pub cpu_share: Option<f64>,
    /// How long producers' requests took lately.
    pub produce_times: ProduceTimes,
}

/// Reads the resource itself, live. None if it is gone.
///
/// # Errors
/// [`ObserveError`].
pub async fn read_rebalance(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<KafkaRebalance>, ObserveError> {
    let api: Api<KafkaRebalance> = Api::namespaced(client.clone(), namespace);
    bounded(
        format!("KafkaRebalance {namespace}/{name}"),
        api.get_opt(name),
    )
    .await
}

/// Reads what concerns `rebalance`; the session is for the acts that follow. The loads of partitions
/// are read only where `wants_loads`, because they are many. `default_image` is what clusters get
/// that name none.
///
/// # Errors
/// [`ObserveError`] if the API server does not tell.
pub async fn observe(
    client: &Client,
    pool: &Pool,
    loads: &Loads,
    default_image: &str,
    rebalance: &Rebalance,
    wants_loads: bool,
) -> Result<(Observed, Option<Session>), ObserveError> {
    let (namespace, name) = (&rebalance.namespace, &rebalance.cluster);
    let (rivals, mut leaving) = rivals(client, rebalance).await?;
    let cluster = read_cluster(client, namespace, name).await?;
    let present = cluster.filter(|cluster| cluster.metadata.deletion_timestamp.is_none());
    let Some(cluster) = present else {
        let observed = Observed {
            cluster: ClusterView::Gone,
            rivals,
            leaving,
            quorum_trouble: None,
            under_min_isr: 0,
            kafka: KafkaView::NotAsked,
            load: None,
            asked_ms: 0,
        };
        return Ok((observed, None));
    };
    let (pods, quorum) = observe_nodes(client, namespace, name).await?;
    let brokers = quorum.iter().filter_map(|quorum| quorum.brokers.as_ref());
    let cordoned = brokers.flatten().filter(|(_, broker)| broker.cordoned);
    leaving.extend(cordoned.map(|(id, _)| *id));
    let began = Instant::now();
    let asked = ask_brokers(client, pool, &cluster, |session| {
        async move { ask(&session).await }.boxed()
    });
    let (kafka, session) = match asked.await? {
        Ok((snapshot, session)) => (KafkaView::Answered(Box::new(snapshot)), Some(session)),
        Err(why) => (KafkaView::Silent(why), None),
    };
    let cpu_cores = cpu_cores(&cluster, default_image);
    let partitions = quorum.as_ref().and_then(|quorum| quorum.partitions);
    let observed = Observed {
        cluster: ClusterView::Present {
            paused: cluster.spec.paused,
            rollout: rollout(&cluster, &pods, quorum.as_ref()),
        },
        rivals,
        leaving,
        quorum_trouble: quorum_trouble(&cluster, quorum.as_ref()),
        under_min_isr: partitions.map_or(0, |partitions| partitions.under_min_isr),
        kafka,
        load: load(loads, namespace, name, cpu_cores, wants_loads),
        asked_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    Ok((observed, session))
}

/// Moves first, then what stands where: a move that ends in between shows as one that is still
/// under way, never as one that was not begun.
async fn ask(session: &Session) -> Result<Snapshot, KafkaError> {
    let moving = reassignments(session).await?;
    let cluster = cluster(session).await?;
    Ok(Snapshot { cluster, moving })
}

async fn rivals(
    client: &Client,
    rebalance: &Rebalance,
) -> Result<(Vec<Rival>, BTreeSet<i32>), ObserveError> {
    let api: Api<KafkaRebalance> = Api::namespaced(client.clone(), &rebalance.namespace);
    let selector = format!("{CLUSTER_LABEL}={}", rebalance.cluster);
    let (mut rivals, mut leaving) = (Vec::new(), BTreeSet::new());
    list(api, &selector, |page: &[KafkaRebalance]| {
        let others = page.iter().filter(|other| {
            other.metadata.uid.as_ref() != Some(&rebalance.uid)
                && other.spec.cluster_name == rebalance.cluster
        });
        for other in others {
            leaving.extend(validate::empties(other, &rebalance.cluster));
            rivals.push(rival(other));
        }
    })
    .await?;
    Ok((rivals, leaving))
}

fn rival(other: &KafkaRebalance) -> Rival {
    let metadata = &other.metadata;
    Rival {
        name: metadata.name.clone().unwrap_or_default(),
        uid: metadata.uid.clone().unwrap_or_default(),
        created: metadata.creation_timestamp.as_ref().map(|time| time.0),
        // What was noted and cannot be read may be anything.
        has_begun: validate::marks(other).map_or(true, |marks| marks.underway.is_some()),
        wants_to_begin: validate::is_held(other),
    }
}

fn rollout(
    cluster: &KafkaCluster,
    pods: &[ObservedPod],
    quorum: Option<&QuorumView>,
) -> Option<String> {
    if let Some(pod) = pods.iter().find(|pod| pod.restart_for.is_some()) {
        return Some(format!("{} is about to be restarted", pod.name));
    }
    let mut brokers = quorum
        .iter()
        .flat_map(|quorum| quorum.brokers.iter().flatten());
    if let Some((id, _)) = brokers.find(|(_, broker)| broker.stopping) {
        return Some(format!("broker {id} is stopping"));
    }
    let conditions = cluster.status.iter().flat_map(|status| &status.conditions);
    let holds = |type_: &str| {
        let mut conditions = conditions.clone();
        conditions
            .find(|condition| condition.type_ == type_ && condition.status == ConditionStatus::True)
    };
    // One that is stopped restarts nobody, and people may want to move data just then.
    let pending = holds("RestartPending").filter(|_| holds("RolloutStopped").is_none())?;
    Some(format!(
        "a rolling restart is under way: {}",
        pending.message
    ))
}

fn quorum_trouble(cluster: &KafkaCluster, quorum: Option<&QuorumView>) -> Option<String> {
    let Some(quorum) = quorum else {
        return Some("no controller answers".to_owned());
    };
    if quorum.brokers.is_none() {
        return Some("no active controller answers".to_owned());
    }
    let majority = usize::try_from(cluster.spec.controllers.replicas / 2 + 1).unwrap_or(1);
    let answering = quorum.answering.len();
    (answering < majority)
        .then(|| format!("{answering} controllers answer, a majority is {majority}"))
}

/// The CPU limit of a broker, with defaults.
fn cpu_cores(cluster: &KafkaCluster, default_image: &str) -> Option<f64> {
    let nothing = ObservedCluster::default();
    let valid = crate::validate::validate(cluster, &nothing, default_image).ok()?;
    units(&valid.role(Role::Broker).amounts.cpu_limit).filter(|cores| *cores > 0.0)
}

fn load(
    loads: &Loads,
    namespace: &str,
    cluster: &str,
    cpu_cores: Option<f64>,
    wants_loads: bool,
) -> Option<LoadView> {
    let known = loads.of(&(namespace.to_owned(), cluster.to_owned()))?;
    let known = crate::load::lock(&known);
    let view = LoadView::of(&known.model, cpu_cores, wants_loads)?;
    Some(LoadView {
        produce_times: produce_times(&known.model, loads.now(), Timestamp::now()),
        ..view
    })
}

/// What the model knows, in times of day: its own clock says `now_ms` at `now`.
fn produce_times(model: &LoadModel, now_ms: Millis, now: Timestamp) -> ProduceTimes {
    let at = |then_ms: Millis| {
        let ago = i64::try_from(now_ms.saturating_sub(then_ms)).unwrap_or(i64::MAX);
        let ago = SignedDuration::from_millis(ago);
        now.checked_sub(ago).unwrap_or(Timestamp::MIN)
    };
    let told = model.produce_times().map(|(broker, told)| {
        let intervals = told.map(|intervals| {
            let intervals = intervals.map(|interval| Interval {
                began: at(interval.from),
                ended: at(interval.to),
                times: interval.times.clone(),
            });
            intervals.collect()
        });
        (broker, intervals)
    });
    told.collect()
}

impl LoadView {
    /// What the model says, if it is useful. The loads of partitions only where `wants_loads`.
    pub fn of(model: &LoadModel, cpu_cores: Option<f64>, wants_loads: bool) -> Option<LoadView> {
        if !model.is_useful() {
            return None;
        }
        let brokers = model.brokers();
        let used = brokers.iter().map(|broker| broker.load.cpu);
        let busiest = used.fold(0.0, f64::max);
        let disk =
            |broker: &kintsugi_load::BrokerLoad| Some((broker.id, broker.disk_capacity_bytes?));
        let other = |broker: &kintsugi_load::BrokerLoad| {
            broker.disk_capacity_bytes?;
            let other = broker.load.disk_bytes - model.logs_on(broker.id);
            Some((broker.id, other.max(0.0)))
        };
        let partitions = match wants_loads {
            true => model.partitions(),
            false => Vec::new(),
        };
        let partitions = partitions.into_iter().map(|partition| {
            let key = PartitionKey {
                topic: partition.partition.topic.to_string(),
                number: partition.partition.number,
            };
            let loads = PartitionLoads {
                leader: planners(&partition.leader_load),
                follower: planners(&partition.follower_load),
            };
            (key, loads)
        });
        Some(LoadView {
            partitions: partitions.collect(),
            disk_bytes: brokers.iter().filter_map(disk).collect(),
            other_bytes: brokers.iter().filter_map(other).collect(),
            cpu_cores,
            cpu_share: cpu_cores.map(|cores| busiest / cores),
            produce_times: ProduceTimes::new(),
        })
    }
}

fn planners(load: &kintsugi_load::Load) -> kintsugi_planner::Load {
    kintsugi_planner::Load {
        disk_bytes: load.disk_bytes,
        network_in_bytes_per_second: load.network_in_bytes_per_second,
        network_out_bytes_per_second: load.network_out_bytes_per_second,
        cpu: load.cpu,
    }
}
