//! What the operator decides about a KafkaRebalance is carried out on real brokers, over its own
//! sessions; only the resource lives in this process instead of an API server.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::messages::DescribeConfigsRequest;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kintsugi_client::Connection;
use kintsugi_crds::{KafkaRebalance, REBALANCE_ANNOTATION, RebalancePhase};
use kintsugi_operator::kafka::{Session, cluster, reassignments};
use kintsugi_operator::rebalance::act::{in_kafka, marks};
use kintsugi_operator::rebalance::decide::{Look, decide};
use kintsugi_operator::rebalance::held::Held;
use kintsugi_operator::rebalance::observe::{ClusterView, KafkaView, LoadView, Observed, Snapshot};
use kintsugi_operator::rebalance::plan::Command;
use kintsugi_operator::rebalance::validate::validate;
use kintsugi_planner::Load;
use kintsugi_survey::PartitionLoads;
use kintsugi_types::TimestampMs;
use kintsugi_wire::records::{Record, build};
use serde_json::{Value, json};
use support::reassign::list;
use support::records::{consume, create_topic, write_batch};
use support::{Cluster, eventually, partition, text};

const PARTITIONS: i32 = 12;
/// Bytes that each partition is filled with.
const PARTITION_BYTES: usize = 400_000;
/// How long a rebalance may take.
const LIMIT: Duration = Duration::from_secs(60);

/// The operator, with the resource beside it.
struct Operator {
    session: Session,
    resource: KafkaRebalance,
    held: Option<Held>,
}

impl Operator {
    async fn new(cluster: &Cluster, name: &str, spec: Value) -> Self {
        let mut full = json!({"clusterName": "demo"});
        for (key, value) in spec.as_object().unwrap() {
            full[key] = value.clone();
        }
        let resource = serde_json::from_value(json!({
            "apiVersion": "kintsugi.dev/v1alpha1",
            "kind": "KafkaRebalance",
            "metadata": {"name": name, "namespace": "kafka", "uid": name, "generation": 1},
            "spec": full,
        }));
        Self {
            session: Session::open(&cluster.brokers[0].endpoint()).await.unwrap(),
            resource: resource.unwrap(),
            held: None,
        }
    }

    fn say(&mut self, word: &str) {
        let annotations = self.resource.metadata.annotations.get_or_insert_default();
        annotations.insert(REBALANCE_ANNOTATION.to_owned(), word.to_owned());
    }

    /// One look with its acts; gives their names.
    async fn look(&mut self) -> Vec<&'static str> {
        let moving = reassignments(&self.session).await.unwrap();
        let cluster = cluster(&self.session).await.unwrap();
        let one = Load {
            disk_bytes: PARTITION_BYTES as f64,
            ..Load::default()
        };
        let loads = PartitionLoads {
            leader: one,
            follower: one,
        };
        let load = LoadView {
            partitions: cluster
                .partitions
                .keys()
                .map(|key| (key.clone(), loads))
                .collect(),
            ..LoadView::default()
        };
        let observed = Observed {
            cluster: ClusterView::Present {
                paused: false,
                rollout: None,
            },
            rivals: Vec::new(),
            leaving: Default::default(),
            quorum_trouble: None,
            under_min_isr: 0,
            kafka: KafkaView::Answered(Box::new(Snapshot { cluster, moving })),
            load: Some(load),
            asked_ms: 1,
        };
        let plan = decide(&Look {
            rebalance: &validate(&self.resource).unwrap(),
            observed: &observed,
            held: self.held.as_ref(),
            written: self.resource.status.as_ref(),
            now: k8s_openapi::jiff::Timestamp::now(),
        });
        for command in &plan.commands {
            in_kafka(&self.session, command).await.unwrap();
            match command {
                Command::Mark(change) => {
                    let patch = marks(&self.resource, None, change).unwrap();
                    let mut whole = serde_json::to_value(&self.resource.metadata).unwrap();
                    merge(&mut whole, patch);
                    self.resource.metadata = serde_json::from_value(whole).unwrap();
                }
                Command::WriteStatus(status) => self.resource.status = Some((**status).clone()),
                _ => {}
            }
        }
        self.held = plan.held;
        plan.commands.iter().map(Command::name).collect()
    }

    fn phase(&self) -> Option<RebalancePhase> {
        self.resource.status.as_ref()?.phase
    }

    /// Looks until the rebalance has come so far.
    async fn until(&mut self, phase: RebalancePhase) {
        let began = Instant::now();
        while self.phase() != Some(phase) {
            assert!(
                began.elapsed() < LIMIT,
                "waited {LIMIT:?} for {phase:?}, but: {:?}",
                self.resource.status
            );
            self.look().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// RFC 7386.
fn merge(target: &mut Value, patch: Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    target.remove(&key);
                } else {
                    merge(target.entry(key).or_insert(json!({})), value);
                }
            }
        }
        (target, patch) => *target = patch,
    }
}

/// A topic with so many bytes in each partition.
async fn fill(cluster: &Cluster) {
    let connection = cluster.brokers[0].connect().await;
    assert_eq!(create_topic(&connection, "t", PARTITIONS, 3).await, 0);
    let record = Record {
        timestamp: TimestampMs(1),
        value: Some(Bytes::from(vec![b'x'; PARTITION_BYTES])),
        ..Record::default()
    };
    let batch = build(&[record]).unwrap();
    for index in 0..PARTITIONS {
        write_batch(cluster, "t", index, &batch).await;
    }
}

