//! KafkaTopics: what the definition's rules accept and refuse, and what the operator writes while no
//! broker answers, for none runs here.

use k8s_openapi::jiff::Timestamp;
use kintsugi_crds::{ConditionStatus, KafkaCluster, KafkaTopic};
use kintsugi_operator::act::ActError;
use kintsugi_operator::act::resource::Hands;
use kintsugi_operator::kafka::Pool;
use kintsugi_operator::metrics::Metrics;
use kintsugi_operator::topic::act::{TopicActError, act};
use kintsugi_operator::topic::decide::decide;
use kintsugi_operator::topic::observe::{observe, read_topic};
use kintsugi_operator::topic::plan::Command;
use kintsugi_operator::topic::validate::validate;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use super::rules::{Case, Tried};
use super::{NAME, create_cluster, recorder};

fn births() -> Vec<Case> {
    let settings: Value = (0..51).map(|n| (format!("k{n}"), json!("1"))).collect();
    vec![
        (json!({"clusterName": "demo"}), ""),
        (json!({"clusterName": "demo", "config": null}), ""),
        (
            json!({"clusterName": "demo", "topicName": "A_b.c-D", "partitions": 1, "replicationFactor": 1,
                "config": {"retention.ms": "1"}, "deletionPolicy": "Delete"}),
            "",
        ),
        (json!({}), "spec.clusterName: Required value"),
        (json!({"clusterName": "A"}), "should match"),
        (
            json!({"clusterName": "demo", "topicName": "a b"}),
            "should match",
        ),
        (
            json!({"clusterName": "demo", "topicName": ".."}),
            "which are folders",
        ),
        (
            json!({"clusterName": "demo", "topicName": "__consumer_offsets"}),
            "that Kafka keeps for itself",
        ),
        (
            json!({"clusterName": "demo", "topicName": "a".repeat(250)}),
            "may not be more than 249",
        ),
        (
            json!({"clusterName": "demo", "partitions": 0}),
            "greater than or equal to 1",
        ),
        (
            json!({"clusterName": "demo", "partitions": 10_001}),
            "less than or equal to 10000",
        ),
        (
            json!({"clusterName": "demo", "replicationFactor": 33}),
            "less than or equal to 32",
        ),
        (
            json!({"clusterName": "demo", "config": {"Retention": "1"}}),
            "must be a Kafka setting's name",
        ),
        (
            json!({"clusterName": "demo", "config": {"a": "x".repeat(1025)}}),
            "Too long",
        ),
        (
            json!({"clusterName": "demo", "config": settings}),
            "must have at most 50",
        ),
        (
            json!({"clusterName": "demo", "deletionPolicy": "Keep"}),
            "Unsupported value",
        ),
    ]
}

/// Topics with 6 partitions that are to grow by load.
fn growths() -> Vec<Case> {
    let asks = |more: Value| {
        let mut growth = json!({"maxPartitions": 12, "keyOrder": "NotNeeded"});
        for (key, value) in more.as_object().into_iter().flatten() {
            growth[key] = value.clone();
        }
        json!({"clusterName": "demo", "partitions": 6, "partitionGrowth": growth})
    };
    let with_policy = |policy: &str| {
        let mut spec = asks(json!({}));
        spec["config"] = json!({"cleanup.policy": policy});
        spec
    };
    let mut too_many = asks(json!({}));
    too_many["partitions"] = json!(13);
    vec![
        (asks(json!({})), ""),
        (
            asks(json!({"maxPartitions": 6, "targetBytesPerSecond": 1, "lagSeconds": 0})),
            "",
        ),
        (
            asks(json!({"dryRun": true, "holdSeconds": 10, "cooldownSeconds": 60})),
            "",
        ),
        (
            asks(json!({"keyOrder": null})),
            "no longer read in the order in which they were written",
        ),
        (
            asks(json!({"keyOrder": "Needed"})),
            "set keyOrder: NotNeeded if nobody needs that order",
        ),
        (asks(json!({"keyOrder": "Perhaps"})), "Unsupported value"),
        (
            asks(json!({"maxPartitions": null})),
            "maxPartitions: Required value",
        ),
        (
            asks(json!({"maxPartitions": 10_001})),
            "less than or equal to 10000",
        ),
        (
            asks(json!({"targetBytesPerSecond": 0, "lagSeconds": 0})),
            "names nothing to grow by",
        ),
        (
            asks(json!({"holdSeconds": 9})),
            "greater than or equal to 10",
        ),
        (
            asks(json!({"cooldownSeconds": 59})),
            "greater than or equal to 60",
        ),
        (too_many, "above spec.partitionGrowth.maxPartitions"),
        (with_policy("delete"), ""),
        (
            with_policy("compact"),
            "cannot grow a topic with cleanup.policy=compact",
        ),
        (
            with_policy("compact,delete"),
            "cannot grow a topic with cleanup.policy=compact",
        ),
    ]
}

