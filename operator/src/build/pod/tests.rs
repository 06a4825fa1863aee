use super::*;
use crate::fixtures;

const BROKER: Member = Member {
    role: Role::Broker,
    id: 2,
    generation: 3,
};
const CONTROLLER: Member = Member {
    role: Role::Controller,
    id: 1000,
    generation: 1,
};

fn spec_of(pod: &Pod) -> &PodSpec {
    pod.spec.as_ref().unwrap()
}

#[test]
fn a_broker_advertises_its_address_and_its_zone() {
    let pod = build(&fixtures::cluster(), BROKER, Some("zone-b"));
    assert_eq!(pod.metadata.name.as_deref(), Some("demo-broker-2-3"));
    assert_eq!(
        spec_of(&pod).containers[0].args.as_deref().unwrap(),
        [
            "--config",
            "/etc/kintsugi/server.properties",
            "--override",
            "node.id=2",
            "--override",
            "kintsugi.generation=3",
            "--override",
            "advertised.listeners=PLAINTEXT://$(POD_IP):9092",
            "--override",
            "kintsugi.replication.advertised=$(POD_IP):9091",
            "--override",
            "kintsugi.control.advertised=$(POD_IP):9094",
            "--override",
            "broker.rack=zone-b",
            "--override",
            "kintsugi.cluster.secret.file=/etc/kintsugi-secret/secret",
        ]
    );
}

#[test]
fn a_controller_advertises_its_address_only() {
    let pod = build(&fixtures::cluster(), CONTROLLER, None);
    let arguments = spec_of(&pod).containers[0].args.clone().unwrap();
    assert_eq!(
        arguments[6..],
        [
            "--override",
            "kintsugi.controller.advertised=$(POD_IP):9093",
            "--override",
            "kintsugi.cluster.secret.file=/etc/kintsugi-secret/secret",
        ]
    );
}

#[test]
fn every_node_reads_the_secret_and_none_can_write_it() {
    for member in [BROKER, CONTROLLER] {
        let pod = build(&fixtures::cluster(), member, None);
        let mut volumes = spec_of(&pod).volumes.iter().flatten();
        let secret = volumes.find_map(|volume| volume.secret.as_ref()).unwrap();
        assert_eq!(secret.secret_name.as_deref(), Some("demo-internal"));
        assert_eq!(secret.default_mode, Some(0o440));
        assert_eq!(secret.optional, None, "no pod starts without it");
        let mut mounts = spec_of(&pod).containers[0].volume_mounts.iter().flatten();
        let mount = mounts.find(|mount| mount.name == "secret").unwrap();
        assert_eq!(mount.mount_path, "/etc/kintsugi-secret");
        assert_eq!(mount.read_only, Some(true));
    }
}

