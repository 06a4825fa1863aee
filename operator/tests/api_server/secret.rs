//! The Secret by which nodes know each other, and the policies around them.

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kintsugi_operator::act::{ActError, act};
use kintsugi_operator::observe::{ObservedSecret, observe};
use kintsugi_operator::plan::Command;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::json;

use super::{create_cluster, look, recorder};

/// Made once, read back, and not written over by one who decided before it was there.
pub async fn a_secret_is_made_once(client: &Client) {
    let namespace = "made-once";
    create_cluster(client, namespace).await;
    let (resource, plan) = look(client, namespace).await;
    let creation = &plan.commands[..1];
    assert!(matches!(creation[0], Command::CreateSecret(_)));
    let create = async || act(client, &recorder(client), &resource, None, creation).await;
    assert_eq!(create().await.unwrap(), 1);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let made = secrets.get("demo-internal").await.unwrap();
    let file = &made.data.as_ref().unwrap()["secret"].0;
    assert_eq!(
        file.len(),
        65,
        "32 bytes in hexadecimal digits, and a line's end"
    );
    let again = create().await.unwrap_err();
    assert!(matches!(again, ActError::Conflict { .. }), "{again}");
    assert_eq!(secrets.get("demo-internal").await.unwrap(), made);

    let observed = observe(client, &resource).await.unwrap();
    let keys = observed.secret.keys().unwrap();
    assert_eq!(keys.to_file().as_bytes(), file);
    let damage = Patch::Merge(json!({"stringData": {"secret": "short"}}));
    let parameters = PatchParams::default();
    secrets
        .patch("demo-internal", &parameters, &damage)
        .await
        .unwrap();
    let observed = observe(client, &resource).await.unwrap();
    assert!(matches!(observed.secret, ObservedSecret::Unusable(_)));
    let gone = DeleteParams::default();
    secrets.delete("demo-internal", &gone).await.unwrap();
    let observed = observe(client, &resource).await.unwrap();
    assert_eq!(observed.secret, ObservedSecret::Absent);
}

/// Policies are made with a cluster, and go when spec wants none.
pub async fn policies_come_and_go(client: &Client) {
    let namespace = "policies";
    create_cluster(client, namespace).await;
    let (resource, plan) = look(client, namespace).await;
    let recorder = recorder(client);
    let carried = act(client, &recorder, &resource, None, &plan.commands);
    carried.await.unwrap();
    let policies: Api<NetworkPolicy> = Api::namespaced(client.clone(), namespace);
    let names = async || {
        let policies = policies.list(&ListParams::default()).await.unwrap();
        policies
            .iter()
            .map(ResourceExt::name_any)
            .collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["demo-broker", "demo-controller"]);
    let clusters: Api<kintsugi_crds::KafkaCluster> = Api::namespaced(client.clone(), namespace);
    let off = Patch::Merge(json!({"spec": {"networkPolicy": "Disabled"}}));
    let parameters = PatchParams::default();
    clusters
        .patch(super::NAME, &parameters, &off)
        .await
        .unwrap();
    let (resource, plan) = look(client, namespace).await;
    let carried = act(client, &recorder, &resource, None, &plan.commands);
    carried.await.unwrap();
    assert_eq!(names().await, [""; 0]);
}
