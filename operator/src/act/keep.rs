//! Writing what was learned.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Patch;
use kube::{Api, Client};
use serde_json::json;

use super::resource::merging;
use super::{ActError, answered, creating};

/// Writes `object` in place of `version`, or makes it where there was none; gives the new version.
///
/// # Errors
/// [`ActError::Conflict`] where another version is there by now.
pub async fn write(
    client: &Client,
    object: &ConfigMap,
    version: Option<&str>,
) -> Result<Option<String>, ActError> {
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let act = format!("keep what was learned in ConfigMap {name}");
    let written = match version {
        None => answered(act, api.create(&creating(), object)).await?,
        Some(version) => {
            let patch = Patch::Merge(json!({
                "metadata": {
                    "resourceVersion": version,
                    "ownerReferences": object.metadata.owner_references,
                },
                "binaryData": object.binary_data,
            }));
            answered(act, api.patch(name, &merging(), &patch)).await?
        }
    };
    Ok(written.metadata.resource_version)
}
