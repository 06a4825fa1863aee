//! One group: its members, its generation, its offsets, and the waits of its members.
//!
//! Guarantees: a waiting request is answered when its member is removed, replaced or moved on.
//! Assumes that the coordinator calls [`Group::tick`] when [`Group::next_deadline`] has come.

mod admin;
mod heartbeat;
mod join;
mod leave;
mod member;
mod offsets;
mod protocols;
mod rebalance;
mod replace;
mod respond;
mod snapshot;
mod subscription;
mod sync;
mod timers;

use std::collections::BTreeMap;

use kintsugi_types::{ErrorCode, Time, TimestampMs};

pub(crate) use admin::GROUP_TYPE;
pub(crate) use member::Member;
pub(crate) use offsets::{OffsetKey, StoredOffset};
pub(crate) use respond::{answer, error_join, error_sync, heartbeat};
pub(crate) use subscription::Subscribed;

use crate::id::{GroupId, InstanceId, MemberId};

/// A request that awaits its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Waiter {
    pub(crate) token: u64,
    pub(crate) version: i16,
}

/// Where a group is in its cycle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum GroupState {
    /// No members; perhaps offsets.
    Empty,
    /// Members are asked to join again.
    PreparingRebalance,
    /// All have joined; the leader's assignment is awaited.
    CompletingRebalance,
    /// Every member knows its assignment.
    Stable,
}

impl GroupState {
    /// Kafka's name of the state.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// How long members have to join.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct JoinPhase {
    /// When those who have not joined are left behind.
    pub(crate) until: Time,
    /// For a group that was empty: until when the wait may be prolonged as long as members come.
    pub(crate) initial_until: Option<Time>,
    /// Whether one came since the wait was last prolonged.
    pub(crate) has_new_member: bool,
}

/// A group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Group {
    pub(crate) id: GroupId,
    pub(crate) state: GroupState,
    pub(crate) state_since: TimestampMs,
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) leader: Option<MemberId>,
    pub(crate) members: BTreeMap<MemberId, Member>,
    pub(crate) static_members: BTreeMap<InstanceId, MemberId>,
    /// Ids that were given out and not used yet (KIP-394), each with its end.
    pub(crate) pending_members: BTreeMap<MemberId, Time>,
    pub(crate) join_phase: Option<JoinPhase>,
    /// When members that have not synced are removed.
    pub(crate) sync_until: Option<Time>,
    /// The append of the assignment that is to make the group stable.
    pub(crate) assignment_append: Option<u64>,
    pub(crate) offsets: BTreeMap<OffsetKey, StoredOffset>,
    /// The last append of a record of its members.
    pub(crate) record_append: u64,
    /// Appends of this group that await their commit: it is not forgotten before.
    pub(crate) appends_in_flight: usize,
}

impl Group {
    pub(crate) const fn new(id: GroupId, wall: TimestampMs) -> Self {
        Self {
            id,
            state: GroupState::Empty,
            state_since: wall,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            pending_members: BTreeMap::new(),
            join_phase: None,
            sync_until: None,
            assignment_append: None,
            offsets: BTreeMap::new(),
            record_append: 0,
            appends_in_flight: 0,
        }
    }

    /// Whether nothing would be lost if the group were forgotten: no record tells of it.
    pub(crate) fn is_forgettable(&self) -> bool {
        self.state == GroupState::Empty
            && self.generation == 0
            && self.pending_members.is_empty()
            && self.offsets.is_empty()
            && self.appends_in_flight == 0
    }

    /// The member of a request, unless it is not one or another holds its instance's name.
    pub(crate) fn check_member(
        &self,
        member: &MemberId,
        instance: Option<&InstanceId>,
    ) -> Result<(), ErrorCode> {
        if let Some(instance) = instance {
            match self.static_members.get(instance) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(holder) if holder != member => return Err(ErrorCode::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member) {
            Ok(())
        } else {
            Err(ErrorCode::UnknownMemberId)
        }
    }

    fn enter(&mut self, state: GroupState, wall: TimestampMs) {
        self.state = state;
        self.state_since = wall;
    }
}
