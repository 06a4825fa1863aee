//! KafkaTopics through the API server, as a user of kubectl would change them.

use kube::ResourceExt;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use super::api::Kubernetes;

impl Kubernetes {
    /// Applies a KafkaTopic of this name and spec.
    ///
    /// # Errors
    /// If the API server refuses it.
    pub fn apply_topic(&self, name: &str, spec: &Value) -> anyhow::Result<()> {
        let api = self.resources("KafkaTopic", "kafkatopics");
        let object = json!({
            "apiVersion": "kintsugi.dev/v1alpha1",
            "kind": "KafkaTopic",
            "metadata": {"name": name},
            "spec": spec,
        });
        let parameters = PatchParams::apply("kintsugi-e2e").force();
        self.call(api.patch(name, &parameters, &Patch::Apply(&object)))
            .map(drop)
    }

    /// Deletes a KafkaTopic.
    ///
    /// # Errors
    /// If the API server refuses.
    pub fn delete_topic_resource(&self, name: &str) -> anyhow::Result<()> {
        let api = self.resources("KafkaTopic", "kafkatopics");
        self.call(api.delete(name, &DeleteParams::default()))
            .map(drop)
    }

    /// A KafkaTopic; `None` if there is none.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn topic_resource(&self, name: &str) -> anyhow::Result<Option<DynamicObject>> {
        let api = self.resources("KafkaTopic", "kafkatopics");
        self.call(api.get_opt(name))
    }

    /// Takes the status off a KafkaTopic.
    ///
    /// # Errors
    /// If the API server refuses.
    pub fn wipe_topic_status(&self, name: &str) -> anyhow::Result<()> {
        self.wipe_status_of(&self.resources("KafkaTopic", "kafkatopics"), name)
    }

    /// The Ready condition of a KafkaTopic that speaks of its present generation: its status,
    /// reason and message.
    ///
    /// # Errors
    /// If the resource cannot be read or is not there.
    pub fn topic_condition(&self, name: &str) -> anyhow::Result<Option<(String, String, String)>> {
        let topic = self.topic_resource(name)?;
        let topic = topic.ok_or_else(|| anyhow::anyhow!("KafkaTopic {name} is not there"))?;
        let generation = topic.metadata.generation;
        let condition = topic.data.pointer("/status/conditions/0");
        let condition = condition.filter(|condition| {
            let observed = condition.get("observedGeneration").and_then(Value::as_i64);
            observed == generation
        });
        let field = |condition: &Value, key: &str| {
            let value = condition.get(key).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        Ok(condition.map(|found| {
            ["status", "reason", "message"]
                .map(|key| field(found, key))
                .into()
        }))
    }

    /// Whether an Event of this reason is about an object of this name.
    ///
    /// # Errors
    /// If Events cannot be listed.
    pub fn has_event(&self, reason: &str, about: &str) -> anyhow::Result<bool> {
        let line = format!("{reason} {about}:");
        Ok(self.events()?.iter().any(|event| event.starts_with(&line)))
    }

    /// The finalizers of a KafkaTopic.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn topic_finalizers(&self, name: &str) -> anyhow::Result<Vec<String>> {
        let topic = self.topic_resource(name)?;
        Ok(topic.map_or_else(Vec::new, |topic| topic.finalizers().to_vec()))
    }
}
