//! The only room that writes to the cluster.
//!
//! Guarantees: commands are carried out in order, and the first failure of one that others build
//! on ends the acts; the status is written in any case. Every write is bounded in time. Deletes and changes name
//! the uid and version that the decision saw; what has changed since is a conflict, not an act.
//! Never does: decide.

use std::fmt::Debug;

use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kintsugi_crds::{DeletionPolicy, KafkaCluster};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::runtime::events::Recorder;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub use self::event::announce;
use self::resource::{merging, write_status};
use crate::build::Object;
use crate::http_client::HttpError;
use crate::kafka::KafkaError;
use crate::names::{OPERATOR, RESTART_ANNOTATION};
use crate::observe::REQUEST_TIMEOUT;
use crate::plan::{Announcement, Command, PodDeletion, PodMark, VolumeChange};

mod brokers;
mod controllers;
mod event;
pub mod keep;
mod rebalance;
pub mod resource;
mod secret;

/// HTTP statuses by which admission and validation refuse: bad request, forbidden, invalid.
const REFUSALS: [u16; 3] = [400, 403, 422];

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// Something changed since it was observed, or another operator was faster: look again.
    #[error("failed to {act}: it has changed since it was observed")]
    Conflict {
        /// The act.
        act: String,
    },
    /// The API server refused or broke off.
    #[error("failed to {act}: {source}")]
    Kubernetes {
        /// The act.
        act: String,
        /// The cause.
        #[source]
        source: Box<kube::Error>,
    },
    /// The API server would not let a pod take the place of the one that it is to replace.
    #[error("the API server would refuse the new pod {pod}, so nothing was deleted: {message}")]
    Refused {
        /// The pod's name.
        pod: String,
        /// What the API server said.
        message: String,
    },
    /// The API server did not answer in time.
    #[error("failed to {act}: no answer from the API server within {} s", REQUEST_TIMEOUT.as_secs())]
    Timeout {
        /// The act.
        act: String,
    },
    /// The system gave no random bytes.
    #[error("failed to {act}: the system gave no random bytes")]
    NoRandomness {
        /// The act.
        act: String,
    },
    /// A broker refused, or the controller that it asked, or none answered.
    #[error("failed to {act}: {source}")]
    Kafka {
        /// The act.
        act: String,
        /// The cause.
        #[source]
        source: Box<KafkaError>,
    },
    /// The active controller refused or did not answer.
    #[error("failed to {act}: {source}")]
    Controller {
        /// The act.
        act: String,
        /// The cause.
        #[source]
        source: HttpError,
    },
}

/// Carries out `commands` for `cluster` and returns how many acts were done. Controllers are shown
/// `token`, if they know a secret.
///
/// # Errors
/// The first failure; the status has been written nevertheless, if it could be.
pub async fn act(
    client: &Client,
    recorder: &Recorder,
    cluster: &KafkaCluster,
    token: Option<&str>,
    commands: &[Command],
) -> Result<usize, ActError> {
    let mut done = 0;
    let mut failed = None;
    let mut stopped = false;
    for command in commands {
        if stopped && !matches!(command, Command::WriteStatus(_)) {
            continue;
        }
        match carry_out(client, cluster, token, command).await {
            Ok(()) => {
                done += 1;
                if let Some(announcement) = command.announcement() {
                    tracing::info!(
                        cluster = cluster.metadata.name,
                        reason = announcement.reason,
                        "{}",
                        announcement.note
                    );
                    announce(recorder, &cluster.object_ref(&()), &announcement).await;
                }
            }
            Err(error) => {
                stopped |= !command.is_independent();
                failed = failed.or(Some(error));
            }
        }
    }
    match failed {
        None => Ok(done),
        Some(error) => {
            if !matches!(error, ActError::Conflict { .. }) {
                announce(recorder, &cluster.object_ref(&()), &failure(&error)).await;
            }
            Err(error)
        }
    }
}

fn failure(error: &ActError) -> Announcement {
    Announcement {
        reason: "ActFailed",
        subject: "cluster".to_owned(),
        note: error.to_string(),
        warning: true,
    }
}

