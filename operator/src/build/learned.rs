//! The ConfigMap with one part of what is learned of a cluster. It goes with the resource.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kintsugi_crds::KafkaCluster;
use kube::Resource as _;

use crate::learned::{KEY, Part};
use crate::names::{MANAGED_BY_LABEL, OPERATOR, learned_config_map};

/// The name of the ConfigMap with `part` of `cluster`.
pub fn name(cluster: &str, part: Part) -> String {
    learned_config_map(cluster, part.name())
}

/// The ConfigMap with `part` of a cluster, which is `bytes`.
pub fn build(namespace: &str, cluster: &str, uid: &str, part: Part, bytes: Vec<u8>) -> ConfigMap {
    let labels = [
        ("app.kubernetes.io/name", "kintsugi"),
        ("app.kubernetes.io/instance", cluster),
        (MANAGED_BY_LABEL, OPERATOR),
    ];
    let owner = OwnerReference {
        api_version: KafkaCluster::api_version(&()).into_owned(),
        kind: KafkaCluster::kind(&()).into_owned(),
        name: cluster.to_owned(),
        uid: uid.to_owned(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    };
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name(cluster, part)),
            namespace: Some(namespace.to_owned()),
            labels: Some(
                labels
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .into(),
            ),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        binary_data: Some(BTreeMap::from([(KEY.to_owned(), ByteString(bytes))])),
        ..ConfigMap::default()
    }
}

/// The KafkaCluster, for Events about it.
pub fn reference(namespace: &str, cluster: &str, uid: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some(KafkaCluster::api_version(&()).into_owned()),
        kind: Some(KafkaCluster::kind(&()).into_owned()),
        namespace: Some(namespace.to_owned()),
        name: Some(cluster.to_owned()),
        uid: Some(uid.to_owned()),
        ..ObjectReference::default()
    }
}
