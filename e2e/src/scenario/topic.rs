//! KafkaTopics: created, grown, changed, adopted, refused, deleted; and the operator killed in between.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, ensure};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, ConfigSource, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use serde_json::{Value, json};

use super::baseline;
use super::environment::{Environment, HEAL_LIMIT};
use super::operator_killed::kill_operator;
use crate::bench::topology::{Topology, create_topic, wait_for};
use crate::kubernetes::api::Kubernetes;

/// How long one change may take, with an operator that was killed on the way: the kubelet waits up to
/// 40 s before a fourth restart.
const CHANGE_LIMIT: Duration = Duration::from_secs(90);
/// How long an admin request may take.
const ADMIN_LIMIT: Duration = Duration::from_secs(10);
/// The resource, and its topic.
const NAME: &str = "orders";

/// Applies, changes and deletes KafkaTopics, and looks at the topics with a foreign client.
///
/// # Errors
/// If a topic is not what its resource says, or data is deleted that should not be.
pub fn run(environment: &mut Environment) -> anyhow::Result<()> {
    baseline::check(environment, HEAL_LIMIT)?;
    let operators = Kubernetes::connect(&environment.kubeconfig, &environment.operator_namespace)?;
    let admin = Admin::connect(&environment.bootstrap()?)?;
    create(environment, &admin)?;
    grow_and_configure(environment, &admin)?;
    refuse(environment, &admin)?;
    kill_in_between(environment, &admin, &operators)?;
    recreate(environment, &admin)?;
    retain_and_adopt(environment, &admin)?;
    delete(environment, &admin, &operators)
}

fn create(environment: &Environment, admin: &Admin) -> anyhow::Result<()> {
    let kubernetes = &environment.kubernetes;
    let example: Value =
        serde_yaml_ng::from_str(include_str!("../../../examples/kafkatopic.yaml"))?;
    kubernetes.apply_topic(NAME, &example["spec"])?;
    wait_ready(environment, NAME)?;
    admin.wait_partitions(NAME, 12)?;
    let config = admin.config(NAME)?;
    ensure!(
        config == pairs(&[("retention.ms", "604800000")]),
        "the topic carries {config:?}"
    );
    let finalizers = kubernetes.topic_finalizers(NAME)?;
    ensure!(
        finalizers.is_empty(),
        "a retained topic is held by {finalizers:?}"
    );
    println!("  created with 12 partitions and its settings");
    Ok(())
}

fn grow_and_configure(environment: &Environment, admin: &Admin) -> anyhow::Result<()> {
    // By hand, and not named by the resource: stays. By hand, and named: goes back.
    admin.set(NAME, &[("flush.ms", "1000"), ("retention.ms", "5000")])?;
    let config = json!({"retention.ms": "3600000", "segment.bytes": "1048576"});
    apply(environment, &json!({"partitions": 15, "config": config}))?;
    wait_ready(environment, NAME)?;
    admin.wait_partitions(NAME, 15)?;
    let expected = [
        ("flush.ms", "1000"),
        ("retention.ms", "3600000"),
        ("segment.bytes", "1048576"),
    ];
    let found = admin.config(NAME)?;
    ensure!(found == pairs(&expected), "the topic carries {found:?}");
    apply(
        environment,
        &json!({"partitions": 15, "config": {"segment.bytes": "1048576"}}),
    )?;
    wait_ready(environment, NAME)?;
    let found = admin.config(NAME)?;
    let expected = [("flush.ms", "1000"), ("segment.bytes", "1048576")];
    ensure!(found == pairs(&expected), "the topic carries {found:?}");
    println!("  grown to 15 partitions; settings set, set back and taken back; others' left alone");
    Ok(())
}

/// What cannot be done is said, in the broker's words where it is the broker who refuses.
fn refuse(environment: &Environment, admin: &Admin) -> anyhow::Result<()> {
    let shrunk = environment
        .kubernetes
        .apply_topic(NAME, &spec(&json!({"partitions": 3})))
        .expect_err("a topic with less partitions was accepted");
    let said = format!("{shrunk:#}");
    ensure!(said.contains("may only grow"), "refused with {said}");
    let bad = json!({"partitions": 15, "config": {"retention.ms": "soon"}});
    apply(environment, &bad)?;
    wait_reason(environment, NAME, "Refused", "Not a number of type LONG")?;
    apply(
        environment,
        &json!({"partitions": 15, "replicationFactor": 2}),
    )?;
    wait_reason(
        environment,
        NAME,
        "ReplicationFactorDiffers",
        "has 3 replicas",
    )?;
    let rival = json!({"topicName": NAME, "deletionPolicy": "Delete"});
    environment.kubernetes.apply_topic("rival", &spec(&rival))?;
    wait_reason(environment, "rival", "NameTaken", NAME)?;
    environment.kubernetes.delete_topic_resource("rival")?;
    wait_gone(environment, "rival")?;
    admin.wait_partitions(NAME, 15)?;
    apply(environment, &json!({"partitions": 15}))?;
    wait_ready(environment, NAME)?;
    println!(
        "  refused in words: shrinking, a bad value, another replication factor, a second resource"
    );
    Ok(())
}