/// Replicas and leaderships of each broker.
async fn spread(connection: &Connection) -> BTreeMap<i32, (usize, usize)> {
    let mut spread: BTreeMap<i32, (usize, usize)> = BTreeMap::new();
    for index in 0..PARTITIONS {
        let found = partition(connection, "t", index).await.unwrap();
        for id in &found.replica_nodes {
            spread.entry(id.0).or_default().0 += 1;
        }
        spread.entry(found.leader_id.0).or_default().1 += 1;
    }
    spread
}

/// Settings that name a throttle, of the topic and of every broker. Each broker tells its own only.
async fn throttles(cluster: &Cluster) -> Vec<String> {
    let mut found = Vec::new();
    for node in &cluster.brokers {
        let connection = node.connect().await;
        let named = [(2, "t".to_owned()), (4, node.id.to_string())];
        let resources = named.iter().map(|(kind, name)| {
            DescribeConfigsResource::default()
                .with_resource_type(*kind)
                .with_resource_name(text(name))
                .with_configuration_keys(None)
        });
        let request = DescribeConfigsRequest::default().with_resources(resources.collect());
        let answer = connection.request(4, &request).await.unwrap();
        for result in &answer.results {
            assert_eq!(result.error_code, 0, "{result:?}");
            for config in &result.configs {
                let value = config.value.as_deref().unwrap_or_default();
                // A topic's own value, or a broker's: what stands there by default is nobody's.
                let is_set = [1, 2].contains(&config.config_source) && !value.is_empty();
                if config.name.contains("throttled") && is_set {
                    found.push(format!(
                        "{} {}={value}",
                        &*result.resource_name, &*config.name
                    ));
                }
            }
        }
    }
    found
}

async fn assert_clean(cluster: &Cluster, operator: &Operator) {
    let connection = cluster.brokers[0].connect().await;
    assert_eq!(list(&connection).await.unwrap(), BTreeMap::new());
    eventually("throttles to be gone", async || {
        throttles(cluster).await.is_empty().then_some(())
    })
    .await;
    let marks = validate(&operator.resource).unwrap().marks;
    assert_eq!((marks.is_held, marks.underway), (false, None));
}

#[tokio::test]
async fn a_broker_gets_its_share_gives_it_back_and_a_stop_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(directory.path(), 4);
    cluster.await_brokers(4).await;
    fill(&cluster).await;
    let connection = cluster.brokers[0].connect().await;

    // All that is on broker 3 leaves it.
    let spec = json!({"scope": "RemoveBrokers", "brokers": [3], "approval": "Automatic"});
    let mut remove = Operator::new(&cluster, "remove", spec).await;
    remove.until(RebalancePhase::Completed).await;
    let without = spread(&connection).await;
    println!("without broker 3: {without:?}");
    assert!(!without.contains_key(&3));
    assert_clean(&cluster, &remove).await;

    // A slow move is stopped in the middle, by an operator that knows nothing of the one before.
    let spec = json!({"scope": "AddBrokers", "brokers": [3], "profile": "CruiseControl",
        "throttleBytesPerSecond": 65_536});
    let mut add = Operator::new(&cluster, "add", spec).await;
    add.until(RebalancePhase::ProposalReady).await;
    assert_eq!(list(&connection).await.unwrap(), BTreeMap::new());
    add.say("approve");
    add.until(RebalancePhase::Rebalancing).await;
    assert!(!list(&connection).await.unwrap().is_empty());
    let set = throttles(&cluster).await;
    assert_eq!(
        set.iter().filter(|one| one.ends_with("=65536")).count(),
        8,
        "{set:?}"
    );
    tokio::time::sleep(Duration::from_millis(500)).await;
    let moving = list(&connection).await.unwrap().len();
    assert!(moving > 0, "400,000 bytes take six seconds at this rate");
    add.held = None;
    add.resource.status = None;
    add.say("stop");
    add.until(RebalancePhase::Stopped).await;
    println!("stopped with {moving} moves in flight");
    assert_clean(&cluster, &add).await;
    assert!(!spread(&connection).await.contains_key(&3));

    // Without a throttle of people's it gets its share.
    add.resource.spec.throttle_bytes_per_second = None;
    add.say("approve");
    add.until(RebalancePhase::Completed).await;
    let with = spread(&connection).await;
    println!("with broker 3: {with:?}");
    let (replicas, leads) = with[&3];
    assert!(replicas >= 7, "an even share is 9: {with:?}");
    assert!(leads > 0, "{with:?}");
    assert_clean(&cluster, &add).await;
    for index in 0..PARTITIONS {
        let leader = partition(&connection, "t", index)
            .await
            .unwrap()
            .leader_id
            .0;
        let leader = cluster
            .brokers
            .iter()
            .find(|node| node.id == leader)
            .unwrap();
        let values = consume(&leader.connect().await, "t", index).await;
        assert_eq!(values.len(), 1, "the record of partition {index}");
    }
}
