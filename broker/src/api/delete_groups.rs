//! DeleteGroups: removes groups without members, and their offsets (KIP-229).

use kafka_protocol::messages::{DeleteGroupsRequest, DeleteGroupsResponse};
use kintsugi_coordinator::{GroupId, GroupRequest, GroupResponse};

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::groups::ask;

/// Asks the coordinator of each group.
pub async fn serve(call: Call) -> Result<Answer, ApiError> {
    let request = call.decode::<DeleteGroupsRequest>()?;
    let asked = request
        .groups_names
        .iter()
        .map(|group| ask(&call, GroupRequest::DeleteGroup(GroupId::of(group))));
    let mut results = Vec::with_capacity(request.groups_names.len());
    for answer in futures::future::try_join_all(asked).await? {
        let GroupResponse::DeleteGroup(result) = answer else {
            return Err(ApiError::NoAnswer);
        };
        results.push(result);
    }
    let response = DeleteGroupsResponse::default().with_results(results);
    call.encode::<DeleteGroupsRequest>(&response)
}
