//! Clusters for tests, through the real validation.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use kintsugi_crds::KafkaCluster;
use kintsugi_secret::Keys;
use uuid::Uuid;

use crate::cluster::Cluster;
use crate::names::{CONTROLLER_ID_FIRST, Member, Role};
use crate::observe::{
    BrokerView, Membership, Observed, ObservedPod, ObservedSecret, ObservedVolume, Partitions,
    PodState, QuorumView,
};
use crate::template::Template;
use crate::validate::validate;

/// A moment, `seconds` after an arbitrary one.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

/// A resource that takes every default.
pub fn resource() -> KafkaCluster {
    serde_json::from_value(serde_json::json!({
        "apiVersion": "kintsugi.dev/v1alpha1",
        "kind": "KafkaCluster",
        "metadata": {
            "name": "demo",
            "namespace": "kafka",
            "uid": "11223344-5566-7788-99aa-bbccddeeff00",
            "generation": 1,
        },
        "spec": {},
    }))
    .unwrap()
}

/// [`resource`], validated, with nothing observed.
pub fn cluster() -> Cluster {
    validate(&resource(), &Observed::default(), "kintsugi/broker:test").unwrap()
}

/// The three controllers and three brokers of [`cluster`].
pub fn members() -> Vec<Member> {
    let controllers = (0..3).map(|n| (Role::Controller, CONTROLLER_ID_FIRST + n));
    let brokers = (0..3).map(|id| (Role::Broker, id));
    controllers
        .chain(brokers)
        .map(|(role, id)| Member {
            role,
            id,
            generation: 1,
        })
        .collect()
}

/// A volume of `member`, marked as formed.
pub fn volume(member: Member) -> ObservedVolume {
    let cluster = cluster();
    ObservedVolume {
        member,
        name: member.volume_name("demo"),
        uid: format!("uid-{}", member.volume_name("demo")),
        resource_version: "1".to_owned(),
        terminating: false,
        lost: false,
        cluster_id: Some(cluster.cluster_id.clone()),
        zone: None,
        formed: true,
        replacements: Vec::new(),
        last_good: Some(Template::wanted(&cluster, member.role)),
        removal: None,
        size: cluster.role(member.role).size.clone(),
        capacity: Some(cluster.role(member.role).size.clone()),
        storage_class: None,
        grown: None,
        owner: None,
    }
}

/// A ready pod of `member`.
pub fn pod(member: Member) -> ObservedPod {
    ObservedPod {
        member,
        name: member.pod_name("demo"),
        uid: format!("uid-{}", member.pod_name("demo")),
        resource_version: "1".to_owned(),
        created: Some(at(-3_600)),
        ip: Some(format!("10.0.0.{}", member.id % 200)),
        state: PodState::Running,
        ready: true,
        ready_since: Some(at(-3_600)),
        silent: false,
        template_hash: crate::build::pod::template_hash(&cluster(), member, None),
        restart_for: None,
        config_map: Some(crate::build::config_map::name(&cluster(), member.role)),
        knows_secret: true,
        trouble: None,
    }
}

/// What the nodes of [`formed`] know each other by.
pub fn secret() -> ObservedSecret {
    ObservedSecret::Present(keys())
}

/// What it holds.
pub fn keys() -> Keys {
    Keys::parse(&[b'a'; 64]).unwrap()
}

/// A broker as the quorum sees it.
pub fn broker(id: i32) -> BrokerView {
    BrokerView {
        id,
        generation: 1,
        replicas: Some(10),
        lagging: Some(0),
        needed: Some(0),
        needed_always: Some(0),
        ..BrokerView::default()
    }
}

/// A cluster that is whole, except that its Services, ConfigMaps and budgets are those of
/// [`with_objects`] only.
pub fn formed() -> Observed {
    Observed {
        pods: members().into_iter().map(pod).collect(),
        volumes: members().into_iter().map(volume).collect(),
        secret: secret(),
        objects: Vec::new(),
        zones: Vec::new(),
        rebalances: Vec::new(),
        disks: BTreeMap::new(),
        expandable: BTreeMap::new(),
        quorum: Some(QuorumView {
            answering: vec![1000, 1001, 1002],
            behind: Vec::new(),
            leader: Some(1000),
            leader_ip: Some("10.0.0.0".to_owned()),
            directories: controllers()
                .map(|member| (member, directory(member)))
                .collect(),
            membership: Some(Membership {
                voters: controllers()
                    .map(|member| (member.id, Some(directory(member))))
                    .collect(),
                committed: true,
                ..Membership::default()
            }),
            brokers: Some((0..3).map(|id| (id, broker(id))).collect()),
            partitions: Some(Partitions {
                total: 10,
                at_min_isr: Some(0),
                replicas_max: Some(3),
                ..Default::default()
            }),
        }),
    }
}

fn controllers() -> impl Iterator<Item = Member> {
    let all = members().into_iter();
    all.filter(|member| member.role == Role::Controller)
}

/// The directory that a controller forms on its volume.
pub fn directory(member: Member) -> Uuid {
    let id = u128::from(member.id.unsigned_abs());
    Uuid::from_u128((u128::from(member.generation) << 64) | id)
}

/// Who belongs to the quorum of `observed`, to change.
pub fn membership(observed: &mut Observed) -> &mut Membership {
    observed
        .quorum
        .as_mut()
        .unwrap()
        .membership
        .as_mut()
        .unwrap()
}

/// The counts of partitions of `observed`, to change.
pub fn partitions(observed: &mut Observed) -> &mut Partitions {
    observed
        .quorum
        .as_mut()
        .unwrap()
        .partitions
        .as_mut()
        .unwrap()
}
