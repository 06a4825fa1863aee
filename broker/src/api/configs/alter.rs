//! IncrementalAlterConfigs and AlterConfigs: decided by the active controller.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::messages::alter_configs_response;
use kafka_protocol::messages::incremental_alter_configs_response;
use kafka_protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};
use kintsugi_metadata::configs::{ConfigAlteration, ConfigChange, ConfigResource};
use kintsugi_node::message::admin::AdminResult;
use kintsugi_node::message::link::{AdminAnswer, AdminRequest};
use kintsugi_types::{BrokerId, ErrorCode};

use super::{RESOURCE_BROKER, RESOURCE_TOPIC};
use crate::api::answer::{Answer, ApiError};
use crate::api::call::Call;
use crate::api::topics::own;

/// These requests carry no time-out: what Kafka's admin client waits by default.
const WAIT: Duration = Duration::from_secs(30);

type Checked = Result<ConfigAlteration, AdminResult>;

/// Changes the settings that are named.
pub async fn incremental_alter(call: Call) -> Result<Answer, ApiError> {
    let request: IncrementalAlterConfigsRequest = call.decode()?;
    let checked = request.resources.iter().map(|resource| {
        let changes = resource.configs.iter().map(|config| {
            let value = config.value.as_deref();
            let change = change(&config.name, config.config_operation, value);
            (config.name.to_string(), change)
        });
        let named = (resource.resource_type, &*resource.resource_name);
        alteration(named, changes, false)
    });
    let results = decide(&call, checked.collect(), request.validate_only).await?;
    let responses = request.resources.iter().zip(results);
    let responses = responses.map(|(resource, result)| {
        incremental_alter_configs_response::AlterConfigsResourceResponse::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone())
            .with_error_code(result.error.code())
            .with_error_message(result.message.as_deref().map(own))
    });
    let responses = responses.collect();
    let response = IncrementalAlterConfigsResponse::default().with_responses(responses);
    call.encode::<IncrementalAlterConfigsRequest>(&response)
}

/// Replaces all settings of the resources that are named.
pub async fn alter(call: Call) -> Result<Answer, ApiError> {
    let request: AlterConfigsRequest = call.decode()?;
    let checked = request.resources.iter().map(|resource| {
        let changes = resource.configs.iter().map(|config| {
            let change = change(&config.name, SET, config.value.as_deref());
            (config.name.to_string(), change)
        });
        let named = (resource.resource_type, &*resource.resource_name);
        alteration(named, changes, true)
    });
    let results = decide(&call, checked.collect(), request.validate_only).await?;
    let responses = request.resources.iter().zip(results);
    let responses = responses.map(|(resource, result)| {
        alter_configs_response::AlterConfigsResourceResponse::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone())
            .with_error_code(result.error.code())
            .with_error_message(result.message.as_deref().map(own))
    });
    let response = AlterConfigsResponse::default().with_responses(responses.collect());
    call.encode::<AlterConfigsRequest>(&response)
}

/// Operations by number (`AlterConfigOp.OpType`).
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

fn change(name: &str, operation: i8, value: Option<&str>) -> Result<ConfigChange, AdminResult> {
    if operation == DELETE {
        return Ok(ConfigChange::Delete);
    }
    let Some(value) = value.map(str::to_owned) else {
        let message = format!("Null value not supported for : {name}");
        return Err(AdminResult::refused(ErrorCode::InvalidRequest, message));
    };
    match operation {
        SET => Ok(ConfigChange::Set(value)),
        APPEND => Ok(ConfigChange::Append(value)),
        SUBTRACT => Ok(ConfigChange::Subtract(value)),
        other => {
            let message = format!("Unknown operation type {other} for {name}");
            Err(AdminResult::refused(ErrorCode::InvalidRequest, message))
        }
    }
}

fn alteration(
    (kind, name): (i8, &str),
    changes: impl Iterator<Item = (String, Result<ConfigChange, AdminResult>)>,
    replaces_all: bool,
) -> Checked {
    let resource = resource(kind, name)?;
    let mut known = BTreeMap::new();
    for (name, change) in changes {
        if known.insert(name, change?).is_some() {
            let message = "Error due to duplicate config keys";
            return Err(AdminResult::refused(ErrorCode::InvalidRequest, message));
        }
    }
    Ok(ConfigAlteration {
        resource,
        changes: known,
        replaces_all,
    })
}

fn resource(kind: i8, name: &str) -> Result<ConfigResource, AdminResult> {
    let refused = |error, message: String| Err(AdminResult::refused(error, message));
    match (kind, name) {
        (RESOURCE_TOPIC, name) => match name.parse() {
            Ok(name) => Ok(ConfigResource::Topic(name)),
            Err(_) => refused(
                ErrorCode::InvalidTopic,
                format!("{name:?} is no topic name"),
            ),
        },
        (RESOURCE_BROKER, "") => Ok(ConfigResource::AllBrokers),
        (RESOURCE_BROKER, name) => match name.parse() {
            Ok(id) => Ok(ConfigResource::Broker(BrokerId(id))),
            Err(_) => refused(
                ErrorCode::InvalidRequest,
                format!("Broker id must be an integer, but it is: {name}"),
            ),
        },
        (other, _) => refused(
            ErrorCode::InvalidRequest,
            format!("resource type {other} has no settings here: name a topic (2) or a broker (4)"),
        ),
    }
}

/// Has the controller decide what is legal; one result for each part of the request.
async fn decide(
    call: &Call,
    checked: Vec<Checked>,
    validate_only: bool,
) -> Result<Vec<AdminResult>, ApiError> {
    let alterations: Vec<ConfigAlteration> = checked.iter().flatten().cloned().collect();
    let count = alterations.len();
    let mut decided = Vec::new();
    if count > 0 {
        let request = AdminRequest::AlterConfigs {
            alterations,
            validate_only,
        };
        let answer = call.broker().admin(request, WAIT).await;
        decided = results(answer.ok_or(ApiError::NoAnswer)?, count);
    }
    let mut decided = decided.into_iter();
    let mut next = || {
        let unanswered = AdminResult {
            error: ErrorCode::UnknownServerError,
            message: None,
        };
        decided.next().unwrap_or(unanswered)
    };
    let results = checked.into_iter().map(|checked| match checked {
        Ok(_) => next(),
        Err(refused) => refused,
    });
    Ok(results.collect())
}

/// One result for each of `count` parts, whatever the controller answered.
pub fn results(answer: AdminAnswer, count: usize) -> Vec<AdminResult> {
    let error = match answer {
        AdminAnswer::Results(results) => return results,
        AdminAnswer::NotDecided(error) => error,
        _ => ErrorCode::UnknownServerError,
    };
    let message = None;
    vec![AdminResult { error, message }; count]
}
