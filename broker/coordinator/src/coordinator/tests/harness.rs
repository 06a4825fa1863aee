//! A coordinator with a clock and a log.

use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    GroupId as WireGroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse,
    SyncGroupRequest, SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;
use kintsugi_types::{ErrorCode, Time, TimestampMs};

use crate::event::{Client, Command, Event, GroupRequest, GroupResponse};
use crate::{Coordinator, CoordinatorConfig};

pub(super) const SESSION_MS: u64 = 10_000;
pub(super) const REBALANCE_MS: u64 = 60_000;

pub(super) struct Harness {
    pub(super) coordinator: Coordinator,
    pub(super) now_ms: u64,
    pub(super) version: i16,
    next_token: u64,
    pub(super) wall: TimestampMs,
    /// Every batch that was committed.
    pub(super) log: Vec<Bytes>,
}

pub(super) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(super) fn group_id() -> WireGroupId {
    WireGroupId(text("group"))
}

impl Harness {
    pub(super) fn new() -> Self {
        Self::with(CoordinatorConfig::default())
    }

    pub(super) fn with(config: CoordinatorConfig) -> Self {
        Self {
            coordinator: Coordinator::new(config, 7),
            now_ms: 1_000,
            version: 3,
            next_token: 0,
            wall: TimestampMs(5_000),
            log: Vec::new(),
        }
    }

    pub(super) fn handle(&mut self, event: Event) -> Vec<Command> {
        let mut out = Vec::new();
        let now = Time::from_millis(self.now_ms);
        self.coordinator.handle(now, self.wall, event, &mut out);
        out
    }

    /// Sends a request and tells its token.
    pub(super) fn send(&mut self, request: GroupRequest) -> (u64, Vec<Command>) {
        self.next_token += 1;
        let event = Event::Request {
            token: self.next_token,
            version: self.version,
            client: Client {
                id: "client".to_owned(),
                host: "/10.0.0.1".to_owned(),
            },
            request,
        };
        (self.next_token, self.handle(event))
    }

    pub(super) fn wake_at(&mut self, now_ms: u64) -> Vec<Command> {
        assert_eq!(self.coordinator.next_wake(), Time::from_millis(now_ms));
        self.now_ms = now_ms;
        self.handle(Event::Wake)
    }

    /// Commits the only append among the commands.
    pub(super) fn commit(&mut self, commands: &[Command]) -> Vec<Command> {
        let (append_token, batch) = append_of(commands);
        self.log.push(batch);
        self.handle(Event::Appended {
            append_token,
            result: Ok(()),
        })
    }

    pub(super) fn join(&mut self, member: &str) -> (u64, Vec<Command>) {
        self.send(GroupRequest::JoinGroup(join(member)))
    }

    pub(super) fn sync(
        &mut self,
        member: &str,
        generation: i32,
        assignments: &[(&str, &str)],
    ) -> (u64, Vec<Command>) {
        let assignments = assignments.iter().map(|(member, assignment)| {
            SyncGroupRequestAssignment::default()
                .with_member_id(text(member))
                .with_assignment(Bytes::copy_from_slice(assignment.as_bytes()))
        });
        let request = SyncGroupRequest::default()
            .with_group_id(group_id())
            .with_member_id(text(member))
            .with_generation_id(generation)
            .with_assignments(assignments.collect());
        self.send(GroupRequest::SyncGroup(request))
    }

    pub(super) fn heartbeat(&mut self, member: &str, generation: i32) -> ErrorCode {
        let request = HeartbeatRequest::default()
            .with_group_id(group_id())
            .with_member_id(text(member))
            .with_generation_id(generation);
        let (_, commands) = self.send(GroupRequest::Heartbeat(request));
        match &commands[..] {
            [
                Command::Respond {
                    response: GroupResponse::Heartbeat(response),
                    ..
                },
            ] => ErrorCode::from_code(response.error_code).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// A stable group of two members in generation 1: the leader and the other.
    pub(super) fn stable_pair(&mut self) -> (String, String) {
        let (first_token, commands) = self.join("");
        assert_eq!(commands, vec![]);
        let (second_token, commands) = self.join("");
        assert_eq!(commands, vec![]);
        self.now_ms += 3_000;
        self.handle(Event::Wake);
        self.now_ms += 3_000;
        let joined = self.handle(Event::Wake);
        let first = joined_of(&joined, first_token).member_id.to_string();
        let second = joined_of(&joined, second_token).member_id.to_string();
        let leader = joined_of(&joined, first_token).leader.to_string();
        let other = if leader == first { second } else { first };
        self.sync(&other, 1, &[]);
        let (_, commands) = self.sync(&leader, 1, &[(&leader, "a"), (&other, "b")]);
        self.commit(&commands);
        (leader, other)
    }
}

pub(super) fn join(member: &str) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(Bytes::from_static(b"topics"));
    JoinGroupRequest::default()
        .with_group_id(group_id())
        .with_member_id(text(member))
        .with_session_timeout_ms(SESSION_MS as i32)
        .with_rebalance_timeout_ms(REBALANCE_MS as i32)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol])
}

pub(super) fn append_of(commands: &[Command]) -> (u64, Bytes) {
    let mut appends = commands.iter().filter_map(|command| match command {
        Command::Append {
            append_token,
            batch,
        } => Some((*append_token, batch.clone())),
        Command::Respond { .. } | Command::Rewritten { .. } => None,
    });
    let found = appends
        .next()
        .unwrap_or_else(|| panic!("no append in {commands:?}"));
    assert!(appends.next().is_none());
    found
}

pub(super) fn joined_of(commands: &[Command], wanted: u64) -> &JoinGroupResponse {
    let mut found = commands.iter().filter_map(|command| match command {
        Command::Respond {
            token,
            response: GroupResponse::JoinGroup(response),
        } if *token == wanted => Some(response),
        _ => None,
    });
    found
        .next()
        .unwrap_or_else(|| panic!("no join {wanted} in {commands:?}"))
}

/// A join's answer, for the leader with the members' ids.
pub(super) fn joined(
    token: u64,
    generation: i32,
    leader: &str,
    member: &str,
    members: &[&str],
) -> Command {
    let members = members.iter().map(|id| {
        JoinGroupResponseMember::default()
            .with_member_id(text(id))
            .with_metadata(Bytes::from_static(b"topics"))
    });
    let response = JoinGroupResponse::default()
        .with_generation_id(generation)
        .with_protocol_type(Some(text("consumer")))
        .with_protocol_name(Some(text("range")))
        .with_leader(text(leader))
        .with_member_id(text(member))
        .with_members(members.collect());
    Command::Respond {
        token,
        response: GroupResponse::JoinGroup(response),
    }
}

pub(super) fn join_failed(token: u64, member: &str, error: ErrorCode) -> Command {
    let response = JoinGroupResponse::default()
        .with_error_code(error.code())
        .with_member_id(text(member));
    Command::Respond {
        token,
        response: GroupResponse::JoinGroup(response),
    }
}

pub(super) fn synced(token: u64, assignment: &str) -> Command {
    let response = SyncGroupResponse::default()
        .with_protocol_type(Some(text("consumer")))
        .with_protocol_name(Some(text("range")))
        .with_assignment(Bytes::copy_from_slice(assignment.as_bytes()));
    Command::Respond {
        token,
        response: GroupResponse::SyncGroup(response),
    }
}

pub(super) fn sync_failed(token: u64, error: ErrorCode) -> Command {
    let response = SyncGroupResponse::default().with_error_code(error.code());
    Command::Respond {
        token,
        response: GroupResponse::SyncGroup(response),
    }
}
