//! What a cluster is made of besides its pods: the resource, claims, namespaces.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, Pod, Secret, Service};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::CLUSTER_LABEL;
use super::api::{FIELD_MANAGER, Kubernetes};

impl Kubernetes {
    /// A pod.
    ///
    /// # Errors
    /// If there is none.
    pub fn pod(&self, name: &str) -> anyhow::Result<Pod> {
        self.call(self.pods_api().get(name))
    }

    /// Creates a pod and gives its name.
    ///
    /// # Errors
    /// If the API server refuses.
    pub fn create_pod(&self, pod: &Pod) -> anyhow::Result<String> {
        let parameters = PostParams::default();
        let created = self.call(self.pods_api().create(&parameters, pod))?;
        Ok(created.name_any())
    }

    /// Makes this namespace, with labels.
    ///
    /// # Errors
    /// If the API server refuses.
    pub fn apply_namespace(&self, labels: &[(&str, &str)]) -> anyhow::Result<()> {
        let labels: BTreeMap<&str, &str> = labels.iter().copied().collect();
        let namespace = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": self.namespace, "labels": labels},
        });
        let api: Api<Namespace> = Api::all(self.client.clone());
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let patch = Patch::Apply(&namespace);
        self.call(api.patch(&self.namespace, &parameters, &patch))
            .map(drop)
    }

    /// Deletes this namespace, without waiting for it to be gone.
    ///
    /// # Errors
    /// If the API server refuses.
    pub fn delete_namespace(&self) -> anyhow::Result<()> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        self.call(api.delete(&self.namespace, &DeleteParams::default()))
            .map(drop)
    }

    /// The uid of a Secret, while there is one.
    ///
    /// # Errors
    /// If the API server does not say.
    pub fn secret_uid(&self, name: &str) -> anyhow::Result<Option<String>> {
        let secret = self.call(self.secrets_api().get_opt(name))?;
        Ok(secret.and_then(|secret| secret.uid()))
    }

    /// Deletes a Secret.
    ///
    /// # Errors
    /// If the API server refuses.
    pub fn delete_secret(&self, name: &str) -> anyhow::Result<()> {
        let parameters = DeleteParams::default();
        self.call(self.secrets_api().delete(name, &parameters))
            .map(drop)
    }

    fn secrets_api(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The volume claims of a cluster: the uid of each by its name.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub fn claims(&self, cluster: &str) -> anyhow::Result<BTreeMap<String, String>> {
        let api: Api<PersistentVolumeClaim> = Api::namespaced(self.client.clone(), &self.namespace);
        let list = self.call(api.list(&of(cluster)))?;
        let each = list.items.iter();
        Ok(each
            .map(|claim| (claim.name_any(), claim.uid().unwrap_or_default()))
            .collect())
    }

    /// How many pods and Services of a cluster there are.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub fn count_owned(&self, cluster: &str) -> anyhow::Result<usize> {
        let services: Api<Service> = Api::namespaced(self.client.clone(), &self.namespace);
        let pods = self.call(self.pods_api().list(&of(cluster)))?.items.len();
        Ok(pods + self.call(services.list(&of(cluster)))?.items.len())
    }

    /// Deletes a KafkaCluster; what it owns goes after it.
    ///
    /// # Errors
    /// If the API server refuses.
    pub fn delete_cluster(&self, name: &str) -> anyhow::Result<()> {
        let parameters = DeleteParams::default();
        self.call(self.clusters_api().delete(name, &parameters))
            .map(drop)
    }

    /// Takes the whole status from a KafkaCluster. Gives whether there was one.
    ///
    /// # Errors
    /// If the API server refuses.
    pub fn wipe_status(&self, name: &str) -> anyhow::Result<bool> {
        if self.cluster_status(name)?.is_null() {
            return Ok(false);
        }
        self.wipe_status_of(&self.clusters_api(), name)?;
        Ok(true)
    }

    pub(super) fn wipe_status_of(
        &self,
        api: &Api<DynamicObject>,
        name: &str,
    ) -> anyhow::Result<()> {
        let patch = Patch::Merge(json!({"status": null}));
        let parameters = PatchParams::default();
        self.call(api.patch_status(name, &parameters, &patch))
            .map(drop)
    }

    /// What Kintsugi's own resources of one kind say, each in a line: name, annotations and status.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub fn told(&self, kind: &str, plural: &str) -> anyhow::Result<Vec<String>> {
        let api = self.resources(kind, plural);
        let list = self.call(api.list(&ListParams::default()))?;
        let line = |object: &DynamicObject| {
            let status = object.data.get("status").unwrap_or(&Value::Null);
            let notes = json!(object.annotations());
            format!(
                "{}: annotations {notes}, status {status}",
                object.name_any()
            )
        };
        Ok(list.items.iter().map(line).collect())
    }
}

fn of(cluster: &str) -> ListParams {
    ListParams::default().labels(&format!("{CLUSTER_LABEL}={cluster}"))
}
