//! The metrics API (metrics.k8s.io): what kubelets measured of pods, as HorizontalPodAutoscalers and
//! `kubectl top` read it.

use std::collections::BTreeMap;

use anyhow::Context;
use kube::ResourceExt;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use serde_json::Value;

use super::api::Kubernetes;

/// What serves the API.
const SERVICE: &str = "v1beta1.metrics.k8s.io";

impl Kubernetes {
    /// Why there is no metrics API, None if there is one.
    ///
    /// # Errors
    /// If the API server does not answer.
    pub fn why_no_metrics_api(&self) -> anyhow::Result<Option<String>> {
        let resource = ApiResource {
            group: "apiregistration.k8s.io".to_owned(),
            version: "v1".to_owned(),
            api_version: "apiregistration.k8s.io/v1".to_owned(),
            kind: "APIService".to_owned(),
            plural: "apiservices".to_owned(),
        };
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        let Some(service) = self.call(api.get_opt(SERVICE))? else {
            return Ok(Some(format!("there is no APIService {SERVICE}")));
        };
        let mut conditions = service.data["status"]["conditions"]
            .as_array()
            .into_iter()
            .flatten();
        let available = conditions.find(|condition| condition["type"] == "Available");
        let is_available = available.is_some_and(|condition| condition["status"] == "True");
        Ok((!is_available).then(|| {
            let why = available.map_or(&Value::Null, |condition| &condition["message"]);
            format!("APIService {SERVICE} is not Available: {why}")
        }))
    }

    /// The processor time of pods that a label selector finds, in thousandths of a core, by name.
    /// Pods that were not measured yet are left out.
    ///
    /// # Errors
    /// If the metrics API does not answer.
    pub fn pods_cpu_millicores(&self, selector: &str) -> anyhow::Result<BTreeMap<String, u64>> {
        let resource = ApiResource {
            group: "metrics.k8s.io".to_owned(),
            version: "v1beta1".to_owned(),
            api_version: "metrics.k8s.io/v1beta1".to_owned(),
            kind: "PodMetrics".to_owned(),
            plural: "pods".to_owned(),
        };
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &self.namespace, &resource);
        let parameters = ListParams::default().labels(selector);
        let list = self.call(api.list(&parameters))?;
        let of = |pod: &DynamicObject| Ok((pod.name_any(), millicores_of(&pod.data)?));
        list.items.iter().map(of).collect()
    }
}

fn millicores_of(pod: &Value) -> anyhow::Result<u64> {
    let containers = pod["containers"].as_array().into_iter().flatten();
    let mut nanocores = 0;
    for container in containers {
        let quantity = container["usage"]["cpu"].as_str();
        let quantity = quantity.context("a container's usage names no cpu")?;
        nanocores += nanocores_of(quantity)?;
    }
    Ok(nanocores / 1_000_000)
}

/// Cores as metrics-server writes them: `1`, `250m`, `250000u`, `250000000n`.
fn nanocores_of(quantity: &str) -> anyhow::Result<u64> {
    let digits = quantity.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &quantity[digits.len()..] {
        "n" => 1,
        "u" => 1_000,
        "m" => 1_000_000,
        "" => 1_000_000_000,
        unit => anyhow::bail!("failed to read the cpu quantity {quantity}: unit {unit} is unknown"),
    };
    let count: u64 = digits
        .parse()
        .with_context(|| format!("failed to read the cpu quantity {quantity}"))?;
    Ok(count.saturating_mul(factor))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_containers_of_a_pod_are_added_up_in_any_unit() {
        let pod = json!({"containers": [
            {"usage": {"cpu": "1"}},
            {"usage": {"cpu": "250m"}},
            {"usage": {"cpu": "3000u"}},
            {"usage": {"cpu": "2000000n"}},
        ]});
        assert_eq!(millicores_of(&pod).unwrap(), 1_255);
    }

    #[test]
    fn a_quantity_that_is_none_is_refused() {
        assert!(nanocores_of("12q").is_err());
        assert!(nanocores_of("n").is_err());
    }
}
