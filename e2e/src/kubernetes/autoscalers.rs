//! HorizontalPodAutoscalers through the API server, and the scale subresource that they read and write.

use k8s_openapi::api::autoscaling::v1::Scale;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::api::{Api, DeleteParams, GetParams, Patch, PatchParams};
use kube::core::Request;
use kube::{Resource, ResourceExt};
use serde_json::Value;

use super::api::{FIELD_MANAGER, Kubernetes};
use super::tables;

impl Kubernetes {
    /// Applies a HorizontalPodAutoscaler.
    ///
    /// # Errors
    /// If the API server refuses it.
    pub fn apply_autoscaler(&self, autoscaler: &HorizontalPodAutoscaler) -> anyhow::Result<()> {
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let (name, patch) = (autoscaler.name_any(), Patch::Apply(autoscaler));
        self.call(self.autoscalers_api().patch(&name, &parameters, &patch))
            .map(drop)
    }

    /// A HorizontalPodAutoscaler.
    ///
    /// # Errors
    /// If there is none.
    pub fn autoscaler(&self, name: &str) -> anyhow::Result<HorizontalPodAutoscaler> {
        self.call(self.autoscalers_api().get(name))
    }

    /// The lines that `kubectl get hpa NAME` prints.
    ///
    /// # Errors
    /// If the API server does not answer.
    pub fn autoscaler_lines(&self, name: &str) -> anyhow::Result<Vec<String>> {
        let path = HorizontalPodAutoscaler::url_path(&(), Some(&self.namespace));
        let mut request = Request::new(path).get(name, &GetParams::default())?;
        let accept = tables::ACCEPT.parse()?;
        request.headers_mut().insert("accept", accept);
        let table: Value = self.call(self.client.request(request))?;
        tables::lines(&table)
    }

    /// Deletes a HorizontalPodAutoscaler.
    ///
    /// # Errors
    /// If the API server refuses.
    pub fn delete_autoscaler(&self, name: &str) -> anyhow::Result<()> {
        let parameters = DeleteParams::default();
        self.call(self.autoscalers_api().delete(name, &parameters))
            .map(drop)
    }

    /// The scale subresource of a KafkaCluster.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn cluster_scale(&self, name: &str) -> anyhow::Result<Scale> {
        self.call(self.clusters_api().get_scale(name))
    }

    fn autoscalers_api(&self) -> Api<HorizontalPodAutoscaler> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }
}