/// The operator dies at every kind of change, right after it is asked for.
fn kill_in_between(
    environment: &Environment,
    admin: &Admin,
    operators: &Kubernetes,
) -> anyhow::Result<()> {
    for (step, partitions) in (16..18).enumerate() {
        let value = format!("{}", 1_000_000 + step);
        let config = match step {
            1 => json!({}),
            _ => json!({"retention.ms": value, "segment.ms": value}),
        };
        apply(
            environment,
            &json!({"partitions": partitions, "config": config}),
        )?;
        std::thread::sleep(Duration::from_millis(60 * u64::try_from(step)?));
        kill_operator(environment, operators)?;
        wait_ready(environment, NAME)?;
        admin.wait_partitions(NAME, partitions)?;
        let found = admin.config(NAME)?;
        let mut expected = pairs(&[("flush.ms", "1000")]);
        for (key, value) in config.as_object().into_iter().flatten() {
            expected.insert(key.clone(), value.as_str().unwrap_or_default().to_owned());
        }
        ensure!(
            found == expected,
            "the topic carries {found:?}, expected {expected:?}"
        );
    }
    println!("  the operator died amid two changes: each was finished by the next");
    Ok(())
}

fn recreate(environment: &Environment, admin: &Admin) -> anyhow::Result<()> {
    admin.delete(NAME)?;
    // Kafka tells nobody: a change of the resource calls for a look at once.
    apply(
        environment,
        &json!({"partitions": 18, "config": {"retention.ms": "7"}}),
    )?;
    wait_ready(environment, NAME)?;
    admin.wait_partitions(NAME, 18)?;
    wait_event(environment, "TopicRecreated", NAME)?;
    println!("  deleted by hand: created again, with an Event");
    Ok(())
}

fn retain_and_adopt(environment: &Environment, admin: &Admin) -> anyhow::Result<()> {
    environment.kubernetes.delete_topic_resource(NAME)?;
    wait_gone(environment, NAME)?;
    admin.wait_partitions(NAME, 18)?;
    create_topic(&admin.bootstrap, "Made_By_Hand", 5, 3, ADMIN_LIMIT)?;
    let policy = json!({"topicName": "Made_By_Hand", "deletionPolicy": "Delete"});
    environment
        .kubernetes
        .apply_topic("adopted", &spec(&policy))?;
    wait_ready(environment, "adopted")?;
    wait_event(environment, "TopicAdopted", "adopted")?;
    admin.wait_partitions("Made_By_Hand", 5)?;
    println!("  deleted with Retain: the topic stays; a topic made by hand is adopted as it is");
    Ok(())
}

fn delete(environment: &Environment, admin: &Admin, operators: &Kubernetes) -> anyhow::Result<()> {
    let held = environment.kubernetes.topic_finalizers("adopted")?;
    ensure!(held == ["kintsugi.dev/topic"], "held by {held:?}");
    environment.kubernetes.delete_topic_resource("adopted")?;
    kill_operator(environment, operators)?;
    wait_gone(environment, "adopted")?;
    admin.wait_partitions("Made_By_Hand", 0)?;
    let orphan = json!({"clusterName": "nowhere", "deletionPolicy": "Delete"});
    environment.kubernetes.apply_topic("orphan", &orphan)?;
    wait_reason(
        environment,
        "orphan",
        "ClusterMissing",
        "no KafkaCluster nowhere",
    )?;
    environment.kubernetes.delete_topic_resource("orphan")?;
    wait_gone(environment, "orphan")?;
    println!("  deleted with Delete: the topic goes, then the resource");
    Ok(())
}

fn spec(more: &Value) -> Value {
    let mut spec = json!({"clusterName": "demo"});
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    spec
}

