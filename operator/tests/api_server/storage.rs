//! Claims that grow by themselves, past the API server's own rules about growing.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::jiff::Timestamp;
use kintsugi_crds::{KafkaCluster, StorageState};
use kintsugi_operator::act::act;
use kintsugi_operator::cluster::Cluster;
use kintsugi_operator::decide::decide;
use kintsugi_operator::history::History;
use kintsugi_operator::observe::{Disk, Observed, observe, read_cluster};
use kintsugi_operator::plan::Command;
use kintsugi_operator::storage::{State, step};
use kintsugi_operator::validate::validate;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use super::{NAME, create_cluster, look, recorder};

const NAMESPACE: &str = "storage-growth";
const CLASS: &str = "fast";
const GIB: f64 = 1_073_741_824.0;

/// Claims of brokers grow once their class lets them; before, nothing is asked for.
pub async fn claims_grow_where_their_class_lets_them(client: &Client) {
    make_class(client).await;
    create_cluster(client, NAMESPACE).await;
    let clusters: Api<KafkaCluster> = Api::namespaced(client.clone(), NAMESPACE);
    let autoscaling = json!({"spec": {"brokers": {"storage": {
        "size": "10Gi",
        "autoscaling": {"maxSize": "20Gi"},
    }}}});
    let parameters = PatchParams::default();
    let autoscaling = Patch::Merge(autoscaling);
    let patched = clusters.patch(NAME, &parameters, &autoscaling).await;
    patched.unwrap();
    let (resource, plan) = look(client, NAMESPACE).await;
    let events = recorder(client);
    let formed = act(client, &events, &resource, None, &plan.commands);
    formed.await.unwrap();
    bind_claims(client).await;

    let (resource, cluster, observed) = seen(client).await;
    let (state, commands) = grown(cluster, &observed);
    assert_eq!((state, commands.len()), (StorageState::NotExpandable, 0));

    let classes: Api<StorageClass> = Api::all(client.clone());
    let expandable = Patch::Merge(json!({"allowVolumeExpansion": true}));
    classes
        .patch(CLASS, &parameters, &expandable)
        .await
        .unwrap();
    let (_, cluster, observed) = seen(client).await;
    let (state, commands) = grown(cluster, &observed);
    assert_eq!((state, commands.len()), (StorageState::Growing, 3));
    let acted = act(client, &events, &resource, None, &commands);
    assert_eq!(acted.await.unwrap(), 3);

    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), NAMESPACE);
    let claim = claims.get("data-demo-broker-1-1").await.unwrap();
    let asks = claim.spec.as_ref().unwrap().resources.as_ref().unwrap();
    assert_eq!(asks.requests.as_ref().unwrap()["storage"].0, "13Gi");
    let grown_at = &claim.annotations()["kintsugi.dev/storage-grown"];
    assert!(grown_at.parse::<Timestamp>().is_ok(), "{grown_at}");
    let (_, cluster, observed) = seen(client).await;
    let (state, commands) = grown(cluster, &observed);
    assert_eq!(
        (state, commands.len()),
        (StorageState::Growing, 0),
        "no driver runs"
    );
}

async fn make_class(client: &Client) {
    let classes: Api<StorageClass> = Api::all(client.clone());
    let mut class = StorageClass {
        provisioner: "example.com/none".to_owned(),
        ..StorageClass::default()
    };
    class.metadata.name = Some(CLASS.to_owned());
    let made = classes.create(&PostParams::default(), &class).await;
    made.unwrap();
}

/// What a driver and the controllers around it would do: a class, and a volume of the size asked for.
async fn bind_claims(client: &Client) {
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), NAMESPACE);
    let parameters = PatchParams::default();
    for claim in claims.list(&ListParams::default()).await.unwrap() {
        let name = claim.name_any();
        let class = Patch::Merge(json!({"spec": {"storageClassName": CLASS}}));
        claims.patch(&name, &parameters, &class).await.unwrap();
        let asks = claim.spec.unwrap().resources.unwrap().requests.unwrap();
        let bound: Value = json!({"phase": "Bound", "capacity": {"storage": asks["storage"].0}});
        let bound = Patch::Merge(json!({"status": bound}));
        claims
            .patch_status(&name, &parameters, &bound)
            .await
            .unwrap();
    }
}

async fn seen(client: &Client) -> (KafkaCluster, Cluster, Observed) {
    let resource = read_cluster(client, NAMESPACE, NAME)
        .await
        .unwrap()
        .unwrap();
    let mut observed = observe(client, &resource).await.unwrap();
    let cluster = validate(&resource, &observed, "kintsugi/broker:test").unwrap();
    // One broker has filled nine of ten gibibytes, as it would tell.
    let disk = Disk {
        used_bytes: 9.0 * GIB,
        capacity_bytes: Some(10.0 * GIB),
        ..Disk::default()
    };
    observed.disks.insert(1, disk);
    (resource, cluster, observed)
}

/// What is found, and the changes of claims that it leads to.
fn grown(mut cluster: Cluster, observed: &Observed) -> (StorageState, Vec<Command>) {
    let now = Timestamp::now();
    let autoscaling = cluster.storage_autoscaling.clone().unwrap();
    let storing = step(&mut State::default(), &cluster, &autoscaling, observed, now);
    let state = storing.status.state;
    cluster.brokers.size.clone_from(&storing.size);
    cluster.storing = Some(storing);
    let plan = decide(&cluster, observed, None, &History::default(), now);
    let commands = plan.commands.into_iter();
    let grows = |command: &Command| matches!(command, Command::ChangeVolume(change) if change.size.is_some());
    (state, commands.filter(grows).collect())
}
