//! The committed YAML is what the types say, and stays within what the API server accepts.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kintsugi_crds::schema::{REBALANCE_SCHEMA_VERSION, TOPIC_SCHEMA_VERSION};
use kintsugi_crds::{
    INTERNAL_TOPICS, RebalanceMode, SCHEMA_HASH_ANNOTATION, SCHEMA_VERSION, owned_keys, schema,
};
use serde_json::Value;

/// Each definition, as committed.
const COMMITTED: [&str; 3] = [
    include_str!("../yaml/kafkaclusters.yaml"),
    include_str!("../yaml/kafkatopics.yaml"),
    include_str!("../yaml/kafkarebalances.yaml"),
];

/// The schema's hash at each version. A changed schema needs a new version and a new line.
const HASHES: [(u32, &str); 8] = [
    (1, "8f27290026a0f289"),
    (2, "cc78e721c1ede393"),
    (3, "6c03845ee2da0e68"),
    (4, "992b642b15c30eb7"),
    (5, "8b481a8f9b35a63b"),
    (6, "a34a1cf4e80603ea"),
    (7, "dce2a9f92a0754d4"),
    (8, "df63398ee56d9e58"),
];

/// As [`HASHES`], of KafkaTopic.
const TOPIC_HASHES: [(u32, &str); 2] = [(1, "ce30be1cd83474fd"), (2, "b7e59c0db8f00291")];

/// As [`HASHES`], of KafkaRebalance.
const REBALANCE_HASHES: [(u32, &str); 2] = [(1, "b0f24f620f90cf57"), (2, "fa3bd57fc81d9bfb")];

fn value(definition: &CustomResourceDefinition) -> Value {
    serde_json::to_value(definition).expect("a definition becomes JSON")
}

fn definition() -> Value {
    value(&schema::kafka_cluster_definition())
}

fn topic_definition() -> Value {
    value(&schema::kafka_topic_definition())
}

fn rebalance_definition() -> Value {
    value(&schema::kafka_rebalance_definition())
}

#[test]
fn committed_yaml_is_what_the_types_generate() {
    let definitions = schema::definitions();
    assert_eq!(definitions.len(), COMMITTED.len());
    for (definition, committed) in definitions.iter().zip(COMMITTED) {
        let committed: Value = serde_yaml_ng::from_str(committed).unwrap();
        // Not assert_eq: the two would fill the screen.
        assert!(
            committed == value(definition),
            "{:?} differs: run `make crds`",
            definition.metadata.name
        );
    }
}

#[test]
fn a_changed_schema_raises_the_schema_version() {
    for (definition, hashes, version) in [
        (definition(), HASHES.as_slice(), SCHEMA_VERSION),
        (topic_definition(), &TOPIC_HASHES, TOPIC_SCHEMA_VERSION),
        (
            rebalance_definition(),
            &REBALANCE_HASHES,
            REBALANCE_SCHEMA_VERSION,
        ),
    ] {
        let hash = &definition["metadata"]["annotations"][SCHEMA_HASH_ANNOTATION];
        assert_eq!(
            hashes.last().copied(),
            Some((version, hash.as_str().unwrap())),
            "raise the schema's version and add its hash here (before a first release: replace it)"
        );
    }
}

#[test]
fn every_string_list_and_map_has_a_maximum() {
    let mut unbounded = Vec::new();
    for definition in [definition(), topic_definition(), rebalance_definition()] {
        let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        for part in ["spec", "status"] {
            find_unbounded(part, &schema["properties"][part], &mut unbounded);
        }
    }
    assert_eq!(unbounded, Vec::<String>::new());
}

fn find_unbounded(path: &str, schema: &Value, unbounded: &mut Vec<String>) {
    let bounded = match schema["type"].as_str() {
        Some("string") => schema.get("maxLength").is_some() || schema.get("enum").is_some(),
        Some("array") => schema.get("maxItems").is_some(),
        Some("object") if schema.get("additionalProperties").is_some() => {
            schema.get("maxProperties").is_some()
        }
        _ => true,
    };
    if !bounded {
        unbounded.push(path.to_owned());
    }
    for (name, child) in schema["properties"].as_object().into_iter().flatten() {
        find_unbounded(&format!("{path}.{name}"), child, unbounded);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(child) = schema.get(key) {
            find_unbounded(&format!("{path}[]"), child, unbounded);
        }
    }
}

#[test]
fn the_rule_on_config_names_every_key_that_the_operator_owns() {
    let text = definition().to_string();
    for key in owned_keys::OPERATOR_OWNED_KEYS {
        assert!(
            text.contains(&format!("'{key}'")),
            "{key} is missing from the CEL rule"
        );
    }
    for key in owned_keys::USER_KINTSUGI_KEYS {
        assert!(
            text.contains(&format!("'{key}'")),
            "{key} is missing from the CEL rule"
        );
    }
}

#[test]
fn scale_means_brokers_only() {
    let scale = &definition()["spec"]["versions"][0]["subresources"]["scale"];
    assert_eq!(scale["specReplicasPath"], ".spec.brokers.replicas");
    assert_eq!(scale["statusReplicasPath"], ".status.brokers.replicas");
    assert_eq!(scale["labelSelectorPath"], ".status.brokers.selector");
}

#[test]
fn an_empty_spec_takes_every_default() {
    let spec: kintsugi_crds::KafkaClusterSpec = serde_json::from_str("{}").unwrap();
    assert_eq!(spec, kintsugi_crds::KafkaClusterSpec::default());
    assert_eq!((spec.controllers.replicas, spec.brokers.replicas), (3, 3));
    assert_eq!(spec.listeners[0].port, 9092);
    assert!(spec.healing.enabled && !spec.paused);
    assert_eq!(spec.rebalance.mode, RebalanceMode::Continuous);
    let seconds = (spec.rebalance.hold_seconds, spec.rebalance.cooldown_seconds);
    assert_eq!((spec.rebalance.band_percent, seconds), (20, (600, 900)));
}

#[test]
fn the_rule_on_topic_names_lists_every_topic_that_kafka_keeps_for_itself() {
    let text = topic_definition().to_string();
    for topic in INTERNAL_TOPICS {
        assert!(
            text.contains(&format!("'{topic}'")),
            "{topic} is missing from the CEL rule"
        );
    }
}
