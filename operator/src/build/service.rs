//! Services: names for pods, a steady address for each controller, and one to bootstrap from.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Object, owned_metadata};
use crate::cluster::Cluster;
use crate::names::{
    CONTROLLER_PORT, HTTP_PORT, NODE_ID_LABEL, REPLICATION_PORT, Role, bootstrap_service,
    controller_service, headless_service, role_labels, role_selector,
};

/// All Services of the cluster.
pub fn build_all(cluster: &Cluster) -> Vec<Object> {
    let mut services: Vec<Object> = cluster
        .controller_ids()
        .map(|id| controller(cluster, id))
        .collect();
    services.push(headless(cluster, Role::Controller));
    services.push(headless(cluster, Role::Broker));
    services.push(bootstrap(cluster));
    services
}

/// The headless Service behind the pods' hostnames. Addresses of pods that are not ready are
/// published: nodes must find each other before they can become ready.
fn headless(cluster: &Cluster, role: Role) -> Object {
    let ports = match role {
        Role::Controller => vec![port("controller", CONTROLLER_PORT), port("http", HTTP_PORT)],
        Role::Broker => vec![
            port("client", cluster.client_port),
            port("replication", REPLICATION_PORT),
            port("http", HTTP_PORT),
        ],
    };
    service(
        cluster,
        headless_service(&cluster.name, role),
        role,
        ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            publish_not_ready_addresses: Some(true),
            selector: Some(role_selector(&cluster.name, role)),
            ports: Some(ports),
            ..ServiceSpec::default()
        },
    )
}

/// The steady address of one controller, whichever pod it runs in.
fn controller(cluster: &Cluster, id: i32) -> Object {
    let mut selector = role_selector(&cluster.name, Role::Controller);
    selector.insert(NODE_ID_LABEL.to_owned(), id.to_string());
    let name = controller_service(&cluster.name, id);
    service(
        cluster,
        name,
        Role::Controller,
        ServiceSpec {
            publish_not_ready_addresses: Some(true),
            selector: Some(selector),
            ports: Some(vec![port("controller", CONTROLLER_PORT)]),
            ..ServiceSpec::default()
        },
    )
}

/// Where clients begin: any ready broker.
fn bootstrap(cluster: &Cluster) -> Object {
    let selector: BTreeMap<String, String> = role_selector(&cluster.name, Role::Broker);
    service(
        cluster,
        bootstrap_service(&cluster.name),
        Role::Broker,
        ServiceSpec {
            selector: Some(selector),
            ports: Some(vec![port("client", cluster.client_port)]),
            ..ServiceSpec::default()
        },
    )
}

fn service(cluster: &Cluster, name: String, role: Role, spec: ServiceSpec) -> Object {
    Object::Service(Box::new(Service {
        metadata: owned_metadata(cluster, name, role_labels(&cluster.name, role)),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            ..spec
        }),
        ..Service::default()
    }))
}

fn port(name: &str, number: i32) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: number,
        target_port: Some(IntOrString::Int(number)),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn every_controller_has_a_steady_address_and_every_role_a_headless_service() {
        let services = build_all(&fixtures::cluster());
        let names: Vec<&str> = services.iter().map(Object::name).collect();
        assert_eq!(
            names,
            [
                "demo-controller-1000",
                "demo-controller-1001",
                "demo-controller-1002",
                "demo-controllers",
                "demo-brokers",
                "demo-bootstrap",
            ]
        );
    }

    #[test]
    fn only_the_bootstrap_service_leaves_out_brokers_that_are_not_ready() {
        for service in build_all(&fixtures::cluster()) {
            let publishes = service.to_value()["spec"]["publishNotReadyAddresses"] == true;
            assert_eq!(
                publishes,
                service.name() != "demo-bootstrap",
                "{}",
                service.name()
            );
        }
    }
}
