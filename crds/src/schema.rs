//! The CustomResourceDefinitions, with marks that tell an older schema from a newer one.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use crate::{KafkaCluster, KafkaRebalance, KafkaTopic};

/// Counts changes of the schema of KafkaCluster. The operator refuses to act while the installed definition
/// carries a lower number, because the API server prunes fields it does not know without a word.
pub const SCHEMA_VERSION: u32 = 8;
/// As [`SCHEMA_VERSION`], of KafkaTopic.
pub const TOPIC_SCHEMA_VERSION: u32 = 2;
/// As [`SCHEMA_VERSION`], of KafkaRebalance.
pub const REBALANCE_SCHEMA_VERSION: u32 = 2;
/// Annotation with the schema's version.
pub const SCHEMA_VERSION_ANNOTATION: &str = "kintsugi.dev/schema-version";
/// Annotation with [`hash`] of the definition's spec.
pub const SCHEMA_HASH_ANNOTATION: &str = "kintsugi.dev/schema-hash";
/// Helm's annotation that keeps the definition, and with it every resource of it, on uninstall.
const RESOURCE_POLICY_ANNOTATION: &str = "helm.sh/resource-policy";

/// Every definition with its annotations.
pub fn definitions() -> Vec<CustomResourceDefinition> {
    vec![
        kafka_cluster_definition(),
        kafka_topic_definition(),
        kafka_rebalance_definition(),
    ]
}

/// The definition of KafkaCluster with its annotations.
pub fn kafka_cluster_definition() -> CustomResourceDefinition {
    marked(KafkaCluster::crd(), SCHEMA_VERSION)
}

/// The definition of KafkaTopic with its annotations.
pub fn kafka_topic_definition() -> CustomResourceDefinition {
    marked(KafkaTopic::crd(), TOPIC_SCHEMA_VERSION)
}

/// The definition of KafkaRebalance with its annotations.
pub fn kafka_rebalance_definition() -> CustomResourceDefinition {
    marked(KafkaRebalance::crd(), REBALANCE_SCHEMA_VERSION)
}

fn marked(mut definition: CustomResourceDefinition, version: u32) -> CustomResourceDefinition {
    let hash = hash(&definition);
    let annotations = definition.metadata.annotations.get_or_insert_default();
    annotations.insert(SCHEMA_VERSION_ANNOTATION.to_owned(), version.to_string());
    annotations.insert(SCHEMA_HASH_ANNOTATION.to_owned(), hash);
    annotations.insert(RESOURCE_POLICY_ANNOTATION.to_owned(), "keep".to_owned());
    definition
}

/// [`hash_text`] of the spec's JSON.
pub fn hash(definition: &CustomResourceDefinition) -> String {
    // A value holds its keys sorted, so the text does not depend on the order of fields.
    hash_text(
        &serde_json::to_value(&definition.spec)
            .unwrap_or_default()
            .to_string(),
    )
}

/// 64-bit FNV-1a in hexadecimal. It tells texts apart; it proves nothing.
pub fn hash_text(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
