//! The operator's own pods: how many there are, which of them acts, and what they log.

use std::time::Duration;

use anyhow::{Context, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use kube::ResourceExt;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::api::Kubernetes;

/// The label of the operator's pods, and of its Deployment.
pub const OPERATOR_SELECTOR: &str = "app.kubernetes.io/name=kintsugi-operator";
/// The lease that says which of them acts.
const LEASE: &str = "kintsugi-operator";
/// The setting that makes an operator wait between deciding and acting.
const HOLD: &str = "KINTSUGI_OPERATOR_HOLD_BEFORE_ACT_MS";
/// How many failed liveness probes end a container, as the API server would have it.
const LIVENESS_FAILURES: i32 = 3;
/// The same while operators are frozen on purpose: the kubelet must not cut that short.
const LIVENESS_FAILURES_FROZEN: i32 = 30;
/// How long the operator's pods may take to be replaced.
const REPLACE_LIMIT: Duration = Duration::from_secs(120);

impl Kubernetes {
    /// The names of the operator's pods that are ready. For a connection to its namespace.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub fn operators(&self) -> anyhow::Result<Vec<String>> {
        let pods = self.pods_labelled(OPERATOR_SELECTOR)?;
        let ready = pods.into_iter().filter(|pod| {
            let conditions = pod
                .status
                .iter()
                .flat_map(|status| status.conditions.iter().flatten());
            let mut ready = conditions.filter(|c| c.type_ == "Ready" && c.status == "True");
            pod.metadata.deletion_timestamp.is_none() && ready.next().is_some()
        });
        Ok(ready.map(|pod| pod.name_any()).collect())
    }

    /// The operator's pod that holds the lease.
    ///
    /// # Errors
    /// If nobody does.
    pub fn lease_holder(&self) -> anyhow::Result<String> {
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), &self.namespace);
        let spec = self.call(leases.get(LEASE))?.spec;
        let holder = spec.and_then(|spec| spec.holder_identity);
        holder
            .filter(|holder| !holder.is_empty())
            .context("nobody holds the lease")
    }

    /// Runs `replicas` operators that wait for `hold` between deciding and acting, and waits until
    /// they are all there is.
    ///
    /// # Errors
    /// If they do not become ready.
    pub fn run_operators(&self, replicas: usize, hold: Option<Duration>) -> anyhow::Result<()> {
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), &self.namespace);
        let selector = ListParams::default().labels(OPERATOR_SELECTOR);
        let found = self.call(deployments.list(&selector))?.items;
        ensure!(
            found.len() == 1,
            "found {} Deployments of the operator",
            found.len()
        );
        let name = found[0].name_any();
        let parameters = PatchParams::default();
        let patch = Patch::Strategic(deployment_patch(replicas, hold));
        self.call(deployments.patch(&name, &parameters, &patch))?;
        let what = format!("{replicas} operators, and no other");
        self.wait(&what, REPLACE_LIMIT, |kubernetes| {
            let deployment = self.call(deployments.get(&name))?;
            let generation = deployment.metadata.generation;
            let status = deployment.status.unwrap_or_default();
            let pods = kubernetes.pods_labelled(OPERATOR_SELECTOR)?.len();
            let ready = kubernetes.operators()?.len();
            let is_seen = status.observed_generation >= generation;
            let is_new = usize::try_from(status.updated_replicas.unwrap_or(0))? == replicas;
            let is_done = is_seen && is_new && (pods, ready) == (replicas, replicas);
            Ok(if is_done {
                Ok(())
            } else {
                Err(format!("{ready} of {pods} pods are ready"))
            })
        })?;
        self.wait(
            "an operator to hold the lease",
            REPLACE_LIMIT,
            |kubernetes| {
                let (holder, ready) = (kubernetes.lease_holder()?, kubernetes.operators()?);
                let holds = ready.contains(&holder);
                Ok(if holds {
                    Ok(())
                } else {
                    Err(format!("{holder} holds it, and is gone"))
                })
            },
        )
    }
}

fn deployment_patch(replicas: usize, hold: Option<Duration>) -> Value {
    let setting = match hold {
        Some(hold) => json!({"name": HOLD, "value": hold.as_millis().to_string()}),
        None => json!({"name": HOLD, "$patch": "delete"}),
    };
    let failures = match hold {
        Some(_) => LIVENESS_FAILURES_FROZEN,
        None => LIVENESS_FAILURES,
    };
    let container = json!({
        "name": "operator",
        "env": [setting],
        "livenessProbe": {"failureThreshold": failures},
    });
    json!({"spec": {
        "replicas": replicas,
        "template": {"spec": {"containers": [container]}},
    }})
}
