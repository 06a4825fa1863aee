//! What is learned, kept in a real API server by operators that follow each other.

use std::sync::Mutex;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::jiff::Timestamp;
use kintsugi_crds::KafkaCluster;
use kintsugi_operator::balance::Balances;
use kintsugi_operator::cluster::Cluster;
use kintsugi_operator::kafka::Pool;
use kintsugi_operator::learned::Learned;
use kintsugi_operator::load::Loads;
use kintsugi_operator::metrics::Metrics;
use kintsugi_operator::observe::{Observed, observe, read_cluster};
use kintsugi_operator::rebalance::reconcile::Memory;
use kintsugi_operator::reconcile::Context;
use kintsugi_operator::scale::Scales;
use kintsugi_operator::storage::Storages;
use kintsugi_operator::topic::growth::Growths;
use kintsugi_operator::validate::validate;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::json;

use super::{NAME, create_cluster, recorder};

const OBJECT: &str = "demo-learned-autoscaling";
const NAMESPACE: &str = "learned";

/// One operator's process.
pub fn operator(client: &Client) -> Context {
    Context {
        client: client.clone(),
        recorder: recorder(client),
        metrics: Metrics::new().unwrap(),
        default_image: "kintsugi/broker:test".to_owned(),
        histories: Mutex::default(),
        hold_before_act: Duration::ZERO,
        kafka: Pool::default(),
        rebalances: Memory::default(),
        loads: Loads::default(),
        scales: Scales::default(),
        balances: Balances::default(),
        growths: Growths::default(),
        storages: Storages::default(),
        learned: Learned::default(),
    }
}

/// The cluster of `namespace` as an operator sees it.
pub async fn seen(client: &Client, namespace: &str) -> (KafkaCluster, Cluster, Observed) {
    let resource = read_cluster(client, namespace, NAME)
        .await
        .unwrap()
        .unwrap();
    let observed = observe(client, &resource).await.unwrap();
    let cluster = validate(&resource, &observed, "kintsugi/broker:test").unwrap();
    (resource, cluster, observed)
}

/// Looks at the size once, as an operator does that begins; whether something was taken up.
async fn look(context: &Context) -> bool {
    let (resource, cluster, observed) = seen(&context.client, NAMESPACE).await;
    let key = (NAMESPACE.to_owned(), NAME.to_owned());
    let now = Timestamp::now();
    context.take_up(&resource, &cluster, now).await.unwrap();
    let taken_up = context.scales.keep(&key, &cluster.uid).is_some();
    let sizing = (context.scales).look(&key, &cluster, &observed, &context.loads, now);
    assert!(sizing.is_some());
    taken_up
}

async fn version(maps: &Api<ConfigMap>) -> Option<String> {
    let found = maps.get_opt(OBJECT).await.unwrap()?;
    found.resource_version()
}

/// Written by one operator, gone on with by the next, not written over by the first, and refused once
/// it is damaged or somebody else's.
pub async fn what_is_learned_is_handed_over_and_a_stale_operator_writes_over_nothing(
    client: &Client,
) {
    create_cluster(client, NAMESPACE).await;
    let clusters: Api<KafkaCluster> = Api::namespaced(client.clone(), NAMESPACE);
    let scaled = json!({"spec": {"brokers": {"autoscaling": {"maxReplicas": 5}}}});
    let parameters = PatchParams::default();
    let scaled = Patch::Merge(scaled);
    let patched = clusters.patch(NAME, &parameters, &scaled).await;
    let uid = patched.unwrap().uid().unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);

    let first = operator(client);
    assert!(!look(&first).await, "nothing was kept");
    first.keep_all().await;
    let kept = maps.get(OBJECT).await.unwrap();
    assert_eq!(kept.owner_references()[0].uid, uid);
    assert!(
        !kept.labels().contains_key("kintsugi.dev/cluster"),
        "each look lists those"
    );

    let next = operator(client);
    assert!(look(&next).await, "what was kept is gone on with");
    next.keep_all().await;
    let written = version(&maps).await;
    assert_ne!(written, kept.resource_version());
    first.keep_all().await;
    assert_eq!(version(&maps).await, written, "the first one's is stale");

    let damage = Patch::Merge(json!({"binaryData": {"state": "S0xSTgABAAAAAAAAAAA="}}));
    maps.patch(OBJECT, &parameters, &damage).await.unwrap();
    assert!(!look(&operator(client)).await, "damaged");
    wait_for_event(client, NAMESPACE, "LearnedRefused", "").await;

    maps.delete(OBJECT, &DeleteParams::default()).await.unwrap();
    let mut theirs = ConfigMap::default();
    theirs.metadata.name = Some(OBJECT.to_owned());
    let theirs = maps.create(&PostParams::default(), &theirs).await.unwrap();
    let last = operator(client);
    assert!(!look(&last).await, "somebody else's");
    last.keep_all().await;
    assert_eq!(version(&maps).await, theirs.resource_version());
}

/// Waits for an Event of `reason` in `namespace` whose note has the words `told`.
pub async fn wait_for_event(client: &Client, namespace: &str, reason: &str, told: &str) {
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    let is_it = |event: &Event| {
        let note = event.note.as_deref().unwrap_or_default();
        event.reason.as_deref() == Some(reason) && note.contains(told)
    };
    let mut found = Vec::new();
    for _ in 0..50 {
        found = events.list(&ListParams::default()).await.unwrap().items;
        if found.iter().any(is_it) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("there is no Event {reason} that says {told:?}, only {found:#?}");
}
