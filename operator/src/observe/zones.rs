//! The zones that brokers can be born in.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Node, Taint};
use kintsugi_crds::{PodTemplate, Toleration, TolerationOperator};

use crate::build::pod::placement::effect;

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