fn apply(environment: &Environment, more: &Value) -> anyhow::Result<()> {
    environment.kubernetes.apply_topic(NAME, &spec(more))
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn wait_ready(environment: &Environment, name: &str) -> anyhow::Result<()> {
    wait_condition(environment, name, "True", "InSync", "")
}

fn wait_reason(
    environment: &Environment,
    name: &str,
    reason: &str,
    part: &str,
) -> anyhow::Result<()> {
    wait_condition(environment, name, "False", reason, part)
}

fn wait_condition(
    environment: &Environment,
    name: &str,
    status: &str,
    reason: &str,
    part: &str,
) -> anyhow::Result<()> {
    let what = format!("KafkaTopic {name} to be Ready={status} for {reason}");
    environment
        .kubernetes
        .wait(&what, CHANGE_LIMIT, |kubernetes| {
            Ok(match kubernetes.topic_condition(name)? {
                Some((found, why, said))
                    if found == status && why == reason && said.contains(part) =>
                {
                    Ok(())
                }
                other => Err(format!("{other:?}")),
            })
        })
}

fn wait_gone(environment: &Environment, name: &str) -> anyhow::Result<()> {
    let what = format!("KafkaTopic {name} to be gone");
    environment
        .kubernetes
        .wait(&what, CHANGE_LIMIT, |kubernetes| {
            Ok(match kubernetes.topic_resource(name)? {
                None => Ok(()),
                Some(topic) => Err(format!("{:?}", topic.metadata.finalizers)),
            })
        })
}

fn wait_event(environment: &Environment, reason: &str, name: &str) -> anyhow::Result<()> {
    let what = format!("Event {reason} of KafkaTopic {name}");
    environment
        .kubernetes
        .wait(&what, CHANGE_LIMIT, |kubernetes| {
            Ok(match kubernetes.has_event(reason, name)? {
                true => Ok(()),
                false => Err("it is not there".to_owned()),
            })
        })
}

/// A foreign admin client.
struct Admin {
    bootstrap: String,
    client: AdminClient<DefaultClientContext>,
    runtime: tokio::runtime::Runtime,
}

impl Admin {
    fn connect(bootstrap: &str) -> anyhow::Result<Self> {
        let client = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("log_level", "2")
            .create()
            .context("failed to make an admin client")?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(Self {
            bootstrap: bootstrap.to_owned(),
            client,
            runtime,
        })
    }

    /// Waits until the topic has this many partitions, each with all its copies; 0: it is gone.
    fn wait_partitions(&self, topic: &str, count: usize) -> anyhow::Result<()> {
        let what = format!("topic {topic} to have {count} partitions");
        let wanted = |topology: &Topology| topology.is_healthy(count);
        wait_for(&self.bootstrap, topic, &what, CHANGE_LIMIT, wanted).map(drop)
    }

    /// The settings that the topic itself carries.
    fn config(&self, topic: &str) -> anyhow::Result<BTreeMap<String, String>> {
        let asked = [ResourceSpecifier::Topic(topic)];
        let described = self.client.describe_configs(&asked, &options());
        let mut resources = self.runtime.block_on(described)?;
        let resource = resources.pop().context("no answer")?;
        let resource = resource.map_err(|code| anyhow::anyhow!("refused: {code}"))?;
        let own = resource.entries.into_iter();
        let own = own.filter(|entry| entry.source == ConfigSource::DynamicTopic);
        Ok(own
            .map(|entry| (entry.name, entry.value.unwrap_or_default()))
            .collect())
    }

    /// Replaces the settings that the topic itself carries.
    fn set(&self, topic: &str, settings: &[(&str, &str)]) -> anyhow::Result<()> {
        let mut change = rdkafka::admin::AlterConfig::new(ResourceSpecifier::Topic(topic));
        for (key, value) in settings {
            change = change.set(key, value);
        }
        let altered = self.client.alter_configs([&change], &options());
        for result in self.runtime.block_on(altered)? {
            result.map_err(|(_, code)| anyhow::anyhow!("refused: {code}"))?;
        }
        Ok(())
    }

    fn delete(&self, topic: &str) -> anyhow::Result<()> {
        let deleted = self.client.delete_topics(&[topic], &options());
        for result in self.runtime.block_on(deleted)? {
            result.map_err(|(_, code)| anyhow::anyhow!("refused: {code}"))?;
        }
        Ok(())
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(ADMIN_LIMIT))
}
