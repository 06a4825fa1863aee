//! The resource and what was observed, checked and made into a [`Cluster`]. Pure.
//!
//! The API server has checked the CEL rules already. What can be wrong here got past an older
//! schema, or shows only together with the volumes.

use std::collections::BTreeSet;

use kintsugi_crds::{
    DeletionPolicy, KafkaCluster, NetworkPolicyMode, PodTemplate, Resources, Storage, owned_keys,
};

use crate::cluster::{Amounts, Cluster, RoleSpec};
use crate::names::{
    ALLOW_UNAVAILABILITY_ANNOTATION, PAUSE_ROLLOUT_ANNOTATION, REMOVE_BROKERS_ANNOTATION, Role,
};
use crate::observe::{Observed, Removal};
use crate::size::size_in_force;

/// What a controller gets where the resource says nothing: the metadata of 10,000 partitions fits.
const CONTROLLER_AMOUNTS: [&str; 4] = ["50m", "64Mi", "1", "256Mi"];
/// What a broker gets where the resource says nothing: two cores and 256 MiB are a useful broker.
const BROKER_AMOUNTS: [&str; 4] = ["100m", "128Mi", "2", "512Mi"];
/// Brokers that the annotation may name: as many as a cluster has.
const REMOVED_FIRST_MAX: usize = 100;
/// Characters of a uid without dashes that hold 128 bits.
const UID_DIGITS: usize = 32;

/// Why a resource cannot be acted on. The texts go into condition Ready.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValidateError {
    /// The API server gave no name, namespace or uid.
    #[error("the resource has no {0}: it was not read from an API server")]
    Incomplete(&'static str),
    /// A setting belongs to the operator.
    #[error("spec.config sets {0}, which the operator sets itself: remove it from spec.config")]
    OwnedSetting(String),
    /// A number that the schema does not allow.
    #[error("{field} is {value}: {advice}")]
    OutOfRange {
        /// The field's path.
        field: &'static str,
        /// Its value.
        value: i64,
        /// What to do.
        advice: &'static str,
    },
    /// Volumes of two Kafka clusters carry the same name.
    #[error(
        "the volume claims of this cluster name two cluster ids, {0} and {1}: rename or remove the \
         claims that do not belong here (annotation kintsugi.dev/cluster-id)"
    )]
    TwoClusterIds(String, String),
    /// The resource's uid is no UUID.
    #[error("failed to derive a cluster id from uid {0:?}: it is not a UUID")]
    Uid(String),
}

fn check_settings(resource: &KafkaCluster) -> Result<(), ValidateError> {
    let mut names = resource.spec.config.keys();
    match names.find(|name| owned_keys::is_operator_owned(name)) {
        Some(name) => Err(ValidateError::OwnedSetting(name.clone())),
        None => Ok(()),
    }
}

/// Checks `resource` and gives every absent field its default.
///
/// # Errors
/// [`ValidateError`] says what is wrong and what to do.
pub fn validate(
    resource: &KafkaCluster,
    observed: &Observed,
    default_image: &str,
) -> Result<Cluster, ValidateError> {
    let metadata = &resource.metadata;
    let spec = &resource.spec;
    let uid = metadata
        .uid
        .clone()
        .ok_or(ValidateError::Incomplete("uid"))?;
    check_numbers(resource)?;
    check_settings(resource)?;
    let autoscaling = spec.brokers.autoscaling.as_ref();
    let status = resource.status.as_ref();
    let written = status.and_then(|status| status.autoscaling.clone());
    let start = spec.brokers.replicas;
    Ok(Cluster {
        name: metadata
            .name
            .clone()
            .ok_or(ValidateError::Incomplete("name"))?,
        namespace: metadata
            .namespace
            .clone()
            .ok_or(ValidateError::Incomplete("namespace"))?,
        cluster_id: cluster_id(&uid, observed)?,
        uid,
        generation: metadata.generation.unwrap_or(0),
        controllers: role(
            spec.controllers.replicas,
            &spec.controllers.storage,
            &spec.controllers.resources,
            &spec.controllers.pod,
            CONTROLLER_AMOUNTS,
        ),
        brokers: role(
            size_in_force(autoscaling, start, written.as_ref(), observed),
            &spec.brokers.storage,
            &spec.brokers.resources,
            &spec.brokers.pod,
            BROKER_AMOUNTS,
        ),
        autoscaling: autoscaling.cloned(),
        autoscaling_written: written,
        sizing: None,
        rebalance: spec.rebalance,
        balancing: None,
        storage_autoscaling: spec.brokers.storage.autoscaling.clone(),
        storage_written: status.and_then(|status| status.storage.clone()),
        storing: None,
        brokers_present: brokers_present(observed),
        removed_first: removed_first(resource),
        topology_key: spec
            .brokers
            .racks
            .as_ref()
            .map(|racks| racks.topology_key.clone()),
        client_port: spec
            .listeners
            .first()
            .map_or(9092, |listener| listener.port),
        config: spec.config.clone(),
        image: spec
            .image
            .clone()
            .unwrap_or_else(|| default_image.to_owned()),
        authenticated: observed.is_authenticated(),
        network_policy: spec.network_policy == NetworkPolicyMode::Enabled,
        healing: spec.healing.clone(),
        paused: spec.paused,
        rollout_paused: is_set(resource, PAUSE_ROLLOUT_ANNOTATION),
        unavailability_allowed: is_set(resource, ALLOW_UNAVAILABILITY_ANNOTATION),
    })
}

