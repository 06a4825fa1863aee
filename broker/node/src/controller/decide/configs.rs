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

fn named_twice(alterations: &[ConfigAlteration]) -> BTreeSet<&ConfigResource> {
    let mut seen = BTreeSet::new();
    let resources = alterations.iter().map(|alteration| &alteration.resource);
    resources
        .filter(|resource| !seen.insert(*resource))
        .collect()
}
