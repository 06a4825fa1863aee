//! JoinGroup.

use std::collections::BTreeSet;

use kafka_protocol::messages::JoinGroupRequest;
use kintsugi_types::ErrorCode;

use super::member::protocols_of;
use super::{Group, GroupState, Member, Waiter, answer, error_join};
use crate::coordinator::Context;
use crate::event::{Client, GroupResponse};
use crate::id::{InstanceId, MemberId};

/// The first version whose members must come again with the id that they are given (KIP-394).
const MEMBER_ID_REQUIRED_SINCE: i16 = 4;

impl Group {
    /// A client joins, for the first time or again. The request was checked by itself.
    pub(crate) fn join(
        &mut self,
        context: &mut Context<'_>,
        waiter: Waiter,
        client: Client,
        request: &JoinGroupRequest,
    ) {
        let member = MemberId::of(&request.member_id);
        let offered: BTreeSet<&str> = request.protocols.iter().map(|p| p.name.as_str()).collect();
        if !self.accepts(&request.protocol_type, &offered) {
            let error = ErrorCode::InconsistentGroupProtocol;
            answer(context, waiter.token, error_join(&member, error));
            return;
        }
        let result = if member.0.is_empty() {
            self.join_unknown(context, waiter, client, request)
        } else {
            self.join_known(context, waiter, client, &member, request)
        };
        if let Err(error) = result {
            answer(context, waiter.token, error_join(&member, error));
        }
    }

    fn join_unknown(
        &mut self,
        context: &mut Context<'_>,
        waiter: Waiter,
        client: Client,
        request: &JoinGroupRequest,
    ) -> Result<(), ErrorCode> {
        if let Some(instance) = request.group_instance_id.as_ref().map(InstanceId::of) {
            let id = context.draw_member_id(&instance.0);
            if let Some(old) = self.static_members.get(&instance).cloned() {
                self.replace_static(context, waiter, client, (&old, id), request);
                return Ok(());
            }
            self.check_room(context)?;
            self.add_member(context, waiter, client, id, request);
            return Ok(());
        }
        self.check_room(context)?;
        let id = context.draw_member_id(&client.id);
        if waiter.version >= MEMBER_ID_REQUIRED_SINCE {
            let until = context.now + session_timeout(request);
            self.pending_members.insert(id.clone(), until);
            answer(
                context,
                waiter.token,
                error_join(&id, ErrorCode::MemberIdRequired),
            );
            return Ok(());
        }
        self.add_member(context, waiter, client, id, request);
        Ok(())
    }

    fn join_known(
        &mut self,
        context: &mut Context<'_>,
        waiter: Waiter,
        client: Client,
        id: &MemberId,
        request: &JoinGroupRequest,
    ) -> Result<(), ErrorCode> {
        if request.group_instance_id.is_none() && self.pending_members.remove(id).is_some() {
            self.check_room(context)?;
            self.add_member(context, waiter, client, id.clone(), request);
            return Ok(());
        }
        let instance = request.group_instance_id.as_ref().map(InstanceId::of);
        self.check_member(id, instance.as_ref())?;
        self.check_room_to_rejoin(context, id)?;
        match self.state {
            GroupState::Empty => return Err(ErrorCode::UnknownMemberId),
            GroupState::PreparingRebalance => {
                self.await_join(context, waiter, id, request);
                self.try_complete_join(context);
            }
            GroupState::CompletingRebalance if self.offers_the_same(id, request) => {
                // It has not received the answer to its last join: here it is again.
                self.answer_joined(context, waiter, id);
            }
            GroupState::Stable
                if self.leader.as_ref() != Some(id) && self.offers_the_same(id, request) =>
            {
                self.answer_joined(context, waiter, id);
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                self.await_join(context, waiter, id, request);
                self.prepare_rebalance(context);
            }
        }
        Ok(())
    }

    /// Adds a member whose join waits for the others.
    pub(super) fn add_member(
        &mut self,
        context: &mut Context<'_>,
        waiter: Waiter,
        client: Client,
        id: MemberId,
        request: &JoinGroupRequest,
    ) {
        if self.members.is_empty() {
            self.protocol_type = Some(request.protocol_type.as_str().to_owned());
        }
        let mut member = Member::new(client, request, waiter.version);
        member.join_waiter = Some(waiter);
        if let Some(instance) = member.instance.clone() {
            self.static_members.insert(instance, id.clone());
        }
        self.leader.get_or_insert_with(|| id.clone());
        self.members.insert(id, member);
        match (&mut self.join_phase, self.state) {
            (Some(phase), GroupState::PreparingRebalance) => {
                phase.has_new_member = true;
                self.try_complete_join(context);
            }
            _ => self.prepare_rebalance(context),
        }
    }

    /// Lets a member's join wait; one that already waited is told to come again.
    pub(super) fn await_join(
        &mut self,
        context: &mut Context<'_>,
        waiter: Waiter,
        id: &MemberId,
        request: &JoinGroupRequest,
    ) {
        if let Some(member) = self.members.get_mut(id) {
            member.update(request, waiter.version);
            let earlier = (member.join_waiter.replace(waiter), None);
            Self::fail_waiters(context, id, earlier, ErrorCode::RebalanceInProgress);
        }
    }

    fn answer_joined(&mut self, context: &mut Context<'_>, waiter: Waiter, id: &MemberId) {
        let response = self.joined(id, waiter.version);
        if let Some(member) = self.members.get_mut(id) {
            member.extend_session(context.now);
        }
        answer(context, waiter.token, GroupResponse::JoinGroup(response));
    }

    pub(super) fn offers_the_same(&self, id: &MemberId, request: &JoinGroupRequest) -> bool {
        let member = self.members.get(id);
        member.is_some_and(|member| member.protocols == protocols_of(request))
    }

    /// In a group that has become too large, those that join again first stay.
    fn check_room_to_rejoin(&self, context: &Context<'_>, id: &MemberId) -> Result<(), ErrorCode> {
        let is_awaiting = |member: &Member| member.join_waiter.is_some();
        if self.state != GroupState::PreparingRebalance
            || self.members.len() <= context.config.members_max
            || self.members.get(id).is_some_and(is_awaiting)
        {
            return Ok(());
        }
        let awaiting = self.members.values().filter(|member| is_awaiting(member));
        if awaiting.count() >= context.config.members_max {
            return Err(ErrorCode::GroupMaxSizeReached);
        }
        Ok(())
    }

    fn check_room(&self, context: &Context<'_>) -> Result<(), ErrorCode> {
        if self.members.len() + self.pending_members.len() >= context.config.members_max {
            return Err(ErrorCode::GroupMaxSizeReached);
        }
        Ok(())
    }
}

fn session_timeout(request: &JoinGroupRequest) -> std::time::Duration {
    std::time::Duration::from_millis(u64::try_from(request.session_timeout_ms).unwrap_or(0))
}
