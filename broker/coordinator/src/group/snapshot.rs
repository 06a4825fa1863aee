//! A group as a record, and back.

use std::time::Duration;

use kintsugi_types::{Time, TimestampMs};
use kintsugi_wire::records::Record;

use super::{Group, GroupState, Member};
use crate::event::Client;
use crate::record::{GroupMetadata, MemberMetadata, group_metadata_key};

impl Group {
    /// The record of the group as it is now.
    pub(crate) fn group_record(&self, wall: TimestampMs) -> Record {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let members = self.members.iter().map(|(id, member)| MemberMetadata {
            member: id.clone(),
            instance: member.instance.clone(),
            client_id: member.client.id.clone(),
            client_host: member.client.host.clone(),
            rebalance_timeout_ms: millis(member.rebalance_timeout),
            session_timeout_ms: millis(member.session_timeout),
            subscription: member.subscription(protocol),
            assignment: member.assignment.clone(),
        });
        let metadata = GroupMetadata {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            state_since: wall,
            members: members.collect(),
        };
        Record {
            timestamp: wall,
            key: Some(group_metadata_key(&self.id)),
            value: Some(metadata.encode()),
            headers: Vec::new(),
        }
    }

    /// The same of a group that has lost its members.
    pub(crate) fn memberless_record(&self, wall: TimestampMs) -> Record {
        let memberless = Self {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            ..Self::new(self.id.clone(), wall)
        };
        memberless.group_record(wall)
    }

    /// The record that the group is no more.
    pub(crate) fn group_tombstone(&self, wall: TimestampMs) -> Record {
        Record {
            timestamp: wall,
            key: Some(group_metadata_key(&self.id)),
            value: None,
            headers: Vec::new(),
        }
    }

    /// Takes over what a record says of the group. Its offsets stay.
    pub(crate) fn restore(&mut self, metadata: GroupMetadata) {
        self.generation = metadata.generation;
        self.state_since = metadata.state_since;
        self.protocol_type =
            Some(metadata.protocol_type).filter(|protocol_type| !protocol_type.is_empty());
        self.leader = metadata.leader;
        self.members.clear();
        self.static_members.clear();
        let protocol = metadata.protocol.clone().unwrap_or_default();
        self.protocol = metadata.protocol;
        for record in metadata.members {
            if let Some(instance) = record.instance.clone() {
                self.static_members.insert(instance, record.member.clone());
            }
            let member = Member {
                instance: record.instance,
                client: Client {
                    id: record.client_id,
                    host: record.client_host,
                },
                session_timeout: duration(record.session_timeout_ms),
                rebalance_timeout: duration(record.rebalance_timeout_ms),
                protocols: vec![(protocol.clone(), record.subscription)],
                assignment: record.assignment,
                join_waiter: None,
                sync_waiter: None,
                has_synced: true,
                session_until: Time::NEVER,
            };
            self.members.insert(record.member, member);
        }
        self.state = if self.members.is_empty() {
            GroupState::Empty
        } else {
            GroupState::Stable
        };
    }

    /// Gives every member its whole session from now on, after a change of coordinators.
    pub(crate) fn start_sessions(&mut self, now: Time) {
        for member in self.members.values_mut() {
            member.extend_session(now);
        }
    }
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

fn duration(millis: i32) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}
