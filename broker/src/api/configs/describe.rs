//! DescribeConfigs: settings of topics and of this broker.

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use kintsugi_types::ErrorCode;

use super::{Candidate, RESOURCE_BROKER, RESOURCE_TOPIC, describe_broker, describe_topic};
use crate::api::answer::{Answer, ApiError};
use crate::api::call::Call;
use crate::api::topics::own;

/// The settings of one resource, or why they are not told.
pub(super) type Described = Result<Vec<DescribeConfigsResourceResult>, (ErrorCode, String)>;

/// What is asked about one resource.
pub(super) struct Asked<'a> {
    pub(super) resource: &'a DescribeConfigsResource,
    with_synonyms: bool,
    with_documentation: bool,
}

impl Asked<'_> {
    /// Whether this setting is asked for.
    pub(super) fn names(&self, name: &str) -> bool {
        match &self.resource.configuration_keys {
            None => true,
            Some(keys) => keys.iter().any(|key| &**key == name),
        }
    }

    /// One setting; `candidates` are its values, the one in force first.
    pub(super) fn describe(
        &self,
        name: &str,
        documentation: &str,
        type_number: i8,
        candidates: &[Candidate<'_>],
    ) -> DescribeConfigsResourceResult {
        let documentation = self.with_documentation.then(|| own(documentation));
        let synonyms = match self.with_synonyms {
            true => candidates.iter().map(Candidate::synonym).collect(),
            false => Vec::new(),
        };
        let result = DescribeConfigsResourceResult::default()
            .with_name(own(name))
            .with_documentation(documentation)
            .with_config_type(type_number)
            .with_synonyms(synonyms);
        match candidates.first() {
            Some(in_force) => result
                .with_value(Some(own(in_force.value)))
                .with_config_source(in_force.source as i8),
            None => result
                .with_value(None)
                .with_config_source(super::ConfigSource::Default as i8),
        }
    }
}

/// Answers for topics and for this broker; other brokers are asked themselves.
pub async fn describe(call: Call) -> Result<Answer, ApiError> {
    let request: DescribeConfigsRequest = call.decode()?;
    let published = call.broker().image();
    let results = request.resources.iter().map(|resource| {
        let asked = Asked {
            resource,
            with_synonyms: request.include_synonyms,
            with_documentation: request.include_documentation,
        };
        let described = match resource.resource_type {
            RESOURCE_TOPIC => describe_topic::describe(call.broker(), &published, &asked),
            RESOURCE_BROKER => describe_broker::describe(call.broker(), &published, &asked),
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
