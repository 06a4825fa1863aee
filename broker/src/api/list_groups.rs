//! ListGroups: every group that this broker coordinates.

use kafka_protocol::messages::{ListGroupsRequest, ListGroupsResponse};
use kafka_protocol::protocol::StrBytes;
use kintsugi_coordinator::{GroupRequest, GroupResponse};
use kintsugi_types::PartitionId;

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::groups::ask_partition;
use super::topics::{self, OFFSETS_TOPIC};

/// Asks the coordinator of each partition of `__consumer_offsets` that is led here.
pub async fn serve(call: Call) -> Result<Answer, ApiError> {
    let request = call.decode::<ListGroupsRequest>()?;
    let states = request.states_filter.iter().map(ToString::to_string);
    let states: Vec<String> = states.collect();
    let types = request.types_filter.iter().map(ToString::to_string);
    let types: Vec<String> = types.collect();
    let published = call.broker().image();
    let mut asked = Vec::new();
    if let Some(topic) = topics::topic(&published, OFFSETS_TOPIC) {
        for (index, state) in &topic.partitions {
            if state.leader == Some(call.broker().id) {
                let partition = PartitionId {
                    topic: topic.id,
                    index: *index,
                };
                let list = GroupRequest::ListGroups {
                    states: states.clone(),
                    types: types.clone(),
                };
                asked.push(ask_partition(&call, partition, list));
            }
        }
    }
    let mut groups = Vec::new();
    for answer in futures::future::try_join_all(asked).await? {
        if let GroupResponse::ListGroups(listed) = answer {
            groups.extend(listed);
        }
    }
    for group in &mut groups {
        if call.version() < STATES_SINCE {
            group.group_state = StrBytes::new();
        }
        if call.version() < TYPES_SINCE {
            group.group_type = StrBytes::new();
        }
    }
    let response = ListGroupsResponse::default().with_groups(groups);
    call.encode::<ListGroupsRequest>(&response)
}

/// The first version that tells groups' states (KIP-518).
const STATES_SINCE: i16 = 4;
/// The first version that tells groups' types (KIP-848).
const TYPES_SINCE: i16 = 5;
