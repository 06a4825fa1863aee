//! The pod of one incarnation. It passes Pod Security "restricted".

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, Capabilities, ConfigMapVolumeSource, Container, ContainerPort, EnvVar, EnvVarSource,
    NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, ObjectFieldSelector,
    PersistentVolumeClaimVolumeSource, Pod, PodSecurityContext, PodSpec, ResourceRequirements,
    SeccompProfile, SecretVolumeSource, SecurityContext, TopologySpreadConstraint, Volume,
    VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use kintsugi_crds::schema::hash_text;
use serde_json::json;

use super::owned_metadata;
use crate::build::config_map::{DATA_DIRECTORY, FILE};
use crate::build::secret;
use crate::cluster::{Amounts, Cluster};
use crate::names::{
    CONTROL_PORT, CONTROLLER_PORT, HTTP_PORT, Member, REPLICATION_PORT, Role,
    TEMPLATE_HASH_ANNOTATION, headless_service, role_selector, secret as secret_name,
};
use crate::template::Template;

pub mod placement;
mod probes;

/// The user and group of the process, and of the volume's files.
const USER_ID: i64 = 10001;
const CONFIG_DIRECTORY: &str = "/etc/kintsugi";
const DATA_MOUNT: &str = "/var/lib/kintsugi";
const SECRET_DIRECTORY: &str = "/etc/kintsugi-secret";
/// The process reads the secret by its group, and nobody writes it.
const SECRET_MODE: i32 = 0o440;
/// A planned stop moves leaderships and lets followers pass the end of the log first.
const BROKER_GRACE_SECONDS: i64 = 60;
/// A controller hands its leadership over and stops.
const CONTROLLER_GRACE_SECONDS: i64 = 15;

/// The pod of `member`, in `zone` if brokers are spread over racks.
pub fn build(cluster: &Cluster, member: Member, zone: Option<&str>) -> Pod {
    let wanted = Template::wanted(cluster, member.role);
    build_from(cluster, member, zone, &wanted)
}

/// [`build`] from another template than the one that spec asks for.
pub fn build_from(
    cluster: &Cluster,
    member: Member,
    zone: Option<&str>,
    template: &Template,
) -> Pod {
    let spec = spec(cluster, member, zone, template);
    // The operator's own come last: it finds its pods by them.
    let mut labels = template.pod.labels.clone();
    labels.extend(member.labels(&cluster.name));
    let mut annotations = template.pod.annotations.clone();
    let hash = hash_of(&spec, template);
    annotations.insert(TEMPLATE_HASH_ANNOTATION.to_owned(), hash);
    let mut metadata = owned_metadata(cluster, member.pod_name(&cluster.name), labels);
    metadata.annotations = Some(annotations);
    Pod {
        metadata,
        spec: Some(spec),
        ..Pod::default()
    }
}

/// Hash of everything that a running pod of `member` cannot learn of without a restart.
pub fn template_hash(cluster: &Cluster, member: Member, zone: Option<&str>) -> String {
    hash_from(
        cluster,
        member,
        zone,
        &Template::wanted(cluster, member.role),
    )
}

/// [`template_hash`] of another template than the one that spec asks for.
pub fn hash_from(
    cluster: &Cluster,
    member: Member,
    zone: Option<&str>,
    template: &Template,
) -> String {
    hash_of(&spec(cluster, member, zone, template), template)
}

/// The settings are part of it, for they are in the ConfigMap's name. Labels and annotations count
/// where there are any.
fn hash_of(spec: &PodSpec, template: &Template) -> String {
    let mut text = serde_json::to_value(spec).unwrap_or_default().to_string();
    let (labels, annotations) = (&template.pod.labels, &template.pod.annotations);
    if !labels.is_empty() || !annotations.is_empty() {
        text.push_str(&json!([labels, annotations]).to_string());
    }
    hash_text(&text)
}

