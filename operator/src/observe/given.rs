//! A history of the load that people give, in a ConfigMap of theirs.

use k8s_openapi::api::core::v1::ConfigMap;
use kintsugi_crds::AutoscalingHistory;
use kube::{Api, Client};

use super::{ObserveError, bounded};

/// What was seen of it.
#[derive(Clone, Debug, PartialEq)]
pub enum ObservedHistory {
    /// What is under its key.
    Held(Vec<u8>),
    /// There is no such ConfigMap.
    NoConfigMap,
    /// It has other keys only, or none.
    NoKey,
}

/// Reads what `history` names.
///
/// # Errors
/// [`ObserveError`] if the API server does not say what is there.
pub async fn read_history(
    client: &Client,
    namespace: &str,
    history: &AutoscalingHistory,
) -> Result<ObservedHistory, ObserveError> {
    let (name, key) = (&history.config_map, &history.key);
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let found = bounded(format!("ConfigMap {name}"), api.get_opt(name)).await?;
    let Some(found) = found else {
        return Ok(ObservedHistory::NoConfigMap);
    };
    let text = found.data.unwrap_or_default().remove(key);
    let bytes = found.binary_data.unwrap_or_default().remove(key);
    let held = text.map(String::into_bytes);
    let held = held.or(bytes.map(|bytes| bytes.0));
    Ok(held.map_or(ObservedHistory::NoKey, ObservedHistory::Held))
}
