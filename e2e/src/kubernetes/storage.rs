//! Volumes: what claims ask for and have, and what a storage driver would tell the API server.

use std::collections::BTreeMap;

use anyhow::Context;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::ResourceExt;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::api::Kubernetes;
use super::{CLUSTER_LABEL, NODE_ID_LABEL, ROLE_LABEL};

/// The volume claim of one broker.
#[derive(Clone, Debug)]
pub struct ClaimView {
    /// Its name.
    pub name: String,
    /// What it asks for.
    pub asks: String,
    /// What its volume has, as the claim's status says.
    pub has: String,
    /// Its volume.
    pub volume: String,
    /// Its storage class.
    pub class: String,
}

impl Kubernetes {
    /// The claims of a cluster's brokers, by broker.
    ///
    /// # Errors
    /// If they cannot be listed, or one is not bound.
    pub fn broker_claims(&self, cluster: &str) -> anyhow::Result<BTreeMap<i32, ClaimView>> {
        let selector = format!("{CLUSTER_LABEL}={cluster},{ROLE_LABEL}=broker");
        let list = self.call(
            self.claims_api()
                .list(&ListParams::default().labels(&selector)),
        )?;
        list.items
            .iter()
            .map(|claim| {
                let id = claim.labels().get(NODE_ID_LABEL).context("a broker's id")?;
                Ok((id.parse()?, view(claim).context("a bound claim")?))
            })
            .collect()
    }

    /// Says in a storage class whether its volumes may grow.
    ///
    /// # Errors
    /// If the API server refuses.
    pub fn set_expandable(&self, class: &str, is_expandable: bool) -> anyhow::Result<()> {
        let classes: Api<StorageClass> = Api::all(self.client.clone());
        let patch = Patch::Merge(json!({"allowVolumeExpansion": is_expandable}));
        self.call(classes.patch(class, &PatchParams::default(), &patch))
            .map(drop)
    }

    /// Tells that a volume has another size, as its driver does once it is larger.
    ///
    /// # Errors
    /// If the API server refuses.
    pub fn set_volume_size(&self, claim: &ClaimView, size: &str) -> anyhow::Result<()> {
        let volumes: Api<PersistentVolume> = Api::all(self.client.clone());
        let parameters = PatchParams::default();
        let capacity: Value = json!({"capacity": {"storage": size}});
        let of_volume = Patch::Merge(json!({"spec": capacity}));
        self.call(volumes.patch(&claim.volume, &parameters, &of_volume))?;
        let of_claim = Patch::Merge(json!({"status": capacity}));
        let claims = self.claims_api();
        self.call(claims.patch_status(&claim.name, &parameters, &of_claim))
            .map(drop)
    }

    fn claims_api(&self) -> Api<PersistentVolumeClaim> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }
}

fn view(claim: &PersistentVolumeClaim) -> Option<ClaimView> {
    let spec = claim.spec.as_ref()?;
    let asks = spec.resources.as_ref()?.requests.as_ref()?.get("storage")?;
    let has = claim.status.as_ref()?.capacity.as_ref()?.get("storage")?;
    Some(ClaimView {
        name: claim.name_any(),
        asks: asks.0.clone(),
        has: has.0.clone(),
        volume: spec.volume_name.clone()?,
        class: spec.storage_class_name.clone()?,
    })
}