fn spec(cluster: &Cluster, member: Member, zone: Option<&str>, template: &Template) -> PodSpec {
    PodSpec {
        hostname: Some(member.pod_name(&cluster.name)),
        subdomain: Some(headless_service(&cluster.name, member.role)),
        containers: vec![container(cluster, member, zone, template)],
        volumes: Some(volumes(cluster, member, template)),
        image_pull_secrets: placement::image_pull_secrets(&template.pod),
        priority_class_name: template.pod.priority_class_name.clone(),
        node_selector: placement::node_selector(&template.pod),
        tolerations: placement::tolerations(&template.pod),
        affinity: affinity(cluster, zone),
        topology_spread_constraints: Some(spread(cluster, member.role)),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER_ID),
            run_as_group: Some(USER_ID),
            fs_group: Some(USER_ID),
            // Changing the owner of every file at each start would take minutes on large volumes.
            fs_group_change_policy: Some("OnRootMismatch".to_owned()),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                ..SeccompProfile::default()
            }),
            ..PodSecurityContext::default()
        }),
        termination_grace_period_seconds: Some(match member.role {
            Role::Broker => BROKER_GRACE_SECONDS,
            Role::Controller => CONTROLLER_GRACE_SECONDS,
        }),
        restart_policy: Some("Always".to_owned()),
        // Nodes never talk to the Kubernetes API, and need no environment of other Services.
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        ..PodSpec::default()
    }
}

fn container(
    cluster: &Cluster,
    member: Member,
    zone: Option<&str>,
    template: &Template,
) -> Container {
    Container {
        name: member.role.to_string(),
        image: Some(template.image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        args: Some(arguments(cluster, member, zone)),
        env: Some(vec![
            field("POD_IP", "status.podIP"),
            field("POD_NAME", "metadata.name"),
        ]),
        ports: Some(ports(cluster, member.role)),
        resources: Some(resources(&template.amounts)),
        startup_probe: Some(probes::startup()),
        liveness_probe: Some(probes::liveness()),
        readiness_probe: Some(probes::readiness()),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            run_as_non_root: Some(true),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".to_owned()]),
                ..Capabilities::default()
            }),
            ..SecurityContext::default()
        }),
        volume_mounts: Some(mounts(cluster)),
        ..Container::default()
    }
}

fn mounts(cluster: &Cluster) -> Vec<VolumeMount> {
    let read_only = |name: &str, directory: &str| VolumeMount {
        name: name.to_owned(),
        mount_path: directory.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    };
    let mut mounts = vec![
        VolumeMount {
            name: "data".to_owned(),
            mount_path: DATA_MOUNT.to_owned(),
            ..VolumeMount::default()
        },
        read_only("config", CONFIG_DIRECTORY),
    ];
    if cluster.authenticated {
        mounts.push(read_only("secret", SECRET_DIRECTORY));
    }
    mounts
}

/// The command line: what differs from node to node, and where the secret lies. The settings of a
/// template that is kept on a volume may be older than the secret; whether a pod has it must not
/// depend on them.
///
/// Every advertised address is the pod's IP, the clients' too. A pod's DNS name would be steady,
/// but resolvers keep its address for 30 s (CoreDNS as kubeadm ships it), so that clients would
/// look for a returned broker at its old address for as long. The IP that this incarnation
/// registers reaches clients with their next Metadata. Clients in the cluster's network (and on
/// hosts with routes to pods) need nothing else.
fn arguments(cluster: &Cluster, member: Member, zone: Option<&str>) -> Vec<String> {
    debug_assert!(DATA_DIRECTORY.starts_with(DATA_MOUNT));
    let mut overrides = vec![
        format!("node.id={}", member.id),
        format!("kintsugi.generation={}", member.generation),
    ];
    match member.role {
        Role::Controller => {
            overrides.push(format!(
                "kintsugi.controller.advertised=$(POD_IP):{CONTROLLER_PORT}"
            ));
        }
        Role::Broker => {
            let port = cluster.client_port;
            overrides.push(format!("advertised.listeners=PLAINTEXT://$(POD_IP):{port}"));
            overrides.push(format!(
                "kintsugi.replication.advertised=$(POD_IP):{REPLICATION_PORT}"
            ));
            overrides.push(format!(
                "kintsugi.control.advertised=$(POD_IP):{CONTROL_PORT}"
            ));
            if let Some(zone) = zone {
                overrides.push(format!("broker.rack={zone}"));
            }
        }
    }
    if cluster.authenticated {
        let file = secret::FILE;
        overrides.push(format!(
            "kintsugi.cluster.secret.file={SECRET_DIRECTORY}/{file}"
        ));
    }
    let mut arguments = vec!["--config".to_owned(), format!("{CONFIG_DIRECTORY}/{FILE}")];
    for setting in overrides {
        arguments.push("--override".to_owned());
        arguments.push(setting);
    }
    arguments
}

