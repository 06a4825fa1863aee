//! Storage classes: whether their volumes can grow.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::storage::v1::StorageClass;
use kube::{Api, Client};

use super::{ObserveError, ObservedVolume, bounded};
use crate::names::Role;

/// Classes that are read in one look: a cluster's brokers have one as a rule.
const CLASSES_MAX: usize = 8;
/// The status by which the API server says that reading is not allowed.
const FORBIDDEN: u16 = 403;

/// Whether the classes of brokers' claims let volumes grow. A class that is gone lets none grow; of
/// one that this operator may not read nothing is said, and the API server has the last word.
///
/// # Errors
/// [`ObserveError`] if the API server does not answer.
pub async fn read(
    client: &Client,
    volumes: &[ObservedVolume],
) -> Result<BTreeMap<String, bool>, ObserveError> {
    let api: Api<StorageClass> = Api::all(client.clone());
    let of_brokers = volumes
        .iter()
        .filter(|volume| volume.member.role == Role::Broker);
    let names: BTreeSet<&String> = of_brokers
        .filter_map(|it| it.storage_class.as_ref())
        .collect();
    let mut expandable = BTreeMap::new();
    for name in names.into_iter().take(CLASSES_MAX) {
        let read = bounded(format!("StorageClass {name}"), api.get_opt(name)).await;
        let class = match read {
            Err(ObserveError::Read { source, .. }) if is_forbidden(&source) => continue,
            read => read?,
        };
        let allows = class.and_then(|class| class.allow_volume_expansion);
        expandable.insert(name.clone(), allows == Some(true));
    }
    Ok(expandable)
}

fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == FORBIDDEN)
}
