//! DescribeGroups: the members of groups and what they are assigned.

use kafka_protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse};
use kintsugi_coordinator::{GroupId, GroupRequest, GroupResponse};

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::groups::ask;

/// The first version that tells what the client may do.
const OPERATIONS_SINCE: i16 = 3;

/// Asks the coordinator of each group.
pub async fn serve(call: Call) -> Result<Answer, ApiError> {
    let request = call.decode::<DescribeGroupsRequest>()?;
    let asked = request
        .groups
        .iter()
        .map(|group| ask(&call, GroupRequest::DescribeGroup(GroupId::of(group))));
    let mut groups = Vec::with_capacity(request.groups.len());
    for answer in futures::future::try_join_all(asked).await? {
        let GroupResponse::DescribeGroup(mut group) = answer else {
            return Err(ApiError::NoAnswer);
        };
        if call.version() >= OPERATIONS_SINCE {
            group.authorized_operations = i32::MIN;
        }
        groups.push(group);
    }
    let response = DescribeGroupsResponse::default().with_groups(groups);
    call.encode::<DescribeGroupsRequest>(&response)
}
