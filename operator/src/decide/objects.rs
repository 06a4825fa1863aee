//! Services, ConfigMaps, budgets and policies: applied whenever what exists does not cover what should be.

use serde_json::Value;

use super::Draft;
use super::members::Members;
use super::voters::not_voting;
use crate::build::{Object, config_map, disruption_budget, network_policy, service};
use crate::cluster::Cluster;
use crate::names::{MANAGED_BY_LABEL, OPERATOR, Role};
use crate::observe::{Observed, ObservedPod, ObservedVolume};
use crate::plan::Command;

/// Adds an apply for each object that is missing or differs.
pub fn apply(cluster: &Cluster, observed: &Observed, members: &Members<'_>, draft: &mut Draft) {
    let mut objects = service::build_all(cluster);
    for role in [Role::Controller, Role::Broker] {
        objects.push(config_map::build(cluster, role));
        objects.push(disruption_budget::build(
            cluster,
            role,
            min_available(observed, members, role),
        ));
        if cluster.network_policy {
            objects.push(network_policy::build(cluster, role));
        }
    }
    draft.commands.extend(
        objects
            .into_iter()
            .filter(|object| !exists(observed, object))
            .map(Command::Apply),
    );
}

/// Adds the deletion of what the operator made and nobody wants any more.
pub fn collect(cluster: &Cluster, observed: &Observed, draft: &mut Draft) {
    collect_config_maps(cluster, observed, draft);
    if cluster.network_policy {
        return;
    }
    for object in own(cluster, observed, "NetworkPolicy") {
        draft.commands.push(Command::DeleteNetworkPolicy {
            name: metadata(object, "name"),
            uid: metadata(object, "uid"),
            resource_version: metadata(object, "resourceVersion"),
        });
    }
}

/// Adds the deletion of each of the operator's ConfigMaps that is neither wanted nor read by a pod,
/// nor may be again.
fn collect_config_maps(cluster: &Cluster, observed: &Observed, draft: &mut Draft) {
    let wanted = [Role::Controller, Role::Broker].map(|role| config_map::name(cluster, role));
    let is_kept = |name: &str| {
        let read = |pod: &ObservedPod| pod.config_map.as_deref() == Some(name);
        let may_read = |volume: &ObservedVolume| {
            let last_good = volume.last_good.as_ref();
            last_good.is_some_and(|template| template.config_map == name)
        };
        wanted.iter().any(|wanted| wanted == name)
            || observed.pods.iter().any(read)
            || observed.volumes.iter().any(may_read)
    };
    for object in own(cluster, observed, "ConfigMap") {
        let name = metadata(object, "name");
        if !is_kept(&name) {
            draft.commands.push(Command::DeleteConfigMap {
                name,
                uid: metadata(object, "uid"),
                resource_version: metadata(object, "resourceVersion"),
            });
        }
    }
}

fn metadata(object: &Value, key: &str) -> String {
    let text = object["metadata"][key].as_str();
    text.unwrap_or_default().to_owned()
}

/// The objects of `kind` that the operator made for this very resource.
fn own<'a>(
    cluster: &'a Cluster,
    observed: &'a Observed,
    kind: &'a str,
) -> impl Iterator<Item = &'a Value> {
    let objects = observed.objects.iter();
    objects.filter(move |object| object["kind"] == kind && is_own(cluster, object))
}

/// Whether the operator made it for this very resource: people may label their own alike.
fn is_own(cluster: &Cluster, object: &Value) -> bool {
    let metadata = &object["metadata"];
    let owners = metadata["ownerReferences"].as_array();
    metadata["labels"][MANAGED_BY_LABEL] == OPERATOR
        && metadata["deletionTimestamp"].is_null()
        && owners.is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == *cluster.uid))
}

fn exists(observed: &Observed, object: &Object) -> bool {
    let wanted = object.to_value();
    observed.objects.iter().any(|live| {
        live["kind"] == wanted["kind"]
            && live["metadata"]["name"] == wanted["metadata"]["name"]
            && live["metadata"]["deletionTimestamp"].is_null()
            && covers(live, &wanted)
    })
}

/// Whether `live` says all that `wanted` says. The API server adds defaults, which are ignored.
fn covers(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, wanted)| live.get(key).is_some_and(|live| covers(live, wanted))),
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len()
                && live
                    .iter()
                    .zip(wanted)
                    .all(|(live, wanted)| covers(live, wanted))
        }
        (live, wanted) => live == wanted,
    }
}

/// How many pods of `role` an eviction must leave: n-1 while the loss of any one is survived, else
/// all, so that a node drain waits until the copies are whole again. `all` is the size in force,
/// which the resource may not say (a broker that is to go is emptied first).
fn min_available(observed: &Observed, members: &Members<'_>, role: Role) -> i32 {
    let all = members.count(role);
    let ready = observed
        .pods
        .iter()
        .filter(|pod| pod.member.role == role && pod.ready)
        .count();
    let whole = i32::try_from(ready).unwrap_or(0) >= all;
    let survives = match role {
        Role::Controller => all >= 3 && not_voting(observed, members).is_empty(),
        Role::Broker => observed
            .quorum
            .as_ref()
            .and_then(|quorum| quorum.partitions)
            .is_some_and(|partitions| {
                partitions.leaderless == 0
                    && partitions.under_replicated == 0
                    && partitions.at_min_isr == Some(0)
            }),
    };
    if whole && survives { all - 1 } else { all }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixtures;

    #[test]
    fn defaults_of_the_api_server_are_no_difference() {
        let wanted = json!({"spec": {"ports": [{"port": 1}]}});
        assert!(covers(
            &json!({"spec": {"ports": [{"port": 1, "x": 2}], "y": 3}}),
            &wanted
        ));
        assert!(!covers(&json!({"spec": {"ports": [{"port": 2}]}}), &wanted));
        assert!(!covers(
            &json!({"spec": {"ports": [{"port": 1}, {"port": 2}]}}),
            &wanted
        ));
    }

    #[test]
    fn a_broker_may_be_evicted_only_while_every_partition_survives_it() {
        let mut observed = fixtures::formed();
        assert_eq!(available(&observed, Role::Broker), 2);
        let partitions = fixtures::partitions(&mut observed);
        partitions.at_min_isr = Some(1);
        assert_eq!(available(&observed, Role::Broker), 3);
        fixtures::partitions(&mut observed).at_min_isr = None;
        assert_eq!(available(&observed, Role::Broker), 3);
        observed.quorum = None;
        assert_eq!(available(&observed, Role::Broker), 3);
    }

    fn available(observed: &Observed, role: Role) -> i32 {
        let members = Members::find(&fixtures::cluster(), observed);
        min_available(observed, &members, role)
    }

    #[test]
    fn one_controller_is_never_evicted() {
        let mut cluster = fixtures::cluster();
        cluster.controllers.replicas = 1;
        let observed = fixtures::formed();
        let members = Members::find(&cluster, &observed);
        assert_eq!(min_available(&observed, &members, Role::Controller), 1);
    }

    #[test]
    fn no_controller_is_evicted_while_another_one_does_not_vote() {
        let mut observed = fixtures::formed();
        assert_eq!(available(&observed, Role::Controller), 2);
        fixtures::membership(&mut observed).voters.remove(&1001);
        assert_eq!(available(&observed, Role::Controller), 3);
    }
}
