//! Settings of one request: each topic or broker has a result of its own.

use std::collections::BTreeSet;

use kintsugi_metadata::configs::{self, ConfigAlteration, ConfigResource};
use kintsugi_metadata::{Delta, Image, MetadataRecord};
use kintsugi_types::ErrorCode;

use crate::controller::config::ControllerConfig;
use crate::message::admin::AdminResult;

/// The most topics and brokers whose settings one request may change.
const RESOURCES_MAX: usize = 1_000;

/// Decides a request to change settings, each change in sight of those before it.
pub(super) fn alter_configs(
    config: &ControllerConfig,
    image: &Image,
    alterations: &[ConfigAlteration],
) -> (Vec<MetadataRecord>, Vec<AdminResult>) {
    let twice = named_twice(alterations);
    let (mut records, mut results) = (Vec::new(), Vec::with_capacity(alterations.len()));
    let mut scratch = image.clone();
    for alteration in alterations {
        let outcome = if alterations.len() > RESOURCES_MAX {
            let message = format!("A request changes at most {RESOURCES_MAX} resources.");
            Err((ErrorCode::PolicyViolation, message))
        } else if twice.contains(&alteration.resource) {
            let message = "Each resource must appear at most once.".to_owned();
            Err((ErrorCode::InvalidRequest, message))
        } else if let Some(message) = loses_offsets(alteration) {
            Err((ErrorCode::InvalidConfig, message))
        } else {
            configs::alter(&scratch, &config.settings, alteration)
                .map_err(|refused| (refused.error, refused.message))
        };
        results.push(match outcome {
            Ok(changed) => {
                scratch.apply(image.offset, &changed, &mut Delta::default());
                records.extend(changed);
                AdminResult::DONE
            }
            Err((error, message)) => AdminResult::refused(error, message),
        });
    }
    (records, results)
}

/// Settings by which committed offsets could be deleted.
const RETENTION: [&str; 3] = ["cleanup.policy", "retention.bytes", "retention.ms"];

/// Why a change is refused by which committed offsets would be deleted though groups still use
/// them: only their coordinators know which are in use.
fn loses_offsets(alteration: &ConfigAlteration) -> Option<String> {
    let ConfigResource::Topic(name) = &alteration.resource else {
        return None;
    };
    let touched = RETENTION
        .into_iter()
        .find(|setting| alteration.changes.contains_key(*setting));
    let touched = touched.or(alteration.replaces_all.then_some("retention.ms"));
    let setting = touched.filter(|_| name.as_str() == kintsugi_coordinator::TOPIC_NAME)?;
    Some(format!(
        "{setting} of {name} cannot be altered: coordinators alone know which offsets may go."
    ))
}

fn named_twice(alterations: &[ConfigAlteration]) -> BTreeSet<&ConfigResource> {
    let mut seen = BTreeSet::new();
    let resources = alterations.iter().map(|alteration| &alteration.resource);
    resources
        .filter(|resource| !seen.insert(*resource))
        .collect()
}
