//! Which throttles of moves are set (KIP-73).

use anyhow::ensure;
use kafka_protocol::messages::DescribeConfigsRequest;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::protocol::StrBytes;

use super::{ask, cluster};

const VERSION: i16 = 4;
/// Resources that have settings (`ConfigResource.Type`).
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
/// Values that were set while the cluster runs, by source (`ConfigSource`): a topic's own, those of one
/// broker and of all brokers. What comes after them is the process's or the default.
const SET_MAX: i8 = 3;
/// The settings: rates of brokers, and replicas of topics that these hold for.
const NAMES: [&str; 4] = [
    "leader.replication.throttled.rate",
    "follower.replication.throttled.rate",
    "leader.replication.throttled.replicas",
    "follower.replication.throttled.replicas",
];

/// Every throttle that is set, in words.
///
/// # Errors
/// If a broker does not tell.
pub fn throttles(bootstrap: &str) -> anyhow::Result<Vec<String>> {
    let (cluster, mut found) = (cluster(bootstrap)?, Vec::new());
    // Each broker tells of itself only.
    for (id, address) in &cluster.brokers {
        found.extend(set(address, vec![resource(BROKER, &id.to_string())])?);
    }
    if let Some(address) = cluster.brokers.values().next() {
        let topics = cluster.topics.iter().map(|topic| resource(TOPIC, topic));
        found.extend(set(address, topics.collect())?);
    }
    Ok(found)
}

fn resource(kind: i8, name: &str) -> DescribeConfigsResource {
    DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(StrBytes::from_string(name.to_owned()))
        .with_configuration_keys(Some(NAMES.map(StrBytes::from_static_str).to_vec()))
}

fn set(address: &str, resources: Vec<DescribeConfigsResource>) -> anyhow::Result<Vec<String>> {
    let request = DescribeConfigsRequest::default().with_resources(resources);
    let answer = ask(address, VERSION, &request)?;
    let mut found = Vec::new();
    for result in &answer.results {
        let (of, code) = (&result.resource_name, result.error_code);
        ensure!(
            code == 0,
            "settings of {} are not told: error {code}",
            &**of
        );
        let set = result.configs.iter().filter(|config| {
            let is_given = config.value.as_ref().is_some_and(|value| !value.is_empty());
            config.config_source <= SET_MAX && is_given
        });
        found.extend(set.map(|config| {
            let value = config.value.as_deref().unwrap_or_default();
            format!("{} of {} is {value}", &*config.name, &**of)
        }));
    }
    Ok(found)
}
