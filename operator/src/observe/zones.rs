//! The zones that brokers can be born in.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Node;

/// Adds the zones of the schedulable ones of `nodes` to `zones`.
pub fn collect(nodes: &[Node], topology_key: &str, zones: &mut BTreeSet<String>) {
    for node in nodes.iter().filter(|node| is_schedulable(node)) {
        let zone = node
            .metadata
            .labels
            .as_ref()
            .and_then(|labels| labels.get(topology_key));
        zones.extend(zone.filter(|zone| !zone.is_empty()).cloned());
    }
}

/// Whether a pod without tolerations can be placed on `node`.
fn is_schedulable(node: &Node) -> bool {
    let Some(spec) = &node.spec else { return true };
    let tainted = spec
        .taints
        .iter()
        .flatten()
        .any(|taint| taint.effect != "PreferNoSchedule");
    spec.unschedulable != Some(true) && !tainted
}
