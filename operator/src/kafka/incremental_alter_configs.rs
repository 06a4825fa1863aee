//! IncrementalAlterConfigs: some settings of one topic.

use std::collections::{BTreeMap, BTreeSet};

use kintsugi_client::messages::IncrementalAlterConfigsRequest;
use kintsugi_client::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};

use super::describe_configs::RESOURCE_TOPIC;
use super::{KafkaError, Session, accepted, text};

/// Operations by number (`AlterConfigOp.OpType`).
const SET: i8 = 0;
const DELETE: i8 = 1;

/// Sets the settings in `set`, and takes back those in `reset`: all of them, or none.
///
/// # Errors
/// [`KafkaError`].
pub async fn alter_topic_configs(
    session: &Session,
    name: &str,
    set: &BTreeMap<String, String>,
    reset: &BTreeSet<String>,
) -> Result<(), KafkaError> {
    let change = |key: &str, operation, value: Option<&String>| {
        AlterableConfig::default()
            .with_name(text(key))
            .with_config_operation(operation)
            .with_value(value.map(|value| text(value)))
    };
    let sets = set.iter().map(|(key, value)| change(key, SET, Some(value)));
    let resets = reset.iter().map(|key| change(key, DELETE, None));
    let resource = AlterConfigsResource::default()
        .with_resource_type(RESOURCE_TOPIC)
        .with_resource_name(text(name))
        .with_configs(sets.chain(resets).collect());
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let answer = session.request(&request).await?;
    let [result] = answer.responses.as_slice() else {
        return Err(KafkaError::Answer {
            api: "IncrementalAlterConfigs",
            what: "it is not about the one topic that was asked for",
        });
    };
    accepted(
        || format!("change settings of topic {name}"),
        result.error_code,
        result.error_message.as_ref(),
    )
}
