//! One part of what was learned, read by its name.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};

use super::{ObserveError, bounded};
use crate::learned::KEY;
use crate::names::{MANAGED_BY_LABEL, OPERATOR};

/// What was seen of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedLearned {
    /// Its version.
    pub resource_version: String,
    /// Whether the operator made it.
    pub is_ours: bool,
    /// What it holds; nothing where the key is not there.
    pub bytes: Vec<u8>,
}

/// Reads the ConfigMap `name`. None if it is not there.
///
/// # Errors
/// [`ObserveError`] if the API server does not say whether it is there.
pub async fn read_learned(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<ObservedLearned>, ObserveError> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let found = bounded(format!("ConfigMap {name}"), api.get_opt(name)).await?;
    Ok(found.map(|mut found| {
        let labels = found.metadata.labels.take().unwrap_or_default();
        let mut data = found.binary_data.take().unwrap_or_default();
        ObservedLearned {
            resource_version: found.metadata.resource_version.unwrap_or_default(),
            is_ours: labels
                .get(MANAGED_BY_LABEL)
                .is_some_and(|by| by == OPERATOR),
            bytes: data.remove(KEY).map(|bytes| bytes.0).unwrap_or_default(),
        }
    }))
}