/// Changes to a topic of cluster demo with 6 partitions.
fn changes() -> Vec<Case> {
    vec![
        (json!({"partitions": 7}), ""),
        (json!({"partitions": null}), ""),
        (json!({"partitions": 5}), "may only grow"),
        (
            json!({"clusterName": "other"}),
            "cannot move to another cluster",
        ),
        (json!({"topicName": "other"}), "cannot rename a topic"),
        (json!({"topicName": "changed"}), ""),
        (json!({"replicationFactor": 2}), ""),
        (json!({"deletionPolicy": "Delete"}), ""),
        (
            json!({"partitionGrowth": {"maxPartitions": 12, "keyOrder": "NotNeeded"}}),
            "",
        ),
        (
            json!({"partitionGrowth": {"maxPartitions": 12}}),
            "set keyOrder: NotNeeded",
        ),
    ]
}

/// Tries every case against `client`.
pub async fn rules(client: &Client) {
    let tried = Tried::new::<KafkaTopic>(client);
    tried.births(births()).await;
    tried.births(growths()).await;
    let long = "a".repeat(250);
    let named = json!({"clusterName": "demo", "topicName": "short"});
    for (spec, expected) in [(json!({"clusterName": "demo"}), "at most 249"), (named, "")] {
        tried.birth(&long, &spec, expected).await;
    }
    let spec = json!({"clusterName": "demo", "partitions": 6});
    tried.changes(&spec, changes()).await;
}

/// What the looks at one namespace share.
struct Operator<'a> {
    client: &'a Client,
    namespace: &'a str,
    pool: Pool,
    metrics: Metrics,
}

impl Operator<'_> {
    fn topics(&self) -> Api<KafkaTopic> {
        Api::namespaced(self.client.clone(), self.namespace)
    }

    async fn create(&self, name: &str, policy: &str) {
        let topic: KafkaTopic = serde_json::from_value(json!({
            "apiVersion": "kintsugi.dev/v1alpha1",
            "kind": "KafkaTopic",
            "metadata": {"name": name},
            "spec": {"clusterName": NAME, "topicName": "orders", "deletionPolicy": policy},
        }))
        .unwrap();
        let topics = self.topics();
        topics.create(&PostParams::default(), &topic).await.unwrap();
    }

    async fn read(&self, name: &str) -> Option<KafkaTopic> {
        read_topic(self.client, self.namespace, name).await.unwrap()
    }

    /// One look without its acts.
    async fn decide(&self, name: &str) -> (KafkaTopic, Vec<Command>) {
        let resource = self.read(name).await.unwrap();
        let topic = validate(&resource).unwrap();
        let (observed, _) = observe(self.client, &self.pool, &topic).await.unwrap();
        let plan = decide(
            &topic,
            &observed,
            None,
            resource.status.as_ref(),
            Timestamp::now(),
        );
        (resource, plan.commands)
    }

    async fn act(&self, resource: &KafkaTopic, commands: &[Command]) -> Result<(), TopicActError> {
        let recorder = recorder(self.client);
        let hands = Hands {
            client: self.client,
            recorder: &recorder,
            metrics: &self.metrics,
            session: None,
        };
        act(hands, resource, commands).await
    }

    /// Looks until there is nothing to do, or nothing to look at; gives the reason of not Ready.
    async fn settle(&self, name: &str) -> Option<String> {
        for _ in 0..6 {
            self.read(name).await?;
            let (resource, commands) = self.decide(name).await;
            if commands.is_empty() {
                let [condition] = resource.status.unwrap().conditions.try_into().unwrap();
                assert_eq!(condition.status, ConditionStatus::False);
                return Some(condition.reason);
            }
            self.act(&resource, &commands).await.unwrap();
        }
        panic!("KafkaTopic {name} does not settle");
    }

    async fn delete(&self, name: &str) {
        let topics = self.topics();
        topics.delete(name, &DeleteParams::default()).await.unwrap();
    }
}

