//! Zones: given to each broker at birth, balanced, and kept.

use super::*;
use crate::names::ZONE_ANNOTATION;

/// The zone of each volume that `planned` creates, and of each pod its node affinity's.
fn zones_of(commands: &[Command]) -> (Vec<String>, Vec<String>) {
    let (mut volumes, mut pods) = (Vec::new(), Vec::new());
    for command in commands {
        match command {
            Command::CreateVolume(claim) => {
                let annotations = claim.metadata.annotations.as_ref().unwrap();
                volumes.extend(annotations.get(ZONE_ANNOTATION).cloned());
            }
            Command::CreatePod(pod) => {
                let pod = serde_json::to_value(pod).unwrap();
                let terms = &pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
                    ["nodeSelectorTerms"];
                let zone = &terms[0]["matchExpressions"][0]["values"][0];
                pods.extend(zone.as_str().map(str::to_owned));
            }
            _ => {}
        }
    }
    (volumes, pods)
}

fn spread(brokers: i32) -> Cluster {
    let mut cluster = cluster();
    cluster.topology_key = Some("zone".to_owned());
    cluster.brokers.replicas = brokers;
    cluster
}

fn zones(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn births_stay_balanced_over_zones_wherever_the_operator_dies_between_two_of_them() {
    for brokers in 3..12 {
        let cluster = spread(brokers);
        for died_after in 0..brokers {
            let mut observed = formed();
            observed
                .volumes
                .retain(|volume| volume.member.role == Role::Controller);
            observed
                .pods
                .retain(|pod| pod.member.role == Role::Controller);
            observed.quorum.as_mut().unwrap().brokers = Some([].into());
            observed.zones = zones(&["a", "b", "c"]);
            let mut born: Vec<String> = Vec::new();
            for look in 0..2 {
                let plan = decide(&cluster, &observed, None, &History::default(), at(look));
                let (given, _) = zones_of(&plan.commands);
                let done = if look == 0 { died_after } else { brokers };
                let done = usize::try_from(done).unwrap() - born.len();
                for zone in given.into_iter().take(done) {
                    let id = i32::try_from(born.len()).unwrap();
                    let mut made = volume(Member { id, ..BROKER_1 });
                    made.zone = Some(zone.clone());
                    observed.volumes.push(made);
                    born.push(zone);
                }
            }
            let count = |zone: &str| born.iter().filter(|born| *born == zone).count();
            let counts = ["a", "b", "c"].map(count);
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            assert_eq!(born.len(), usize::try_from(brokers).unwrap());
            assert!(
                most - least <= 1,
                "{brokers} brokers, {died_after} at first: {counts:?}"
            );
        }
    }
}

#[test]
fn a_broker_keeps_its_zone_when_its_pod_is_made_again() {
    let cluster = spread(3);
    let mut observed = formed();
    for (volume, zone) in observed.volumes.iter_mut().skip(3).zip(["b", "a", "c"]) {
        volume.zone = Some(zone.to_owned());
    }
    observed
        .pods
        .retain(|pod| pod.member.role == Role::Controller);
    // Nodes are not even read: the volumes say it all.
    let plan = decide(&cluster, &observed, None, &History::default(), at(0));
    assert_eq!(zones_of(&plan.commands).1, ["b", "a", "c"]);
}

#[test]
fn a_replaced_volume_stays_in_its_brokers_zone_even_while_no_node_there_takes_pods() {
    let cluster = spread(3);
    let mut observed = volume_lost();
    for (volume, zone) in observed.volumes.iter_mut().skip(3).zip(["a", "c"]) {
        volume.zone = Some(zone.to_owned());
    }
    let broker = registered(&mut observed, 1);
    (broker.rack, broker.granted_generation) = (Some("b".to_owned()), Some(2));
    observed.zones = zones(&["a", "c"]);
    let plan = decide(&cluster, &observed, None, &History::default(), at(0));
    assert_eq!(zones_of(&plan.commands), (zones(&["b"]), zones(&["b"])));
}

#[test]
fn a_broker_keeps_its_zone_through_a_change_of_everything_else() {
    let mut cluster = spread(3);
    let mut observed = formed();
    for (volume, zone) in observed.volumes.iter_mut().skip(3).zip(["b", "a", "c"]) {
        volume.zone = Some(zone.to_owned());
    }
    observed
        .pods
        .retain(|pod| pod.member.role == Role::Controller);
    // Other zones are emptier by now, and another image, size and number are asked for.
    observed.zones = zones(&["c", "d", "e"]);
    cluster.image = "kintsugi/broker:next".to_owned();
    cluster.brokers.replicas = 5;
    let plan = decide(&cluster, &observed, None, &History::default(), at(0));
    let (born, pods) = zones_of(&plan.commands);
    assert_eq!(born, ["d", "e"]);
    assert_eq!(pods, ["b", "a", "c", "d", "e"]);
}

#[test]
fn a_zone_with_too_many_brokers_is_reported() {
    let mut cluster = spread(5);
    let cases = [
        (["a", "b", "c", "a", "b"], None),
        (["a", "b", "c", "a", "a"], Some("Uneven")),
        (["a", "a", "a", "a", "a"], Some("OneZone")),
    ];
    let five = |given: [&str; 5]| {
        let mut observed = formed();
        observed
            .volumes
            .retain(|volume| volume.member.role == Role::Controller);
        for (id, zone) in (0..).zip(given) {
            let mut made = volume(Member { id, ..BROKER_1 });
            made.zone = Some(zone.to_owned());
            observed.volumes.push(made);
        }
        observed
    };
    for (given, expected) in cases {
        let status = status(&cluster, &five(given), &History::default());
        let uneven = condition(&status, "RacksUneven");
        let reason = (uneven.status == ConditionStatus::True).then_some(uneven.reason.as_str());
        assert_eq!(reason, expected, "{given:?}");
    }
    cluster.topology_key = None;
    let status = status(&cluster, &five(["a"; 5]), &History::default());
    assert_eq!(condition(&status, "RacksUneven").reason, "NoRacks");
}
