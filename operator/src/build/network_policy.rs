//! One NetworkPolicy a role: nodes of a cluster talk among themselves on ports that nobody else
//! reaches.
//!
//! | port | from | why |
//! |---|---|---|
//! | replication | brokers of this cluster | followers |
//! | controller | nodes of this cluster | brokers' links, other controllers |
//! | control | everywhere | see below |
//! | client, http | everywhere | clients; kubelets, scrapers and the operator |
//!
//! The control port is where a refused connection proves a broker's death. A network plug-in may
//! carry a policy out by refusing, and learns of a new pod's address later than that pod can dial:
//! with a rule by labels a controller that has just been started anew would be refused by brokers
//! that live, and would take them for dead. A rule without `from` knows no addresses, so none can
//! be missing. Whoever dials that port learns which run of the broker holds it, and can say nothing.
//! On the other ports a refusal proves nothing: it only leads to a dial of the control port.

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Object, owned_metadata};
use crate::cluster::Cluster;
use crate::names::{
    CLUSTER_LABEL, CONTROL_PORT, CONTROLLER_PORT, HTTP_PORT, REPLICATION_PORT, Role,
    network_policy, role_labels, role_selector,
};

/// The policy of `role`.
pub fn build(cluster: &Cluster, role: Role) -> Object {
    let name = cluster.name.as_str();
    let ingress = match role {
        Role::Controller => vec![
            rule(&[HTTP_PORT], None),
            rule(&[CONTROLLER_PORT], Some(of_cluster(name))),
        ],
        Role::Broker => vec![
            rule(&[cluster.client_port, CONTROL_PORT, HTTP_PORT], None),
            rule(&[REPLICATION_PORT], Some(of_role(name, Role::Broker))),
        ],
    };
    Object::NetworkPolicy(Box::new(NetworkPolicy {
        metadata: owned_metadata(cluster, network_policy(name, role), role_labels(name, role)),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(of_role(name, role)),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(ingress),
            ..NetworkPolicySpec::default()
        }),
    }))
}

/// Lets `from` (None: everybody) reach these ports.
fn rule(ports: &[i32], from: Option<LabelSelector>) -> NetworkPolicyIngressRule {
    let ports = ports.iter().map(|port| NetworkPolicyPort {
        port: Some(IntOrString::Int(*port)),
        protocol: Some("TCP".to_owned()),
        ..NetworkPolicyPort::default()
    });
    let from = from.map(|pods| {
        vec![NetworkPolicyPeer {
            pod_selector: Some(pods),
            ..NetworkPolicyPeer::default()
        }]
    });
    NetworkPolicyIngressRule {
        ports: Some(ports.collect()),
        from,
    }
}

fn of_cluster(cluster: &str) -> LabelSelector {
    LabelSelector {
        match_labels: Some([(CLUSTER_LABEL.to_owned(), cluster.to_owned())].into()),
        ..LabelSelector::default()
    }
}

fn of_role(cluster: &str, role: Role) -> LabelSelector {
    LabelSelector {
        match_labels: Some(role_selector(cluster, role)),
        ..LabelSelector::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::build::pod;
    use crate::fixtures;

    fn ingress(role: Role) -> Value {
        build(&fixtures::cluster(), role).to_value()["spec"]["ingress"].clone()
    }

    fn tcp(port: i32) -> Value {
        json!({"port": port, "protocol": "TCP"})
    }

    #[test]
    fn brokers_are_reached_by_clients_and_their_control_port_by_everybody() {
        assert_eq!(
            ingress(Role::Broker),
            json!([
                {"ports": [tcp(9092), tcp(9094), tcp(9404)]},
                {"ports": [tcp(9091)], "from": [{"podSelector": {"matchLabels": {
                    "kintsugi.dev/cluster": "demo", "kintsugi.dev/role": "broker"}}}]},
            ])
        );
    }

    #[test]
    fn controllers_are_reached_by_nodes_of_their_cluster() {
        assert_eq!(
            ingress(Role::Controller),
            json!([
                {"ports": [tcp(9404)]},
                {"ports": [tcp(9093)], "from": [{"podSelector": {"matchLabels": {
                    "kintsugi.dev/cluster": "demo"}}}]},
            ])
        );
    }

    #[test]
    fn every_port_of_a_pod_is_named_and_every_pod_is_selected() {
        let cluster = fixtures::cluster();
        for member in fixtures::members() {
            let policy = build(&cluster, member.role).to_value();
            let text = policy["spec"]["ingress"].to_string();
            let made = pod::build(&cluster, member, None);
            for port in made.spec.unwrap().containers[0].ports.as_ref().unwrap() {
                assert!(text.contains(&port.container_port.to_string()), "{port:?}");
            }
            let labels = json!(made.metadata.labels);
            for (key, value) in policy["spec"]["podSelector"]["matchLabels"]
                .as_object()
                .unwrap()
            {
                assert_eq!(labels[key], *value);
            }
        }
    }
}