async fn carry_out(
    client: &Client,
    cluster: &KafkaCluster,
    token: Option<&str>,
    command: &Command,
) -> Result<(), ActError> {
    let namespace = cluster.metadata.namespace.as_deref().unwrap_or_default();
    match command {
        Command::Apply(object) => apply(client, namespace, object).await,
        Command::CreateSecret(creation) => secret::create(client, namespace, creation).await,
        Command::CreateVolume(claim) => {
            let api: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
            let name = claim.metadata.name.as_deref().unwrap_or_default();
            let act = format!("create volume claim {name}");
            bounded(act, api.create(&creating(), claim)).await
        }
        Command::CreatePod(pod) => {
            let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
            let act = format!(
                "create pod {}",
                pod.metadata.name.as_deref().unwrap_or_default()
            );
            bounded(act, api.create(&creating(), pod)).await
        }
        Command::ChangeVolume(change) => change_volume(client, cluster, namespace, change).await,
        Command::RehearsePod(pod) => rehearse_pod(client, namespace, pod).await,
        Command::MarkPod(mark) => mark_pod(client, namespace, mark).await,
        Command::DeletePod(deletion) => delete_pod(client, namespace, deletion).await,
        Command::DeleteConfigMap {
            name,
            uid,
            resource_version,
        } => {
            let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
            delete(&api, name, &unchanged(uid, resource_version)).await
        }
        Command::DeleteNetworkPolicy {
            name,
            uid,
            resource_version,
        } => {
            let api: Api<NetworkPolicy> = Api::namespaced(client.clone(), namespace);
            delete(&api, name, &unchanged(uid, resource_version)).await
        }
        Command::GrantGeneration { .. } | Command::RemoveVoter(_) | Command::AddVoter(_) => {
            controllers::ask(command, token).await
        }
        Command::Cordon(_) | Command::Uncordon(_) | Command::Unregister(_) => {
            brokers::ask(command).await
        }
        Command::CreateRebalance(one) => rebalance::create(client, namespace, one).await,
        Command::StopRebalance(one) => rebalance::stop(client, namespace, one).await,
        Command::DeleteRebalance(one) => rebalance::remove(client, namespace, one).await,
        Command::DeleteVolume(one) => {
            let api: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
            delete(&api, &one.name, &unchanged(&one.uid, &one.resource_version)).await
        }
        Command::Announce(_) => Ok(()),
        Command::WriteStatus(status) => {
            let version = cluster.metadata.resource_version.as_ref();
            let written = cluster.status.as_ref();
            let wrote = write_status(client, cluster, version, written, status.as_ref());
            wrote.await.map(drop)
        }
    }
}

async fn delete<K>(api: &Api<K>, name: &str, parameters: &DeleteParams) -> Result<(), ActError>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let act = format!("delete {} {name}", K::kind(&()));
    bounded(act, api.delete(name, parameters)).await
}

async fn apply(client: &Client, namespace: &str, object: &Object) -> Result<(), ActError> {
    let act = format!("apply {} {}", object.kind(), object.name());
    let parameters = PatchParams::apply(OPERATOR).force();
    let patch = Patch::Apply(object.to_value());
    let name = object.name();
    match object {
        Object::Service(_) => {
            let api: Api<Service> = Api::namespaced(client.clone(), namespace);
            bounded(act, api.patch(name, &parameters, &patch)).await
        }
        Object::ConfigMap(_) => {
            let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
            bounded(act, api.patch(name, &parameters, &patch)).await
        }
        Object::NetworkPolicy(_) => {
            let api: Api<NetworkPolicy> = Api::namespaced(client.clone(), namespace);
            bounded(act, api.patch(name, &parameters, &patch)).await
        }
        Object::DisruptionBudget(_) => {
            let api: Api<PodDisruptionBudget> = Api::namespaced(client.clone(), namespace);
            bounded(act, api.patch(name, &parameters, &patch)).await
        }
    }
}