fn ports(cluster: &Cluster, role: Role) -> Vec<ContainerPort> {
    let ports = match role {
        Role::Controller => vec![("controller", CONTROLLER_PORT), ("http", HTTP_PORT)],
        Role::Broker => vec![
            ("client", cluster.client_port),
            ("replication", REPLICATION_PORT),
            ("control", CONTROL_PORT),
            ("http", HTTP_PORT),
        ],
    };
    ports
        .into_iter()
        .map(|(name, container_port)| ContainerPort {
            name: Some(name.to_owned()),
            container_port,
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        })
        .collect()
}

fn resources(amounts: &Amounts) -> ResourceRequirements {
    let pair = |cpu: &str, memory: &str| -> BTreeMap<String, Quantity> {
        [("cpu", cpu), ("memory", memory)]
            .map(|(name, amount)| (name.to_owned(), Quantity(amount.to_owned())))
            .into()
    };
    ResourceRequirements {
        requests: Some(pair(&amounts.cpu_request, &amounts.memory_request)),
        limits: Some(pair(&amounts.cpu_limit, &amounts.memory_limit)),
        ..ResourceRequirements::default()
    }
}

fn volumes(cluster: &Cluster, member: Member, template: &Template) -> Vec<Volume> {
    let mut volumes = vec![
        Volume {
            name: "data".to_owned(),
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: member.volume_name(&cluster.name),
                ..PersistentVolumeClaimVolumeSource::default()
            }),
            ..Volume::default()
        },
        Volume {
            name: "config".to_owned(),
            config_map: Some(ConfigMapVolumeSource {
                name: template.config_map.clone(),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        },
    ];
    if cluster.authenticated {
        volumes.push(Volume {
            name: "secret".to_owned(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(secret_name(&cluster.name)),
                default_mode: Some(SECRET_MODE),
                ..SecretVolumeSource::default()
            }),
            ..Volume::default()
        });
    }
    volumes
}

/// Binds a broker to the zone that it was born in: its rack must stay true.
fn affinity(cluster: &Cluster, zone: Option<&str>) -> Option<Affinity> {
    let (key, zone) = (cluster.topology_key.as_ref()?, zone?);
    let term = NodeSelectorTerm {
        match_expressions: Some(vec![NodeSelectorRequirement {
            key: key.clone(),
            operator: "In".to_owned(),
            values: Some(vec![zone.to_owned()]),
        }]),
        ..NodeSelectorTerm::default()
    };
    Some(Affinity {
        node_affinity: Some(NodeAffinity {
            required_during_scheduling_ignored_during_execution: Some(NodeSelector {
                node_selector_terms: vec![term],
            }),
            ..NodeAffinity::default()
        }),
        ..Affinity::default()
    })
}

/// Spreads a role over zones, if they are known, and over nodes. Wishes, not demands: a pod whose
/// volume is bound to one node must be able to return to it, even where that has become the
/// fuller node.
fn spread(cluster: &Cluster, role: Role) -> Vec<TopologySpreadConstraint> {
    let over = |topology_key: &str| TopologySpreadConstraint {
        max_skew: 1,
        topology_key: topology_key.to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        label_selector: Some(LabelSelector {
            match_labels: Some(role_selector(&cluster.name, role)),
            ..LabelSelector::default()
        }),
        ..TopologySpreadConstraint::default()
    };
    let zones = cluster.topology_key.iter().map(String::as_str);
    zones.chain(["kubernetes.io/hostname"]).map(over).collect()
}

fn field(name: &str, path: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                field_path: path.to_owned(),
                ..ObjectFieldSelector::default()
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    }
}

#[cfg(test)]
mod tests;
