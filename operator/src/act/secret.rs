//! Creating the Secret by which a cluster's nodes know each other.

use k8s_openapi::api::core::v1::Secret;
use kintsugi_secret::Keys;
use kube::{Api, Client};
use ring::rand::{SecureRandom as _, SystemRandom};

use super::{ActError, bounded, creating};
use crate::build::secret::fill;
use crate::plan::SecretCreation;

/// Random bytes of a new secret: as many as the digest that is made with it has.
const RANDOM_BYTES: usize = 32;

/// Creates it. One that is there already is a conflict: it is never replaced.
pub async fn create(
    client: &Client,
    namespace: &str,
    creation: &SecretCreation,
) -> Result<(), ActError> {
    let name = creation.secret.metadata.name.as_deref().unwrap_or_default();
    let act = format!("create Secret {name}");
    let keys = match &creation.keys {
        Some(keys) => keys.clone(),
        None => draw().ok_or_else(|| ActError::NoRandomness { act: act.clone() })?,
    };
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let secret = fill(&creation.secret, &keys);
    bounded(act, api.create(&creating(), &secret)).await
}

fn draw() -> Option<Keys> {
    let mut bytes = [0; RANDOM_BYTES];
    SystemRandom::new().fill(&mut bytes).ok()?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Keys::parse(digits.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_drawn_twice() {
        assert_ne!(draw().unwrap(), draw().unwrap());
    }
}