async fn change_volume(
    client: &Client,
    cluster: &KafkaCluster,
    namespace: &str,
    change: &VolumeChange,
) -> Result<(), ActError> {
    let mut metadata = json!({"uid": change.uid, "resourceVersion": change.resource_version});
    if !change.annotations.is_empty() {
        metadata["annotations"] = json!(change.annotations);
    }
    match change.policy {
        Some(DeletionPolicy::Delete) => {
            metadata["ownerReferences"] = json!(cluster.controller_owner_ref(&()).map(|o| [o]));
        }
        Some(DeletionPolicy::Retain) => metadata["ownerReferences"] = Value::Null,
        None => {}
    }
    let mut patch = json!({"metadata": metadata});
    if let Some(size) = &change.size {
        patch["spec"] = json!({"resources": {"requests": {"storage": size}}});
    }
    let api: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
    let act = format!("change volume claim {}", change.name);
    bounded(
        act,
        api.patch(&change.name, &merging(), &Patch::Merge(patch)),
    )
    .await
}

/// Creates `pod` without keeping it. Admission and validation come before the look for a pod of the
/// same name, so "exists already" means that nothing else stands against it.
async fn rehearse_pod(client: &Client, namespace: &str, pod: &Pod) -> Result<(), ActError> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let name = pod.metadata.name.clone().unwrap_or_default();
    let act = format!("rehearse the creation of pod {name}");
    let parameters = PostParams {
        dry_run: true,
        ..creating()
    };
    match tokio::time::timeout(REQUEST_TIMEOUT, api.create(&parameters, pod)).await {
        Err(_) => Err(ActError::Timeout { act }),
        Ok(Ok(_)) => Ok(()),
        Ok(Err(kube::Error::Api(status))) if status.reason == "AlreadyExists" => Ok(()),
        Ok(Err(kube::Error::Api(status))) if REFUSALS.contains(&status.code) => {
            Err(ActError::Refused {
                pod: name,
                message: status.message.clone(),
            })
        }
        Ok(Err(source)) => Err(ActError::Kubernetes {
            act,
            source: Box::new(source),
        }),
    }
}

async fn mark_pod(client: &Client, namespace: &str, mark: &PodMark) -> Result<(), ActError> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let patch = json!({"metadata": {
        "uid": mark.uid,
        "resourceVersion": mark.resource_version,
        "annotations": {RESTART_ANNOTATION: mark.restart_for},
    }});
    let act = format!("mark pod {}", mark.name);
    bounded(act, api.patch(&mark.name, &merging(), &Patch::Merge(patch))).await
}

/// Parameters of a delete that is refused if the object is another one by now, or has changed.
fn unchanged(uid: &str, resource_version: &str) -> DeleteParams {
    DeleteParams {
        preconditions: Some(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: Some(resource_version.to_owned()),
        }),
        ..DeleteParams::default()
    }
}

async fn delete_pod(
    client: &Client,
    namespace: &str,
    deletion: &PodDeletion,
) -> Result<(), ActError> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let parameters = DeleteParams {
        grace_period_seconds: deletion.grace_seconds,
        ..unchanged(&deletion.uid, &deletion.resource_version)
    };
    bounded(
        format!("delete pod {}", deletion.name),
        api.delete(&deletion.name, &parameters),
    )
    .await
}

fn creating() -> PostParams {
    PostParams {
        field_manager: Some(OPERATOR.to_owned()),
        ..PostParams::default()
    }
}

/// As [`answered`], where nothing but success is asked of the answer.
pub(crate) async fn bounded<T>(
    act: String,
    write: impl Future<Output = kube::Result<T>>,
) -> Result<(), ActError> {
    answered(act, write).await.map(drop)
}

/// Bounds a write in time, and tells conflicts (look again) from refusals.
async fn answered<T>(
    act: String,
    write: impl Future<Output = kube::Result<T>>,
) -> Result<T, ActError> {
    match tokio::time::timeout(REQUEST_TIMEOUT, write).await {
        Err(_) => Err(ActError::Timeout { act }),
        Ok(Ok(answer)) => Ok(answer),
        // 409 is a stale version or a name that exists already; 404 is an object that is gone.
        Ok(Err(kube::Error::Api(status))) if status.code == 409 || status.code == 404 => {
            Err(ActError::Conflict { act })
        }
        Ok(Err(source)) => Err(ActError::Kubernetes {
            act,
            source: Box::new(source),
        }),
    }
}
