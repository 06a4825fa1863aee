//! The Secret by which a cluster's nodes know each other, read by its name: the operator may list
//! none.

use k8s_openapi::api::core::v1::Secret;
use kintsugi_secret::Keys;
use kube::{Api, Client};

use super::{ObserveError, bounded};
use crate::build::secret::FILE;
use crate::names::secret;

/// What was seen of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ObservedSecret {
    /// It is not there.
    #[default]
    Absent,
    /// It holds nothing that nodes could use; says why.
    Unusable(String),
    /// What it holds.
    Present(Keys),
}

impl ObservedSecret {
    /// Reduces `secret`.
    pub fn from_secret(secret: &Secret) -> Self {
        let data = secret.data.as_ref();
        let Some(file) = data.and_then(|data| data.get(FILE)) else {
            return Self::Unusable(format!("it has no key {FILE}"));
        };
        match Keys::parse(&file.0) {
            Ok(keys) => Self::Present(keys),
            Err(error) => Self::Unusable(error.to_string()),
        }
    }

    /// What it holds, if nodes can use it.
    pub fn keys(&self) -> Option<&Keys> {
        match self {
            Self::Present(keys) => Some(keys),
            Self::Absent | Self::Unusable(_) => None,
        }
    }
}

/// Reads the Secret of `cluster`.
///
/// # Errors
/// [`ObserveError`] if the API server does not say whether it is there.
pub async fn read(
    client: &Client,
    namespace: &str,
    cluster: &str,
) -> Result<ObservedSecret, ObserveError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let name = secret(cluster);
    let read = bounded(format!("Secret {name}"), api.get_opt(&name)).await?;
    Ok(read.map_or(ObservedSecret::Absent, |secret| {
        ObservedSecret::from_secret(&secret)
    }))
}
