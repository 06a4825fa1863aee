//! Heartbeat.

use kafka_protocol::messages::HeartbeatRequest;
use kintsugi_types::ErrorCode;

use super::{Group, GroupState};
use crate::coordinator::Context;
use crate::id::{InstanceId, MemberId};

impl Group {
    /// A member is alive; tells it whether it has to join again.
    pub(crate) fn heartbeat(
        &mut self,
        context: &Context<'_>,
        request: &HeartbeatRequest,
    ) -> Result<(), ErrorCode> {
        let id = MemberId::of(&request.member_id);
        let instance = request.group_instance_id.as_ref().map(InstanceId::of);
        self.check_member(&id, instance.as_ref())?;
        if request.generation_id != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        if let Some(member) = self.members.get_mut(&id) {
            member.extend_session(context.now);
        }
        match self.state {
            GroupState::Empty => Err(ErrorCode::UnknownMemberId),
            GroupState::PreparingRebalance => Err(ErrorCode::RebalanceInProgress),
            GroupState::CompletingRebalance | GroupState::Stable => Ok(()),
        }
    }
}