/// Distinct brokers with a volume that does not say that they were removed.
fn brokers_present(observed: &Observed) -> i32 {
    let volumes = observed.volumes.iter();
    let present: BTreeSet<i32> = volumes
        .filter(|volume| volume.member.role == Role::Broker)
        .filter(|volume| volume.removal != Some(Removal::Drained))
        .map(|volume| volume.member.id)
        .collect();
    i32::try_from(present.len()).unwrap_or(i32::MAX)
}

/// What is no number is left out: a wish that cannot be read changes only who goes first.
fn removed_first(resource: &KafkaCluster) -> BTreeSet<i32> {
    let annotations = resource.metadata.annotations.as_ref();
    let text = annotations.and_then(|all| all.get(REMOVE_BROKERS_ANNOTATION));
    let ids = text.into_iter().flat_map(|text| text.split(','));
    ids.take(REMOVED_FIRST_MAX)
        .filter_map(|id| id.trim().parse().ok())
        .collect()
}

fn is_set(resource: &KafkaCluster, annotation: &str) -> bool {
    let annotations = resource.metadata.annotations.as_ref();
    annotations.is_some_and(|all| all.get(annotation).is_some_and(|value| value == "true"))
}

fn check_numbers(resource: &KafkaCluster) -> Result<(), ValidateError> {
    let spec = &resource.spec;
    let checks = [
        (
            [1, 3, 5].contains(&spec.controllers.replicas),
            "spec.controllers.replicas",
            spec.controllers.replicas,
            "set 1, 3 or 5",
        ),
        (
            (1..=100).contains(&spec.brokers.replicas),
            "spec.brokers.replicas",
            spec.brokers.replicas,
            "set 1 to 100",
        ),
        (
            spec.listeners.len() == 1,
            "the number of spec.listeners",
            i32::try_from(spec.listeners.len()).unwrap_or(i32::MAX),
            "set exactly one",
        ),
    ];
    match checks.into_iter().find(|(holds, ..)| !holds) {
        Some((_, field, value, advice)) => Err(ValidateError::OutOfRange {
            field,
            value: value.into(),
            advice,
        }),
        None => Ok(()),
    }
}

/// The volumes' cluster id, for volumes outlive the resource. Without volumes it follows from the
/// resource's uid: the same however often the operator restarts while it forms the cluster.
fn cluster_id(uid: &str, observed: &Observed) -> Result<String, ValidateError> {
    let mut ids = observed
        .volumes
        .iter()
        .filter_map(|volume| volume.cluster_id.as_ref());
    if let Some(first) = ids.next() {
        return match ids.find(|id| *id != first) {
            Some(other) => Err(ValidateError::TwoClusterIds(first.clone(), other.clone())),
            None => Ok(first.clone()),
        };
    }
    let digits: String = uid.chars().filter(|character| *character != '-').collect();
    if digits.len() != UID_DIGITS {
        return Err(ValidateError::Uid(uid.to_owned()));
    }
    u128::from_str_radix(&digits, 16)
        .map(base64_url)
        .map_err(|_| ValidateError::Uid(uid.to_owned()))
}