#[test]
fn a_node_of_a_cluster_without_a_secret_is_made_as_before_there_was_one() {
    let mut cluster = fixtures::cluster();
    cluster.authenticated = false;
    let text = serde_json::to_string(&build(&cluster, BROKER, None)).unwrap();
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn pods_pass_pod_security_restricted() {
    for member in [BROKER, CONTROLLER] {
        let pod = build(&fixtures::cluster(), member, None);
        let security = spec_of(&pod).security_context.as_ref().unwrap();
        assert_eq!(security.run_as_non_root, Some(true));
        assert_ne!(security.run_as_user, Some(0));
        assert_eq!(
            security.seccomp_profile.as_ref().unwrap().type_,
            "RuntimeDefault"
        );
        for container in &spec_of(&pod).containers {
            let security = container.security_context.as_ref().unwrap();
            assert_eq!(security.allow_privilege_escalation, Some(false));
            assert_eq!(security.read_only_root_filesystem, Some(true));
            let capabilities = security.capabilities.as_ref().unwrap();
            assert_eq!(capabilities.drop.as_deref().unwrap(), ["ALL"]);
            assert_eq!(capabilities.add, None);
        }
        let allowed = |volume: &Volume| {
            volume.config_map.is_some()
                || volume.persistent_volume_claim.is_some()
                || volume.secret.is_some()
        };
        assert!(spec_of(&pod).volumes.iter().flatten().all(allowed));
    }
}

#[test]
fn requests_and_limits_are_always_set() {
    for member in [BROKER, CONTROLLER] {
        let pod = build(&fixtures::cluster(), member, None);
        let resources = spec_of(&pod).containers[0].resources.as_ref().unwrap();
        for amounts in [&resources.requests, &resources.limits] {
            let names: Vec<&str> = amounts
                .as_ref()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect();
            assert_eq!(names, ["cpu", "memory"]);
        }
    }
}

#[test]
fn names_stay_within_a_dns_label_for_the_longest_cluster_name() {
    let name = "n".repeat(36);
    let member = Member {
        role: Role::Controller,
        id: 1004,
        generation: 9_999_999,
    };
    assert!(
        member.pod_name(&name).len() <= 63,
        "{}",
        member.pod_name(&name).len()
    );
}

#[test]
fn the_template_hash_changes_with_image_and_settings_only() {
    let cluster = fixtures::cluster();
    let hash = template_hash(&cluster, BROKER, Some("a"));
    assert_eq!(hash, template_hash(&cluster, BROKER, Some("a")));
    let mut other = cluster.clone();
    other.image = "other".to_owned();
    assert_ne!(hash, template_hash(&other, BROKER, Some("a")));
    let mut other = cluster.clone();
    other
        .config
        .insert("log.retention.ms".to_owned(), "1".to_owned());
    assert_ne!(hash, template_hash(&other, BROKER, Some("a")));
    let mut other = cluster;
    other.healing.crash_loop_seconds = 60;
    assert_eq!(hash, template_hash(&other, BROKER, Some("a")));
}

#[test]
fn a_zone_binds_the_pod_to_nodes_of_that_zone() {
    let mut cluster = fixtures::cluster();
    cluster.topology_key = Some("topology.kubernetes.io/zone".to_owned());
    let pod = serde_json::to_value(build(&cluster, BROKER, Some("zone-b"))).unwrap();
    let terms = &pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        ["nodeSelectorTerms"];
    assert_eq!(terms[0]["matchExpressions"][0]["values"][0], "zone-b");
}

fn cluster_with(pod: serde_json::Value) -> Cluster {
    let mut cluster = fixtures::cluster();
    cluster.brokers.pod = serde_json::from_value(pod).unwrap();
    cluster
}

#[test]
fn what_people_say_of_pods_reaches_those_of_its_role_only() {
    let cluster = cluster_with(json!({
        "imagePullSecrets": [{"name": "registry"}],
        "priorityClassName": "high",
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "kafka", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}],
        "labels": {"team": "a", "kintsugi.dev/role": "controller"},
        "annotations": {"note": "b", "kintsugi.dev/template-hash": "c"},
    }));
    let pod = build(&cluster, BROKER, None);
    let spec = serde_json::to_value(spec_of(&pod)).unwrap();
    assert_eq!(spec["imagePullSecrets"], json!([{"name": "registry"}]));
    assert_eq!(spec["priorityClassName"], "high");
    assert_eq!(spec["nodeSelector"], json!({"disk": "fast"}));
    assert_eq!(
        spec["tolerations"],
        json!([{"key": "kafka", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}])
    );
    let labels = pod.metadata.labels.unwrap();
    assert_eq!(labels["team"], "a");
    // The operator's own win, whatever got past the schema.
    assert_eq!(Member::from_labels(&labels), Some(BROKER));
    let annotations = pod.metadata.annotations.unwrap();
    assert_eq!(annotations["note"], "b");
    let hash = template_hash(&cluster, BROKER, None);
    assert_eq!(annotations[TEMPLATE_HASH_ANNOTATION], hash);
    let plain = fixtures::cluster();
    assert_eq!(
        build(&cluster, CONTROLLER, None),
        build(&plain, CONTROLLER, None)
    );
}

#[test]
fn each_thing_said_of_pods_changes_the_template_and_nothing_said_does_not() {
    let plain = template_hash(&fixtures::cluster(), BROKER, None);
    assert_eq!(template_hash(&cluster_with(json!({})), BROKER, None), plain);
    let mut hashes = std::collections::BTreeSet::from([plain]);
    for said in [
        json!({"imagePullSecrets": [{"name": "a"}]}),
        json!({"priorityClassName": "a"}),
        json!({"nodeSelector": {"a": "b"}}),
        json!({"tolerations": [{"key": "a"}]}),
        json!({"tolerations": [{"key": "a", "value": "b"}]}),
        json!({"labels": {"a": "b"}}),
        json!({"annotations": {"a": "b"}}),
    ] {
        let hash = template_hash(&cluster_with(said.clone()), BROKER, None);
        assert!(hashes.insert(hash), "{said} changes nothing");
    }
}

#[test]
fn a_template_kept_before_there_was_anything_to_say_of_pods_is_still_the_same() {
    let wanted = Template::wanted(&fixtures::cluster(), Role::Broker);
    assert!(!wanted.to_text().contains("pod"));
    let said = Template::wanted(&cluster_with(json!({"labels": {"a": "b"}})), Role::Broker);
    assert_eq!(Template::parse(&said.to_text()), Some(said));
}
