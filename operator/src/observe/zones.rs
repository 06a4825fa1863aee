//! The zones that brokers can be born in.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Node, Taint};
use kintsugi_crds::{KafkaCluster, PodTemplate, Toleration, TolerationOperator};

use super::{Observed, Removal};
use crate::build::pod::placement::effect;
use crate::names::Role;
use crate::size::size_in_force;

/// Whether fewer broker volumes exist than brokers are asked for.
pub fn are_needed(cluster: &KafkaCluster, observed: &Observed) -> bool {
    let born: BTreeSet<i32> = observed
        .volumes
        .iter()
        .filter(|volume| volume.member.role == Role::Broker && !volume.terminating)
        .filter(|volume| volume.removal != Some(Removal::Drained))
        .map(|volume| volume.member.id)
        .collect();
    let brokers = &cluster.spec.brokers;
    let status = cluster.status.as_ref();
    let written = status.and_then(|status| status.autoscaling.as_ref());
    let autoscaling = brokers.autoscaling.as_ref();
    let wanted = size_in_force(autoscaling, brokers.replicas, written, observed);
    born.len() < usize::try_from(wanted).unwrap_or(0)
}

/// The labels by which to look for nodes that brokers may run on.
pub fn selector(topology_key: &str, pod: &PodTemplate) -> String {
    let wanted = pod.node_selector.iter();
    let wanted = wanted.map(|(key, value)| format!("{key}={value}"));
    let all: Vec<String> = wanted.chain([topology_key.to_owned()]).collect();
    all.join(",")
}

/// Adds the zones of those of `nodes` that take a pod with these `tolerations` to `zones`.
pub fn collect(
    nodes: &[Node],
    topology_key: &str,
    tolerations: &[Toleration],
    zones: &mut BTreeSet<String>,
) {
    for node in nodes.iter().filter(|node| takes(node, tolerations)) {
        let zone = node
            .metadata
            .labels
            .as_ref()
            .and_then(|labels| labels.get(topology_key));
        zones.extend(zone.filter(|zone| !zone.is_empty()).cloned());
    }
}

/// Whether a pod with these `tolerations` can be placed on `node`.
fn takes(node: &Node, tolerations: &[Toleration]) -> bool {
    let Some(spec) = &node.spec else { return true };
    let tainted = spec
        .taints
        .iter()
        .flatten()
        .filter(|taint| taint.effect != "PreferNoSchedule")
        .any(|taint| {
            !tolerations
                .iter()
                .any(|toleration| bears(toleration, taint))
        });
    spec.unschedulable != Some(true) && !tainted
}

/// A toleration without a key bears every taint, one without an effect every effect.
fn bears(toleration: &Toleration, taint: &Taint) -> bool {
    let of_effect = toleration
        .effect
        .is_none_or(|one| effect(one) == taint.effect);
    let of_key = toleration.key.as_ref().is_none_or(|key| *key == taint.key);
    let of_value = toleration.operator == TolerationOperator::Exists
        || toleration.value.as_deref().unwrap_or("") == taint.value.as_deref().unwrap_or("");
    of_effect && of_key && of_value
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixtures::formed;

    #[test]
    fn zones_are_needed_for_a_broker_that_autoscaling_decided_for_beyond_spec() {
        let observed = formed();
        let needed = |autoscaling: serde_json::Value, decided: serde_json::Value| {
            let object = json!({
                "apiVersion": "kintsugi.dev/v1alpha1",
                "kind": "KafkaCluster",
                "metadata": {"name": "c"},
                "spec": {"brokers": {"replicas": 3, "autoscaling": autoscaling}},
                "status": {"autoscaling": decided},
            });
            let cluster: KafkaCluster = serde_json::from_value(object).unwrap();
            are_needed(&cluster, &observed)
        };
        let (scaled, four) = (json!({"maxReplicas": 8}), json!({"desiredReplicas": 4}));
        assert!(needed(scaled.clone(), four.clone()));
        assert!(!needed(scaled, json!({"desiredReplicas": 3})));
        assert!(!needed(json!(null), four), "people choose: spec counts");
        assert!(needed(
            json!({"minReplicas": 4, "maxReplicas": 8}),
            json!(null)
        ));
    }

    fn zones_with(tolerations: serde_json::Value) -> Vec<String> {
        let node = |zone: &str, taints: serde_json::Value| -> Node {
            let labels = json!({"zone": zone});
            let node = json!({"metadata": {"labels": labels}, "spec": {"taints": taints}});
            serde_json::from_value(node).unwrap()
        };
        let nodes = [
            node("a", json!([])),
            node(
                "b",
                json!([{"key": "kafka", "value": "yes", "effect": "NoSchedule"}]),
            ),
            node("c", json!([{"key": "kafka", "effect": "NoExecute"}])),
            node("d", json!([{"key": "other", "effect": "PreferNoSchedule"}])),
        ];
        let tolerations: Vec<Toleration> = serde_json::from_value(tolerations).unwrap();
        let mut zones = BTreeSet::new();
        collect(&nodes, "zone", &tolerations, &mut zones);
        zones.into_iter().collect()
    }

    #[test]
    fn zones_are_those_of_nodes_whose_taints_brokers_bear() {
        assert_eq!(zones_with(json!([])), ["a", "d"]);
        let one = json!([{"key": "kafka", "value": "yes"}]);
        assert_eq!(zones_with(one), ["a", "b", "d"]);
        let any_value = json!([{"key": "kafka", "operator": "Exists"}]);
        assert_eq!(zones_with(any_value), ["a", "b", "c", "d"]);
        let one_effect = json!([{"operator": "Exists", "effect": "NoExecute"}]);
        assert_eq!(zones_with(one_effect), ["a", "c", "d"]);
    }

    #[test]
    fn zones_are_looked_for_on_nodes_that_the_selector_names() {
        let pod: PodTemplate =
            serde_json::from_value(json!({"nodeSelector": {"disk": "fast"}})).unwrap();
        assert_eq!(selector("zone", &pod), "disk=fast,zone");
        assert_eq!(selector("zone", &PodTemplate::default()), "zone");
    }
}
