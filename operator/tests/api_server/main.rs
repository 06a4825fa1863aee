//! The definition and the operator's writes against a real API server.
//!
//! Run with `make api`, or `KINTSUGI_KUBE=<binary> cargo test -p kintsugi-operator --test
//! api_server`, where the binary is the one that e2e/localkube builds. No kubelet runs: pods stay
//! Pending.

// Clippy exempts functions marked as tests; all of this crate is one.
#![allow(clippy::unwrap_used)]

mod history;
mod learned;
mod rebalances;
mod rollout;
mod rules;
mod secret;
mod server;
mod storage;
mod topics;

use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, Pod};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::jiff::Timestamp;
use kintsugi_crds::{KafkaCluster, KafkaClusterSpec, KafkaRebalance, KafkaTopic, Phase, schema};
use kintsugi_operator::act::act;
use kintsugi_operator::decide::decide;
use kintsugi_operator::definition;
use kintsugi_operator::history::History;
use kintsugi_operator::observe::{observe, read_cluster};
use kintsugi_operator::plan::{Command, Plan};
use kintsugi_operator::validate::validate;
use kube::api::{Api, ListParams, PostParams};
use kube::runtime::events::{Recorder, Reporter};
use kube::{Client, ResourceExt};
use server::ApiServer;

const NAME: &str = "demo";

#[tokio::test]
async fn a_real_api_server_agrees() {
    let server = ApiServer::start().await;
    let client = &server.client;
    assert!(
        definition::check(client).await.is_err(),
        "nothing is installed yet"
    );
    install_definitions(client).await;
    rules::check(client).await;
    topics::rules(client).await;
    rebalances::rules(client).await;
    rebalances::acts_on_the_resource_follow_each_other_and_a_stale_one_is_refused(client).await;
    topics::one_of_two_resources_waits_and_nothing_holds_a_deletion_for_ever(client).await;
    let whole = form_in_one_look(client).await;
    for cut in (0..whole).step_by(3) {
        form_with_a_death(client, cut, whole).await;
    }
    secret::a_secret_is_made_once(client).await;
    learned::what_is_learned_is_handed_over_and_a_stale_operator_writes_over_nothing(client).await;
    history::a_history_is_learned_from_once_it_is_there_and_can_be_read(client).await;
    storage::claims_grow_where_their_class_lets_them(client).await;
    secret::policies_come_and_go(client).await;
    Box::pin(rollout::a_deletion_decided_long_ago_hits_nothing(client)).await;
    rollout::a_replacement_that_admission_refuses_deletes_nothing(client).await;
    rollout::two_operators_never_stop_two_pods(client).await;
}

async fn install_definitions(client: &Client) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for definition in schema::definitions() {
        assert!(definition::check(client).await.is_err());
        api.create(&PostParams::default(), &definition)
            .await
            .unwrap();
    }
    let clusters: Api<KafkaCluster> = Api::all(client.clone());
    let topics: Api<KafkaTopic> = Api::all(client.clone());
    let rebalances: Api<KafkaRebalance> = Api::all(client.clone());
    for _ in 0..100 {
        if clusters.list(&ListParams::default()).await.is_ok()
            && topics.list(&ListParams::default()).await.is_ok()
            && rebalances.list(&ListParams::default()).await.is_ok()
        {
            definition::check(client).await.unwrap();
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the definitions were not served after 10 s");
}

/// Forms a cluster under Pod Security "restricted"; returns the number of acts.
async fn form_in_one_look(client: &Client) -> usize {
    let namespace = "whole";
    create_cluster(client, namespace).await;
    let (cluster, plan) = look(client, namespace).await;
    act(client, &recorder(client), &cluster, None, &plan.commands)
        .await
        .unwrap();
    assert_formed(client, namespace).await;
    let (cluster, plan) = look(client, namespace).await;
    assert_eq!(
        acts(&plan),
        0,
        "a second look must find nothing to do: {:?}",
        plan.commands
    );
    assert_eq!(cluster.status.unwrap().phase, Some(Phase::Forming));
    25
}

/// An operator dies after `cut` commands; the next one ends with the same cluster.
async fn form_with_a_death(client: &Client, cut: usize, whole: usize) {
    let namespace = format!("cut-{cut}");
    create_cluster(client, &namespace).await;
    let (cluster, plan) = look(client, &namespace).await;
    assert_eq!(acts(&plan), whole);
    act(
        client,
        &recorder(client),
        &cluster,
        None,
        &plan.commands[..cut],
    )
    .await
    .unwrap();
    let (cluster, plan) = look(client, &namespace).await;
    assert_eq!(acts(&plan), whole - cut, "after {cut} commands");
    act(client, &recorder(client), &cluster, None, &plan.commands)
        .await
        .unwrap();
    assert_formed(client, &namespace).await;
}

async fn create_cluster(client: &Client, namespace: &str) {
    let mut object = Namespace::default();
    object.metadata.name = Some(namespace.to_owned());
    let label = (
        "pod-security.kubernetes.io/enforce".to_owned(),
        "restricted".to_owned(),
    );
    object.metadata.labels = Some([label].into());
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces
        .create(&PostParams::default(), &object)
        .await
        .unwrap();
    let clusters: Api<KafkaCluster> = Api::namespaced(client.clone(), namespace);
    let cluster = KafkaCluster::new(NAME, KafkaClusterSpec::default());
    clusters
        .create(&PostParams::default(), &cluster)
        .await
        .unwrap();
}

async fn look(client: &Client, namespace: &str) -> (KafkaCluster, Plan) {
    let resource = read_cluster(client, namespace, NAME)
        .await
        .unwrap()
        .unwrap();
    let observed = observe(client, &resource).await.unwrap();
    let cluster = validate(&resource, &observed, "kintsugi/broker:test").unwrap();
    let written = resource.status.as_ref();
    let plan = decide(
        &cluster,
        &observed,
        written,
        &History::default(),
        Timestamp::now(),
    );
    (resource, plan)
}

fn acts(plan: &Plan) -> usize {
    let is_status = |command: &&Command| matches!(command, Command::WriteStatus(_));
    plan.commands.len() - plan.commands.iter().filter(is_status).count()
}

fn recorder(client: &Client) -> Recorder {
    Recorder::new(client.clone(), Reporter::from("test"))
}

async fn assert_formed(client: &Client, namespace: &str) {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let names: Vec<String> = pods
        .list(&ListParams::default())
        .await
        .unwrap()
        .items
        .iter()
        .map(ResourceExt::name_any)
        .collect();
    let expected = [
        "demo-broker-0-1",
        "demo-broker-1-1",
        "demo-broker-2-1",
        "demo-controller-1000-1",
        "demo-controller-1001-1",
        "demo-controller-1002-1",
    ];
    assert_eq!(names, expected);
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
    let claims = claims.list(&ListParams::default()).await.unwrap().items;
    let names: Vec<String> = claims.iter().map(ResourceExt::name_any).collect();
    assert_eq!(names, expected.map(|pod| format!("data-{pod}")));
}
