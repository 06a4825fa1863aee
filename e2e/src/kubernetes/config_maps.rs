//! ConfigMaps with bytes and texts in them.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use super::api::{FIELD_MANAGER, Kubernetes};

impl Kubernetes {
    /// The bytes under one key of a ConfigMap; None while there is none.
    ///
    /// # Errors
    /// If the API server does not say.
    pub fn config_map_bytes(&self, name: &str, key: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let found = self.call(self.config_maps().get_opt(name))?;
        let bytes = found.and_then(|map| map.binary_data?.remove(key));
        Ok(bytes.map(|bytes| bytes.0))
    }

    /// Puts other bytes under one key of a ConfigMap.
    ///
    /// # Errors
    /// If the API server refuses.
    pub fn set_config_map_bytes(
        &self,
        name: &str,
        key: &str,
        bytes: Vec<u8>,
    ) -> anyhow::Result<()> {
        let patch = Patch::Merge(json!({"binaryData": {key: ByteString(bytes)}}));
        let parameters = PatchParams::default();
        self.call(self.config_maps().patch(name, &parameters, &patch))
            .map(drop)
    }

    /// Applies a ConfigMap with one text (server-side apply).
    ///
    /// # Errors
    /// If the API server refuses.
    pub fn apply_config_map(&self, name: &str, key: &str, text: &str) -> anyhow::Result<()> {
        let object = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name},
            "data": {key: text},
        });
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let patch = Patch::Apply(&object);
        self.call(self.config_maps().patch(name, &parameters, &patch))
            .map(drop)
    }

    fn config_maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }
}
