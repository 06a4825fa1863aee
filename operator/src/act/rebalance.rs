//! KafkaRebalances that the operator makes: created, stopped, deleted.

use kintsugi_crds::{KafkaRebalance, REBALANCE_ANNOTATION, RebalanceWord};
use kube::api::Patch;
use kube::{Api, Client};
use serde_json::json;

use super::resource::merging;
use super::{ActError, bounded, creating, delete, unchanged};
use crate::plan::ObjectVersion;

/// Creates it.
pub async fn create(
    client: &Client,
    namespace: &str,
    rebalance: &KafkaRebalance,
) -> Result<(), ActError> {
    let api: Api<KafkaRebalance> = Api::namespaced(client.clone(), namespace);
    let name = rebalance.metadata.name.as_deref().unwrap_or_default();
    let act = format!("create KafkaRebalance {name}");
    bounded(act, api.create(&creating(), rebalance)).await
}

/// Tells it to end, as people would.
pub async fn stop(client: &Client, namespace: &str, one: &ObjectVersion) -> Result<(), ActError> {
    let api: Api<KafkaRebalance> = Api::namespaced(client.clone(), namespace);
    let patch = json!({"metadata": {
        "uid": one.uid,
        "resourceVersion": one.resource_version,
        "annotations": {REBALANCE_ANNOTATION: RebalanceWord::Stop.as_str()},
    }});
    let act = format!("stop KafkaRebalance {}", one.name);
    bounded(act, api.patch(&one.name, &merging(), &Patch::Merge(patch))).await
}

/// Deletes it.
pub async fn remove(client: &Client, namespace: &str, one: &ObjectVersion) -> Result<(), ActError> {
    let api: Api<KafkaRebalance> = Api::namespaced(client.clone(), namespace);
    let parameters = unchanged(&one.uid, &one.resource_version);
    delete(&api, &one.name, &parameters).await
}
