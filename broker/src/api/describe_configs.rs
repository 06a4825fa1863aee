//! DescribeConfigs: settings of topics and of this broker.

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use kintsugi_metadata::TopicImage;
use kintsugi_metadata::topics::config::{ConfigType, TOPIC_CONFIGS, TopicConfig};
use kintsugi_types::ErrorCode;

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::topics::{self, ConfigSource, own};
use crate::settings::{Settings, Source, all_definitions};

const RESOURCE_TOPIC: i8 = 2;
const RESOURCE_BROKER: i8 = 4;

/// Answers for topics and for this broker; other brokers are asked themselves.
pub async fn serve(call: Call) -> Result<Answer, ApiError> {
    let request: DescribeConfigsRequest = call.decode()?;
    let results = request.resources.iter().map(|resource| {
        let described = match resource.resource_type {
            RESOURCE_TOPIC => describe_topic(&call, resource, &request),
            RESOURCE_BROKER => describe_broker(&call, resource, &request),
            other => Err((
                ErrorCode::InvalidRequest,
                format!("resource type {other} has no settings here: ask for a topic (2) or a broker (4)"),
            )),
        };
        let result = DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        match described {
            Ok(configs) => result.with_error_message(None).with_configs(configs),
            Err((error, message)) => result
                .with_error_code(error.code())
                .with_error_message(Some(own(&message))),
        }
    });
    let response = DescribeConfigsResponse::default().with_results(results.collect());
    call.encode::<DescribeConfigsRequest>(&response)
}

type Described = Result<Vec<DescribeConfigsResourceResult>, (ErrorCode, String)>;

fn describe_topic(
    call: &Call,
    resource: &DescribeConfigsResource,
    request: &DescribeConfigsRequest,
) -> Described {
    let published = call.broker().image();
    let Some(topic) = topics::topic(&published, &resource.resource_name) else {
        let name = &resource.resource_name;
        return Err((
            ErrorCode::UnknownTopicOrPartition,
            format!("there is no topic {name}"),
        ));
    };
    let settings = &call.broker().settings;
    let asked = TOPIC_CONFIGS
        .iter()
        .filter(|definition| is_asked(resource, definition.name));
    let described = asked.map(|definition| {
        let (value, source) = topics::config(settings, topic, definition);
        let result = describe(definition.name, definition.documentation, request)
            .with_config_type(config_type(definition.kind))
            .with_value(Some(own(value)))
            .with_config_source(source as i8);
        match request.include_synonyms {
            true => result.with_synonyms(synonyms(settings, topic, definition)),
            false => result,
        }
    });
    Ok(described.collect())
}

/// The type's number in answers (KIP-569): STRING 2, INT 3, LONG 5.
const fn config_type(kind: ConfigType) -> i8 {
    match kind {
        ConfigType::Word(_) => 2,
        ConfigType::Int { .. } => 3,
        ConfigType::Long { .. } => 5,
    }
}

/// Every place that gives the setting a value, the one in force first.
fn synonyms(
    settings: &Settings,
    topic: &TopicImage,
    definition: &TopicConfig,
) -> Vec<DescribeConfigsSynonym> {
    let synonym = |name: &str, value: &str, source: ConfigSource| {
        DescribeConfigsSynonym::default()
            .with_name(own(name))
            .with_value(Some(own(value)))
            .with_source(source as i8)
    };
    let mut all = Vec::new();
    if let Some(value) = topic.configs.get(definition.name) {
        all.push(synonym(definition.name, value, ConfigSource::Topic));
    }
    let name = definition.broker_setting;
    match settings.values.get(name) {
        Some((value, source)) => all.push(synonym(name, value, source_of(source))),
        None => all.push(synonym(name, definition.default, ConfigSource::Default)),
    }
    all
}

fn describe_broker(
    call: &Call,
    resource: &DescribeConfigsResource,
    request: &DescribeConfigsRequest,
) -> Described {
    let this = call.broker().id;
    let name = &*resource.resource_name;
    // An empty name asks for defaults that the whole cluster shares and that can be changed while
    // it runs: there are none.
    if name.is_empty() {
        return Ok(Vec::new());
    }
    if name.parse() != Ok(this.0) {
        return Err((
            ErrorCode::InvalidRequest,
            format!("this is broker {this}: ask broker {name} itself"),
        ));
    }
    let asked = all_definitions().filter(|definition| is_asked(resource, definition.name));
    let described = asked.map(|definition| {
        let value = call.broker().settings.values.get(definition.name);
        let source = value.map_or(ConfigSource::Default, |(_, source)| source_of(source));
        describe(definition.name, definition.doc, request)
            .with_config_type(definition.kind.config_type())
            .with_value(value.map(|(value, _)| own(value)))
            .with_config_source(source as i8)
            .with_read_only(true)
    });
    Ok(described.collect())
}

fn source_of(source: Source) -> ConfigSource {
    match source {
        Source::Given => ConfigSource::Process,
        Source::Default => ConfigSource::Default,
    }
}

fn is_asked(resource: &DescribeConfigsResource, name: &str) -> bool {
    match &resource.configuration_keys {
        None => true,
        Some(keys) => keys.iter().any(|key| &**key == name),
    }
}

fn describe(
    name: &str,
    documentation: &str,
    request: &DescribeConfigsRequest,
) -> DescribeConfigsResourceResult {
    let documentation = request.include_documentation.then(|| own(documentation));
    DescribeConfigsResourceResult::default()
        .with_name(own(name))
        .with_documentation(documentation)
}
