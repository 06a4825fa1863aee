//! DescribeConfigs: the settings that a topic itself carries.

use std::collections::BTreeMap;

use kintsugi_client::messages::DescribeConfigsRequest;
use kintsugi_client::messages::describe_configs_request::DescribeConfigsResource;
use kintsugi_types::ErrorCode;

use super::{KafkaError, Session, accepted, text};

/// A topic, among resources that have settings (`ConfigResource.Type`).
pub(super) const RESOURCE_TOPIC: i8 = 2;
/// The topic's own value, among the sources of a setting (`ConfigSource`).
const SOURCE_TOPIC: i8 = 1;

/// The topic's own settings, without what it takes from brokers and defaults; None if the broker
/// knows no such topic.
///
/// # Errors
/// [`KafkaError`].
pub async fn topic_configs(
    session: &Session,
    name: &str,
) -> Result<Option<BTreeMap<String, String>>, KafkaError> {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(RESOURCE_TOPIC)
        .with_resource_name(text(name))
        .with_configuration_keys(None);
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let answer = session.request(&request).await?;
    let [result] = answer.results.as_slice() else {
        return Err(KafkaError::Answer {
            api: "DescribeConfigs",
            what: "it is not about the one topic that was asked for",
        });
    };
    if result.error_code == ErrorCode::UnknownTopicOrPartition.code() {
        return Ok(None);
    }
    accepted(
        || format!("read the settings of topic {name}"),
        result.error_code,
        result.error_message.as_ref(),
    )?;
    let own = result
        .configs
        .iter()
        .filter(|config| config.config_source == SOURCE_TOPIC);
    let pairs = own.filter_map(|config| {
        let value = config.value.as_ref()?;
        Some((config.name.to_string(), value.to_string()))
    });
    Ok(Some(pairs.collect()))
}
