//! What admin tools see.

use kafka_protocol::messages::GroupId as WireGroupId;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::protocol::StrBytes;
use kintsugi_types::ErrorCode;

use super::{Group, GroupState};
use crate::coordinator::{Context, PendingAppend};
use crate::id::GroupId;

/// The state that Kafka shows for a group that does not exist.
const DEAD: &str = "Dead";
/// Kafka's name for groups of this protocol.
pub(crate) const GROUP_TYPE: &str = "classic";

impl Group {
    /// The group for DescribeGroups. What members subscribe to is shown once they agree on it.
    pub(crate) fn describe(&self) -> DescribedGroup {
        let is_stable = self.state == GroupState::Stable;
        let protocol = self
            .protocol
            .clone()
            .filter(|_| is_stable)
            .unwrap_or_default();
        let members = self.members.iter().map(|(id, member)| {
            let shown = DescribedGroupMember::default()
                .with_member_id(id.wire())
                .with_group_instance_id(member.instance.as_ref().map(|instance| instance.wire()))
                .with_client_id(StrBytes::from_string(member.client.id.clone()))
                .with_client_host(StrBytes::from_string(member.client.host.clone()));
            if is_stable {
                shown
                    .with_member_metadata(member.subscription(&protocol))
                    .with_member_assignment(member.assignment.clone())
            } else {
                shown
            }
        });
        DescribedGroup::default()
            .with_group_id(WireGroupId(self.id.wire()))
            .with_group_state(StrBytes::from_static_str(self.state.name()))
            .with_protocol_type(self.wire_protocol_type())
            .with_protocol_data(StrBytes::from_string(protocol.clone()))
            .with_members(members.collect())
    }

    /// A group that does not exist, as Kafka describes it: as an error, or in older versions as a
    /// dead one.
    pub(crate) fn describe_missing(id: &GroupId, is_error: bool) -> DescribedGroup {
        let group = DescribedGroup::default()
            .with_group_id(WireGroupId(id.wire()))
            .with_group_state(StrBytes::from_static_str(DEAD));
        if !is_error {
            return group;
        }
        let message = format!("Group {id} not found.");
        group
            .with_error_code(ErrorCode::GroupIdNotFound.code())
            .with_error_message(Some(StrBytes::from_string(message)))
    }

    /// Appends a tombstone for each record of an empty group. `token` is of who asked for it.
    pub(crate) fn delete(
        &mut self,
        context: &mut Context<'_>,
        token: Option<u64>,
    ) -> Result<(), ErrorCode> {
        if self.state != GroupState::Empty || !self.pending_members.is_empty() {
            return Err(ErrorCode::NonEmptyGroup);
        }
        if self.appends_in_flight > 0 {
            // A commit on its way would outlive its group.
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        let mut records = self.tombstones(self.offsets.keys(), context.wall);
        records.push(self.group_tombstone(context.wall));
        let pending = PendingAppend::Delete {
            group: self.id.clone(),
            token,
        };
        context.append(&records, pending)?;
        self.appends_in_flight += 1;
        Ok(())
    }

    /// Deletes a group of which nothing is left but its record.
    pub(crate) fn delete_if_unused(&mut self, context: &mut Context<'_>) {
        if self.offsets.is_empty() && self.generation > 0 {
            // What fails now is tried again when offsets are looked through the next time.
            let _ = self.delete(context, None);
        }
    }

    /// The tombstones are committed. Offsets that were committed after them stay, and so do
    /// members that joined meanwhile: their next record comes after the tombstone.
    pub(crate) fn on_deleted(&mut self, append_token: u64) {
        self.offsets
            .retain(|_, stored| stored.append_token > append_token);
        if self.state == GroupState::Empty && self.record_append < append_token {
            self.generation = 0;
            self.protocol_type = None;
            self.protocol = None;
        }
    }

    /// The group for ListGroups.
    pub(crate) fn list(&self) -> ListedGroup {
        ListedGroup::default()
            .with_group_id(WireGroupId(self.id.wire()))
            .with_protocol_type(self.wire_protocol_type())
            .with_group_state(StrBytes::from_static_str(self.state.name()))
            .with_group_type(StrBytes::from_static_str(GROUP_TYPE))
    }

    fn wire_protocol_type(&self) -> StrBytes {
        let protocol_type = self.protocol_type.clone();
        protocol_type.map(StrBytes::from_string).unwrap_or_default()
    }
}
