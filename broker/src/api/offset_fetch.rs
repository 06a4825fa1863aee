//! OffsetFetch: of one group, or of several (KIP-709).

use kafka_protocol::messages::OffsetFetchRequest;
use kintsugi_coordinator::{GroupRequest, GroupResponse, offset_fetch};

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::groups::ask;

/// Asks the coordinator of each group.
pub async fn serve(call: Call) -> Result<Answer, ApiError> {
    let groups = offset_fetch::split(call.version(), call.decode::<OffsetFetchRequest>()?);
    let asked = groups
        .iter()
        .map(|group| ask(&call, GroupRequest::OffsetFetch(group.clone())));
    let mut answers = Vec::with_capacity(groups.len());
    for answer in futures::future::try_join_all(asked).await? {
        let GroupResponse::OffsetFetch(answer) = answer else {
            return Err(ApiError::NoAnswer);
        };
        answers.push(answer);
    }
    let response = offset_fetch::join(call.version(), &groups, answers);
    call.encode::<OffsetFetchRequest>(&response)
}
