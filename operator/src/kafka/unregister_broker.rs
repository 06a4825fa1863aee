//! UnregisterBroker: a broker that is gone for good.

use kintsugi_client::messages::{BrokerId, UnregisterBrokerRequest};
use kintsugi_types::ErrorCode;

use super::{KafkaError, Session, accepted};

/// Has the quorum forget a broker. Ok also if it knows none. Refused while the broker lives, or any
/// partition names it.
///
/// # Errors
/// [`KafkaError`].
pub async fn unregister_broker(session: &Session, broker: i32) -> Result<(), KafkaError> {
    let request = UnregisterBrokerRequest::default().with_broker_id(BrokerId(broker));
    let answer = session.request(&request).await?;
    if answer.error_code == ErrorCode::BrokerIdNotRegistered.code() {
        return Ok(());
    }
    accepted(
        || format!("unregister broker {broker}"),
        answer.error_code,
        answer.error_message.as_ref(),
    )
}
