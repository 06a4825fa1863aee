//! Writes to the resource of a look, and what looks at resources act through.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use kube::api::{Patch, PatchParams};
use kube::runtime::events::Recorder;
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{ActError, announce, answered};
use crate::kafka::Session;
use crate::metrics::{Kind, Metrics};
use crate::names::OPERATOR;
use crate::plan::Announcement;

/// What acts for a resource go through that stands for something in Kafka.
#[derive(Clone, Copy)]
pub struct Hands<'a> {
    /// To the API server.
    pub client: &'a Client,
    /// For Events.
    pub recorder: &'a Recorder,
    /// Counts acts.
    pub metrics: &'a Metrics,
    /// To a broker, where one answered.
    pub session: Option<&'a Session>,
}

impl Hands<'_> {
    /// Counts an act that was done for `resource`, and tells of it.
    pub async fn done<K>(&self, kind: Kind, resource: &K, announcement: Option<Announcement>)
    where
        K: Resource<DynamicType = ()>,
    {
        self.metrics.acts(kind, 1);
        if let Some(announcement) = announcement {
            tracing::info!(
                kind = K::kind(&()).as_ref(),
                name = resource.meta().name,
                namespace = resource.meta().namespace,
                reason = announcement.reason,
                "{}",
                announcement.note
            );
            announce(self.recorder, &resource.object_ref(&()), &announcement).await;
        }
    }
}

/// Merges `metadata` into that of `resource`, and gives its new version. `metadata` names the version
/// that it was decided by.
///
/// # Errors
/// [`ActError`].
pub async fn mark<K>(
    client: &Client,
    resource: &K,
    metadata: &Value,
) -> Result<Option<String>, ActError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + Debug,
{
    let (api, name) = (api(client, resource), name(resource));
    let patch = Patch::Merge(json!({ "metadata": metadata }));
    let act = format!("mark {} {name}", K::kind(&()));
    let marked = answered(act, api.patch(name, &merging(), &patch)).await?;
    Ok(marked.meta().resource_version.clone())
}

/// Puts `status` in place of `written`, which is what stood there in `version`, and gives the
/// resource's new version.
///
/// # Errors
/// [`ActError`].
pub async fn write_status<K, S>(
    client: &Client,
    resource: &K,
    version: Option<&String>,
    written: Option<&S>,
    status: &S,
) -> Result<Option<String>, ActError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + Debug,
    S: Serialize,
{
    let (api, name) = (api(client, resource), name(resource));
    let patch = Patch::Merge(json!({
        "metadata": {"resourceVersion": version},
        "status": replacing(&json!(written), json!(status)),
    }));
    let act = format!("write the status of {} {name}", K::kind(&()));
    let wrote = answered(act, api.patch_status(name, &merging(), &patch)).await?;
    Ok(wrote.meta().resource_version.clone())
}

/// Parameters of a merge.
pub fn merging() -> PatchParams {
    PatchParams {
        field_manager: Some(OPERATOR.to_owned()),
        ..PatchParams::default()
    }
}

/// The merge patch (RFC 7386) that makes `after` of `before`. What is only absent from a merge patch
/// stays as it was, so what `after` lacks is null in it.
fn replacing(before: &Value, after: Value) -> Value {
    match (before, after) {
        (Value::Object(before), Value::Object(mut after)) => {
            for (key, before) in before {
                let after = after.entry(key.as_str()).or_insert(Value::Null);
                *after = replacing(before, after.take());
            }
            Value::Object(after)
        }
        (_, after) => after,
    }
}

fn name<K: Resource>(resource: &K) -> &str {
    resource.meta().name.as_deref().unwrap_or_default()
}

fn api<K>(client: &Client, resource: &K) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    let namespace = resource.meta().namespace.as_deref().unwrap_or_default();
    Api::namespaced(client.clone(), namespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_status_lacks_is_taken_off_at_every_depth_and_lists_are_replaced() {
        let before = json!({
            "gate": "ClusterPaused",
            "progress": {"movesLeft": 3, "secondsLeft": 9},
            "moves": [{"topic": "t", "bytes": 1}],
            "phase": "Paused",
        });
        let after = json!({
            "progress": {"movesLeft": 2},
            "moves": [{"topic": "u"}],
            "phase": "Rebalancing",
        });
        let patch = json!({
            "gate": null,
            "progress": {"movesLeft": 2, "secondsLeft": null},
            "moves": [{"topic": "u"}],
            "phase": "Rebalancing",
        });
        assert_eq!(replacing(&before, after.clone()), patch);
        assert_eq!(replacing(&Value::Null, after.clone()), after);
    }
}
