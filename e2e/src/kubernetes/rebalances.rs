//! KafkaRebalances through the API server, as a user of kubectl would change them.

use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use super::api::{FIELD_MANAGER, Kubernetes};

/// The annotation by which people approve, stop and ask anew.
const WORD: &str = "kintsugi.dev/rebalance";

impl Kubernetes {
    /// Applies a KafkaRebalance of this name and spec.
    ///
    /// # Errors
    /// If the API server refuses it.
    pub fn apply_rebalance(&self, name: &str, spec: &Value) -> anyhow::Result<()> {
        let api = self.resources("KafkaRebalance", "kafkarebalances");
        let object = json!({
            "apiVersion": "kintsugi.dev/v1alpha1",
            "kind": "KafkaRebalance",
            "metadata": {"name": name},
            "spec": spec,
        });
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        self.call(api.patch(name, &parameters, &Patch::Apply(&object)))
            .map(drop)
    }

    /// Annotates it, as `kubectl annotate --overwrite` would.
    ///
    /// # Errors
    /// If the API server refuses.
    pub fn say_to_rebalance(&self, name: &str, word: &str) -> anyhow::Result<()> {
        let api = self.resources("KafkaRebalance", "kafkarebalances");
        let patch = Patch::Merge(json!({"metadata": {"annotations": {WORD: word}}}));
        self.call(api.patch(name, &PatchParams::default(), &patch))
            .map(drop)
    }

    /// It, as the API server has it.
    ///
    /// # Errors
    /// If it cannot be read or is not there.
    pub fn rebalance(&self, name: &str) -> anyhow::Result<DynamicObject> {
        let api = self.resources("KafkaRebalance", "kafkarebalances");
        self.call(api.get(name))
    }

    /// Takes its whole status off.
    ///
    /// # Errors
    /// If the API server refuses.
    pub fn wipe_rebalance_status(&self, name: &str) -> anyhow::Result<()> {
        self.wipe_status_of(&self.resources("KafkaRebalance", "kafkarebalances"), name)
    }

    /// Its status; null before the operator wrote one.
    ///
    /// # Errors
    /// If it cannot be read or is not there.
    pub fn rebalance_status(&self, name: &str) -> anyhow::Result<Value> {
        let object = self.rebalance(name)?;
        Ok(object.data.get("status").cloned().unwrap_or_default())
    }

    /// Its uid; None if there is none of this name.
    ///
    /// # Errors
    /// If the API server does not answer.
    pub fn rebalance_uid(&self, name: &str) -> anyhow::Result<Option<String>> {
        let api = self.resources("KafkaRebalance", "kafkarebalances");
        let object = self.call(api.get_opt(name))?;
        Ok(object.and_then(|object| object.metadata.uid))
    }

    /// Deletes it.
    ///
    /// # Errors
    /// If the API server refuses.
    pub fn delete_rebalance(&self, name: &str) -> anyhow::Result<()> {
        let api = self.resources("KafkaRebalance", "kafkarebalances");
        self.call(api.delete(name, &DeleteParams::default()))
            .map(drop)
    }
}
