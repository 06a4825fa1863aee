//! The settings of this broker, or those that were changed for all brokers.

use kafka_protocol::messages::describe_configs_response::DescribeConfigsResourceResult;
use kintsugi_metadata::configs::broker::{
    self as broker_config, BROKER_CONFIGS, CORDONED_LOG_DIRS, Scope,
};
use kintsugi_types::ErrorCode;

use super::describe::{Asked, Described};
use super::{Candidate, ConfigSource, of_broker, type_number};
use crate::broker::{BrokerHandle, Published};
use crate::settings::{all_definitions, definition};

/// Every setting that is asked for: of this broker if it is named, of all brokers (only what was
/// changed while they run) if the name is empty.
pub(super) fn describe(
    broker: &BrokerHandle,
    published: &Published,
    asked: &Asked<'_>,
) -> Described {
    let this = broker.id;
    let name = &*asked.resource.resource_name;
    if name.is_empty() {
        return Ok(of_all_brokers(published, asked));
    }
    if name.parse() != Ok(this.0) {
        let message =
            format!("Unexpected broker id, expected {this} or empty string, but received {name}");
        return Err((ErrorCode::InvalidRequest, message));
    }
    let image = &published.image;
    let of_process = all_definitions()
        .filter(|definition| asked.names(definition.name))
        .map(|definition| {
            let candidates = of_broker(broker, image, definition.name);
            let kind = definition.kind.config_type();
            let scope = broker_config::find(definition.name).map(|config| config.scope);
            asked
                .describe(definition.name, definition.doc, kind, &candidates)
                .with_read_only(scope != Some(Scope::EachBroker))
        });
    // Settings that no properties file has.
    let only_dynamic = BROKER_CONFIGS
        .iter()
        .filter(|config| asked.names(config.name) && definition(config.name).is_none())
        .filter_map(|config| {
            let candidates = of_broker(broker, image, config.name);
            let kind = type_number(config.kind);
            let is_set = !candidates.is_empty();
            is_set
                .then(|| asked.describe(config.name, documentation(config.name), kind, &candidates))
        });
    Ok(of_process.chain(only_dynamic).collect())
}

/// Of a setting that no properties file has.
fn documentation(name: &str) -> &'static str {
    match name {
        CORDONED_LOG_DIRS => {
            "Set to *, the broker is given no new replicas and serves those it has (KIP-1066)."
        }
        _ => "A limit that Kafka's reassignment tool sets and takes back.",
    }
}

fn of_all_brokers(published: &Published, asked: &Asked<'_>) -> Vec<DescribeConfigsResourceResult> {
    let changed = published.image.dynamic_configs.all_brokers.iter();
    let changed = changed.filter(|(name, _)| asked.names(name));
    let described = changed.map(|(name, value)| {
        let in_force = Candidate {
            name,
            value,
            source: ConfigSource::AllBrokers,
        };
        let kind = broker_config::find(name).map_or(0, |config| type_number(config.kind));
        let documentation =
            definition(name).map_or_else(|| self::documentation(name), |found| found.doc);
        asked.describe(name, documentation, kind, &[in_force])
    });
    described.collect()
}
