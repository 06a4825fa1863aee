//! Are the installed CustomResourceDefinitions new enough? The API server prunes fields that it does
//! not know without a word, so acting on an older one would act on half a spec.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kintsugi_crds::{SCHEMA_HASH_ANNOTATION, SCHEMA_VERSION_ANNOTATION, schema};
use kube::{Api, Client, ResourceExt};

use crate::observe::REQUEST_TIMEOUT;

/// Why the definition cannot be acted on.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    /// It is not there.
    #[error(
        "CustomResourceDefinition {0} is not installed: install the chart with crds.install=true, \
         or apply the output of `kintsugi-operator crd`"
    )]
    Absent(String),
    /// It is older than this operator.
    #[error(
        "CustomResourceDefinition {name} has schema version {found}, this operator needs \
         {needed}: upgrade it with the chart (crds.install=true), or apply the output of \
         `kintsugi-operator crd`"
    )]
    Older {
        /// Its name.
        name: String,
        /// Its version, or `none`.
        found: String,
        /// The version that is needed.
        needed: u32,
    },
    /// It says the same version but differs.
    #[error(
        "CustomResourceDefinition {0} comes from another build (its schema hash differs): apply the \
         output of `kintsugi-operator crd`"
    )]
    Changed(String),
    /// It could not be read.
    #[error("failed to read CustomResourceDefinition {name}")]
    Read {
        /// Its name.
        name: String,
        /// The cause.
        #[source]
        source: Box<kube::Error>,
    },
    /// The API server did not answer in time.
    #[error("failed to read CustomResourceDefinition {0}: the API server does not answer")]
    Timeout(String),
}

/// Reads the installed definitions and checks them.
///
/// # Errors
/// [`DefinitionError`] says what to do.
pub async fn check(client: &Client) -> Result<(), DefinitionError> {
    for own in schema::definitions() {
        check_one(client, &own).await?;
    }
    Ok(())
}

async fn check_one(client: &Client, own: &CustomResourceDefinition) -> Result<(), DefinitionError> {
    let name = own.name_any();
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    match tokio::time::timeout(REQUEST_TIMEOUT, api.get_opt(&name)).await {
        Err(_) => Err(DefinitionError::Timeout(name)),
        Ok(Err(source)) => Err(DefinitionError::Read {
            name,
            source: Box::new(source),
        }),
        Ok(Ok(None)) => Err(DefinitionError::Absent(name)),
        Ok(Ok(Some(installed))) => check_marks(own, &installed),
    }
}

/// A newer version is fine: within `v1alpha1` schemas only add.
fn check_marks(
    own: &CustomResourceDefinition,
    installed: &CustomResourceDefinition,
) -> Result<(), DefinitionError> {
    let name = installed.name_any();
    let mark = |of: &CustomResourceDefinition, key: &str| of.annotations().get(key).cloned();
    let number = |text: &Option<String>| text.as_deref().and_then(|text| text.parse().ok());
    let needed: u32 = number(&mark(own, SCHEMA_VERSION_ANNOTATION)).unwrap_or(0);
    let found = mark(installed, SCHEMA_VERSION_ANNOTATION);
    let version = number(&found).unwrap_or(0);
    if version < needed {
        let found = found.unwrap_or_else(|| "none".to_owned());
        return Err(DefinitionError::Older {
            name,
            found,
            needed,
        });
    }
    let is_same = mark(installed, SCHEMA_HASH_ANNOTATION) == mark(own, SCHEMA_HASH_ANNOTATION);
    if version == needed && !is_same {
        return Err(DefinitionError::Changed(name));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_definition_and_a_newer_one_pass() {
        for own in schema::definitions() {
            let mut installed = own.clone();
            assert!(check_marks(&own, &installed).is_ok());
            let annotations = installed.annotations_mut();
            annotations.insert(SCHEMA_VERSION_ANNOTATION.to_owned(), "1000".to_owned());
            annotations.insert(SCHEMA_HASH_ANNOTATION.to_owned(), "other".to_owned());
            assert!(check_marks(&own, &installed).is_ok());
        }
    }

    #[test]
    fn an_older_definition_is_refused() {
        for own in schema::definitions() {
            let mut installed = own.clone();
            installed
                .annotations_mut()
                .remove(SCHEMA_VERSION_ANNOTATION);
            let refused = check_marks(&own, &installed).unwrap_err();
            assert!(
                matches!(refused, DefinitionError::Older { .. }),
                "{refused}"
            );
        }
    }

    #[test]
    fn a_definition_of_the_same_version_with_another_hash_is_refused() {
        for own in schema::definitions() {
            let mut installed = own.clone();
            installed.annotations_mut().remove(SCHEMA_HASH_ANNOTATION);
            let refused = check_marks(&own, &installed).unwrap_err();
            assert!(matches!(refused, DefinitionError::Changed(_)), "{refused}");
        }
    }
}
