//! UnregisterBroker: a broker that is gone for good is forgotten.

use std::time::Duration;

use kafka_protocol::messages::{UnregisterBrokerRequest, UnregisterBrokerResponse};
use kintsugi_node::message::link::AdminRequest;
use kintsugi_types::BrokerId;

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::configs::results;
use super::topics::own;

/// The request carries no time-out: what Kafka's admin client waits by default.
const WAIT: Duration = Duration::from_secs(30);

/// Has the active controller forget it.
pub async fn serve(call: Call) -> Result<Answer, ApiError> {
    let request: UnregisterBrokerRequest = call.decode()?;
    let admin = AdminRequest::UnregisterBroker {
        broker: BrokerId(request.broker_id.0),
    };
    let answer = call.broker().admin(admin, WAIT).await;
    let results = results(answer.ok_or(ApiError::NoAnswer)?, 1);
    let result = results.first().ok_or(ApiError::NoAnswer)?;
    let response = UnregisterBrokerResponse::default()
        .with_error_code(result.error.code())
        .with_error_message(result.message.as_deref().map(own));
    call.encode::<UnregisterBrokerRequest>(&response)
}