/// 128 bits as 22 characters of unpadded base64url, Kafka's form of a cluster id.
fn base64_url(bits: u128) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..22u32)
        .map(|index| {
            // The last character holds the two lowest bits, padded with zeros on the right.
            let six_bits = if index < 21 {
                bits >> (122 - 6 * index)
            } else {
                bits << 4
            };
            char::from(ALPHABET[usize::try_from(six_bits & 63).unwrap_or(0)])
        })
        .collect()
}

fn role(
    replicas: i32,
    storage: &Storage,
    resources: &Resources,
    pod: &PodTemplate,
    defaults: [&str; 4],
) -> RoleSpec {
    let [cpu_request, memory_request, cpu_limit, memory_limit] = defaults;
    let pick = |set: &Option<String>, default: &str| set.clone().unwrap_or(default.to_owned());
    // A request without a limit above the default limit would be refused by Kubernetes, so a
    // request that is set also stands in for an absent limit.
    let limit = |limit: &Option<String>, request: &Option<String>, default: &str| {
        limit
            .clone()
            .or_else(|| request.clone())
            .unwrap_or(default.to_owned())
    };
    let request = |request: &Option<String>, limit: &Option<String>, default: &str| match limit {
        Some(limit) if request.is_none() => limit.clone(),
        _ => pick(request, default),
    };
    let (requests, limits) = (&resources.requests, &resources.limits);
    RoleSpec {
        replicas,
        size: storage.size.clone(),
        storage_class_name: storage.storage_class_name.clone(),
        deletion_policy: match storage.deletion_policy {
            DeletionPolicy::Delete => DeletionPolicy::Delete,
            DeletionPolicy::Retain => DeletionPolicy::Retain,
        },
        pod: pod.clone(),
        amounts: Amounts {
            cpu_request: request(&requests.cpu, &limits.cpu, cpu_request),
            memory_request: request(&requests.memory, &limits.memory, memory_request),
            cpu_limit: limit(&limits.cpu, &requests.cpu, cpu_limit),
            memory_limit: limit(&limits.memory, &requests.memory, memory_limit),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn cluster_id_without_volumes_follows_from_the_uid() {
        let cluster = fixtures::cluster();
        assert_eq!(cluster.cluster_id, "ESIzRFVmd4iZqrvM3e7_AA");
    }

    #[test]
    fn cluster_id_of_volumes_wins_over_the_uid() {
        let mut observed = fixtures::formed();
        for volume in &mut observed.volumes {
            volume.cluster_id = Some("former".to_owned());
        }
        let cluster = validate(&fixtures::resource(), &observed, "image").unwrap();
        assert_eq!(cluster.cluster_id, "former");
    }

    #[test]
    fn volumes_of_two_clusters_are_refused() {
        let mut observed = fixtures::formed();
        observed.volumes[0].cluster_id = Some("other".to_owned());
        let refused = validate(&fixtures::resource(), &observed, "image").unwrap_err();
        assert!(
            matches!(refused, ValidateError::TwoClusterIds(..)),
            "{refused}"
        );
    }

    #[test]
    fn settings_of_the_operator_are_refused_even_without_the_api_server() {
        let mut resource = fixtures::resource();
        resource
            .spec
            .config
            .insert("node.id".to_owned(), "7".to_owned());
        let refused = validate(&resource, &Observed::default(), "image").unwrap_err();
        assert_eq!(refused, ValidateError::OwnedSetting("node.id".to_owned()));
    }

    #[test]
    fn an_absent_limit_takes_the_request_that_was_set() {
        let mut resource = fixtures::resource();
        resource.spec.brokers.resources.requests.memory = Some("4Gi".to_owned());
        let cluster = validate(&resource, &Observed::default(), "image").unwrap();
        assert_eq!(cluster.brokers.amounts.memory_limit, "4Gi");
        assert_eq!(cluster.brokers.amounts.cpu_limit, "2");
    }
}
