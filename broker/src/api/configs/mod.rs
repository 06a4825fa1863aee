//! Settings over the API: which value is in force where, who gave it, and changing it.
//!
//! Guarantees: what DescribeConfigs calls changeable can be changed, and nothing else can.

mod alter;
mod describe;
mod describe_broker;
mod describe_topic;

use kafka_protocol::messages::describe_configs_response::DescribeConfigsSynonym;
use kintsugi_metadata::configs::topic::{self as topic_config, TopicConfig};
use kintsugi_metadata::configs::{ConfigKind, Origin};
use kintsugi_metadata::{Image, TopicImage};

pub use alter::{alter, incremental_alter, results};
pub use describe::describe;

use super::topics::own;
use crate::broker::BrokerHandle;
use crate::settings::{Source, definition};

/// Resource types of requests (`ConfigResource.Type`).
const RESOURCE_TOPIC: i8 = 2;
const RESOURCE_BROKER: i8 = 4;

/// Where a setting's value comes from, by DescribeConfigs' numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i8)]
enum ConfigSource {
    /// The topic's own.
    Topic = 1,
    /// Changed for this broker while it runs.
    Broker = 2,
    /// Changed for all brokers while they run.
    AllBrokers = 3,
    /// The process's properties.
    Process = 4,
    /// The default.
    Default = 5,
}

/// A value, under which name it was given, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Candidate<'a> {
    name: &'a str,
    value: &'a str,
    source: ConfigSource,
}

impl Candidate<'_> {
    fn synonym(&self) -> DescribeConfigsSynonym {
        DescribeConfigsSynonym::default()
            .with_name(own(self.name))
            .with_value(Some(own(self.value)))
            .with_source(self.source as i8)
    }
}

/// Every value that a broker's setting is given, the one in force first.
fn of_broker<'a>(broker: &'a BrokerHandle, image: &'a Image, name: &'a str) -> Vec<Candidate<'a>> {
    let mut found = Vec::new();
    let changed = &image.dynamic_configs;
    let places = [
        (changed.brokers.get(&broker.id), ConfigSource::Broker),
        (Some(&changed.all_brokers), ConfigSource::AllBrokers),
    ];
    for (configs, source) in places {
        let value = configs.and_then(|configs| configs.get(name));
        found.extend(value.map(|value| (value.as_str(), source)));
    }
    if let Some((value, Source::Given)) = broker.settings.values.get(name) {
        found.push((value, ConfigSource::Process));
    }
    let default = definition(name).and_then(|definition| definition.default);
    found.extend(default.map(|value| (value, ConfigSource::Default)));
    let candidate = |(value, source)| Candidate {
        name,
        value,
        source,
    };
    found.into_iter().map(candidate).collect()
}

/// Every value that a topic's setting is given, the one in force first.
fn of_topic<'a>(
    broker: &'a BrokerHandle,
    image: &'a Image,
    topic: &'a TopicImage,
    config: &'a TopicConfig,
) -> Vec<Candidate<'a>> {
    let name = config.name;
    let own = topic.configs.get(name).map(|value| Candidate {
        name,
        value,
        source: ConfigSource::Topic,
    });
    let mut found: Vec<Candidate<'a>> = own.into_iter().collect();
    if let Some(name) = config.broker_setting {
        found.extend(of_broker(broker, image, name));
    }
    if !found.iter().any(|c| c.source == ConfigSource::Default) {
        found.push(Candidate {
            name: config.broker_setting.unwrap_or(name),
            value: config.default,
            source: ConfigSource::Default,
        });
    }
    found
}

/// The largest batch that a topic takes, in bytes.
pub fn max_message_bytes(broker: &BrokerHandle, image: &Image, topic: &TopicImage) -> usize {
    let Some(config) = topic_config::find("max.message.bytes") else {
        return usize::MAX;
    };
    let own = topic.configs.get(config.name).map(String::as_str);
    let setting = config.broker_setting.unwrap_or(config.name);
    let changed = || {
        let found: Option<(&str, Origin)> = image.dynamic_configs.get(broker.id, setting);
        found.map(|(value, _)| value)
    };
    let value = own
        .or_else(changed)
        .or_else(|| broker.settings.values.text(setting));
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or(usize::MAX)
}

/// The type's number in answers (KIP-569): BOOLEAN 1, STRING 2, INT 3, LONG 5, LIST 7.
const fn type_number(kind: ConfigKind) -> i8 {
    match kind {
        ConfigKind::Boolean => 1,
        ConfigKind::Word(_) => 2,
        ConfigKind::Int { .. } => 3,
        ConfigKind::Long { .. } => 5,
        ConfigKind::Words(_) | ConfigKind::ThrottledReplicas => 7,
    }
}
