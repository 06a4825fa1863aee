//! InitProducerId: an id for an idempotent producer (KIP-98).
//!
//! Always a new one, with epoch 0, as Kafka gives to producers without a transactional id, also
//! where the producer names the id that it has (KIP-360). Transactions are not served.

use std::time::Duration;

use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};
use kintsugi_types::ErrorCode;

use super::answer::{Answer, ApiError};
use super::call::Call;

/// How long the active controller is waited for when no id is at hand. Then the producer is told
/// to ask again, so that one request does not hold up its connection for longer.
const WAIT_MAX: Duration = Duration::from_secs(5);

const NO_PRODUCER_ID: i64 = -1;
const NO_PRODUCER_EPOCH: i16 = -1;

/// Answers with a new producer id.
pub async fn serve(call: Call) -> Result<Answer, ApiError> {
    let request: InitProducerIdRequest = call.decode()?;
    let result = match check(&request) {
        Ok(()) => {
            let id = call.broker().producer_id(WAIT_MAX).await;
            id.ok_or(ApiError::NoAnswer)?
        }
        Err(error) => Err(error),
    };
    let response = InitProducerIdResponse::default();
    let response = match result {
        Ok(id) => response
            .with_producer_id(ProducerId(id.0))
            .with_producer_epoch(0),
        Err(error) => response
            .with_error_code(error.code())
            .with_producer_id(ProducerId(NO_PRODUCER_ID))
            .with_producer_epoch(NO_PRODUCER_EPOCH),
    };
    call.encode::<InitProducerIdRequest>(&response)
}

fn check(request: &InitProducerIdRequest) -> Result<(), ErrorCode> {
    match request.transactional_id.as_ref().map(|id| id.is_empty()) {
        None => {}
        Some(true) => return Err(ErrorCode::InvalidRequest),
        // Fatal for clients, and not mistaken for a lack of permission.
        Some(false) => return Err(ErrorCode::UnsupportedVersion),
    }
    let has_id = request.producer_id.0 != NO_PRODUCER_ID;
    let has_epoch = request.producer_epoch != NO_PRODUCER_EPOCH;
    if has_id != has_epoch || request.producer_id.0 < NO_PRODUCER_ID {
        return Err(ErrorCode::InvalidRequest);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_are_refused_and_an_epoch_needs_its_id() {
        let empty = InitProducerIdRequest::default();
        assert_eq!(check(&empty), Err(ErrorCode::InvalidRequest));
        let plain = empty.with_transactional_id(None);
        assert_eq!(check(&plain), Ok(()));
        let again = plain.clone().with_producer_id(ProducerId(7));
        assert_eq!(check(&again), Err(ErrorCode::InvalidRequest));
        assert_eq!(check(&again.with_producer_epoch(3)), Ok(()));
        let text = super::super::topics::own("transactional");
        let transactional = plain.with_transactional_id(Some(text.into()));
        assert_eq!(check(&transactional), Err(ErrorCode::UnsupportedVersion));
    }
}
