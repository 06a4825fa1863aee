//! The Secret with what a cluster's nodes know each other by. Made once; what it holds is drawn
//! when it is created.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kintsugi_secret::Keys;

use super::owned_metadata;
use crate::cluster::Cluster;
use crate::names::{cluster_labels, secret};

/// The key in the Secret, and the file's name in the pod.
pub const FILE: &str = "secret";

/// The Secret of `cluster`, still empty. It goes with the resource: a cluster that is born again
/// over its volumes needs no former secret, since no process lives that knows it.
pub fn build(cluster: &Cluster) -> Secret {
    Secret {
        metadata: owned_metadata(
            cluster,
            secret(&cluster.name),
            cluster_labels(&cluster.name),
        ),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    }
}

/// `secret` with what it is to hold.
pub fn fill(secret: &Secret, keys: &Keys) -> Secret {
    let file = ByteString(keys.to_file().into_bytes());
    Secret {
        data: Some(BTreeMap::from([(FILE.to_owned(), file)])),
        ..secret.clone()
    }
}
