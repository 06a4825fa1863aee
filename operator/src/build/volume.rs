//! The volume claim of one incarnation. It carries what adoption needs.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kintsugi_crds::DeletionPolicy;

use crate::cluster::Cluster;
use crate::names::{CLUSTER_ID_ANNOTATION, Member, ZONE_ANNOTATION};

/// The claim of `member`, born in `zone` if brokers are spread over racks.
pub fn build(cluster: &Cluster, member: Member, zone: Option<&str>) -> PersistentVolumeClaim {
    let role = cluster.role(member.role);
    let mut annotations = BTreeMap::new();
    annotations.insert(CLUSTER_ID_ANNOTATION.to_owned(), cluster.cluster_id.clone());
    if let Some(zone) = zone {
        annotations.insert(ZONE_ANNOTATION.to_owned(), zone.to_owned());
    }
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(member.volume_name(&cluster.name)),
            namespace: Some(cluster.namespace.clone()),
            labels: Some(member.labels(&cluster.name)),
            annotations: Some(annotations),
            // Data outlives objects: only a policy of Delete ties the claim to the resource.
            owner_references: (role.deletion_policy == DeletionPolicy::Delete)
                .then(|| vec![cluster.owner_reference()]),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            storage_class_name: role.storage_class_name.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some(
                    [("storage".to_owned(), Quantity(role.size.clone()))]
                        .into_iter()
                        .collect(),
                ),
                ..VolumeResourceRequirements::default()
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use crate::names::Role;

    const BROKER: Member = Member {
        role: Role::Broker,
        id: 1,
        generation: 2,
    };

    #[test]
    fn a_retained_volume_has_no_owner_and_carries_what_adoption_needs() {
        let claim = build(&fixtures::cluster(), BROKER, Some("b")).metadata;
        assert_eq!(claim.name.as_deref(), Some("data-demo-broker-1-2"));
        assert_eq!(claim.owner_references, None);
        let annotations = claim.annotations.unwrap();
        assert_eq!(annotations[CLUSTER_ID_ANNOTATION], "ESIzRFVmd4iZqrvM3e7_AA");
        assert_eq!(annotations[ZONE_ANNOTATION], "b");
        assert_eq!(Member::from_labels(&claim.labels.unwrap()), Some(BROKER));
    }

    #[test]
    fn a_volume_to_be_deleted_goes_with_the_resource() {
        let mut cluster = fixtures::cluster();
        cluster.brokers.deletion_policy = DeletionPolicy::Delete;
        let owners = build(&cluster, BROKER, None)
            .metadata
            .owner_references
            .unwrap();
        assert_eq!(owners, [cluster.owner_reference()]);
    }
}
