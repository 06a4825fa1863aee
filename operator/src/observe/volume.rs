//! A volume claim, reduced to what decisions need.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::jiff::Timestamp;

use crate::names::{
    CLUSTER_ID_ANNOTATION, FORMED_ANNOTATION, GROWN_ANNOTATION, LAST_GOOD_ANNOTATION, Member,
    REMOVAL_ANNOTATION, REPLACEMENTS_ANNOTATION, ZONE_ANNOTATION,
};
use crate::template::Template;

/// Replacement times read from one volume; more were not written by the operator.
const REPLACEMENTS_READ_MAX: usize = 32;

/// How far the removal of a broker is, as its volume says. It is written before anything is done,
/// and nothing else tells whose act a cordon was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// Its replicas are being moved to other brokers.
    Draining,
    /// No partition named it any more: it does not belong to the cluster.
    Drained,
}

impl Removal {
    /// The annotation's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Removal::Draining => "draining",
            Removal::Drained => "drained",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Removal::Draining, Removal::Drained]
            .into_iter()
            .find(|removal| removal.as_str() == text)
    }
}

/// What was seen of a volume claim.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedVolume {
    /// Which node's incarnation it belongs to.
    pub member: Member,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its version.
    pub resource_version: String,
    /// Whether it is being deleted. It stays until its pod is gone.
    pub terminating: bool,
    /// Whether the volume behind it is gone (the claim's phase Lost).
    pub lost: bool,
    /// Kafka's cluster id.
    pub cluster_id: Option<String>,
    /// The broker's zone.
    pub zone: Option<String>,
    /// Whether the quorum was seen active with it.
    pub formed: bool,
    /// When its pod was replaced.
    pub replacements: Vec<Timestamp>,
    /// The template with which its pod was last ready.
    pub last_good: Option<Template>,
    /// How far the removal of its broker is, if it is to be removed or was.
    pub removal: Option<Removal>,
    /// The size it asks for.
    pub size: String,
    /// The size that its volume has. None until it is bound.
    pub capacity: Option<String>,
    /// Its storage class.
    pub storage_class: Option<String>,
    /// When it last asked for more, where volumes grow by themselves.
    pub grown: Option<Timestamp>,
    /// The uid of the KafkaCluster that owns it, if one does.
    pub owner: Option<String>,
}

impl ObservedVolume {
    /// Reduces `claim`. None if its labels name no member.
    pub fn from_claim(claim: &PersistentVolumeClaim) -> Option<Self> {
        let metadata = &claim.metadata;
        let annotation = |key: &str| metadata.annotations.as_ref()?.get(key).cloned();
        let size = claim
            .spec
            .as_ref()
            .and_then(|spec| spec.resources.as_ref()?.requests.as_ref()?.get("storage"))
            .map(|quantity| quantity.0.clone());
        Some(Self {
            member: Member::from_labels(metadata.labels.as_ref()?)?,
            name: metadata.name.clone()?,
            uid: metadata.uid.clone()?,
            resource_version: metadata.resource_version.clone()?,
            terminating: metadata.deletion_timestamp.is_some(),
            lost: claim.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Lost"),
            cluster_id: annotation(CLUSTER_ID_ANNOTATION),
            zone: annotation(ZONE_ANNOTATION),
            formed: annotation(FORMED_ANNOTATION).as_deref() == Some("true"),
            replacements: annotation(REPLACEMENTS_ANNOTATION)
                .map(|text| parse_times(&text))
                .unwrap_or_default(),
            last_good: annotation(LAST_GOOD_ANNOTATION).and_then(|text| Template::parse(&text)),
            removal: annotation(REMOVAL_ANNOTATION).and_then(|text| Removal::parse(&text)),
            size: size.unwrap_or_default(),
            capacity: claim
                .status
                .as_ref()
                .and_then(|status| status.capacity.as_ref()?.get("storage"))
                .map(|quantity| quantity.0.clone()),
            storage_class: claim
                .spec
                .as_ref()
                .and_then(|s| s.storage_class_name.clone()),
            grown: annotation(GROWN_ANNOTATION).and_then(|text| text.parse().ok()),
            owner: super::owner(metadata),
        })
    }
}

fn parse_times(text: &str) -> Vec<Timestamp> {
    text.split(',')
        .take(REPLACEMENTS_READ_MAX)
        .filter_map(|part| part.parse().ok())
        .collect()
}