/// Two resources that name one topic, with and without their cluster, and how they go.
pub async fn one_of_two_resources_waits_and_nothing_holds_a_deletion_for_ever(client: &Client) {
    let operator = Operator {
        client,
        namespace: "topics",
        pool: Pool::default(),
        metrics: Metrics::new().unwrap(),
    };
    create_cluster(client, operator.namespace).await;
    operator.create("older", "Delete").await;
    // Ages count in seconds.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    operator.create("younger", "Retain").await;
    let reason = operator.settle("older").await;
    assert_eq!(reason.as_deref(), Some("ClusterUnreachable"));
    let finalizers = operator.read("older").await.unwrap().finalizers().to_vec();
    assert_eq!(finalizers, ["kintsugi.dev/topic"]);
    let reason = operator.settle("younger").await;
    assert_eq!(reason.as_deref(), Some("NameTaken"));
    assert!(
        operator
            .read("younger")
            .await
            .unwrap()
            .finalizers()
            .is_empty()
    );

    a_change_since_the_look_is_a_conflict(&operator).await;

    // The younger one names the topic still, so the older goes without it.
    operator.delete("older").await;
    assert_eq!(operator.settle("older").await, None);
    let reason = operator.settle("younger").await;
    assert_eq!(reason.as_deref(), Some("ClusterUnreachable"));

    // Alone, a deletion waits for a broker as long as there is a cluster.
    operator.create("alone", "Delete").await;
    operator.delete("younger").await;
    operator.settle("alone").await;
    operator.delete("alone").await;
    let reason = operator.settle("alone").await;
    assert_eq!(reason.as_deref(), Some("ClusterUnreachable"));
    let clusters: Api<KafkaCluster> = Api::namespaced(client.clone(), operator.namespace);
    clusters
        .delete(NAME, &DeleteParams::default())
        .await
        .unwrap();
    assert_eq!(operator.settle("alone").await, None);
    operator.create("late", "Delete").await;
    let reason = operator.settle("late").await;
    assert_eq!(reason.as_deref(), Some("ClusterMissing"));
}

/// An operator that was frozen between decide and act changes nothing.
async fn a_change_since_the_look_is_a_conflict(operator: &Operator<'_>) {
    let change = |value: &str| Patch::Merge(json!({"spec": {"config": {"retention.ms": value}}}));
    let patched = operator
        .topics()
        .patch("older", &PatchParams::default(), &change("1"))
        .await;
    patched.unwrap();
    let (resource, commands) = operator.decide("older").await;
    assert!(
        !commands.is_empty(),
        "its status speaks of a former generation"
    );
    let patched = operator
        .topics()
        .patch("older", &PatchParams::default(), &change("2"))
        .await;
    patched.unwrap();
    let refused = operator.act(&resource, &commands).await.unwrap_err();
    assert!(
        matches!(
            refused,
            TopicActError::Kubernetes(ActError::Conflict { .. })
        ),
        "{refused}"
    );
}
