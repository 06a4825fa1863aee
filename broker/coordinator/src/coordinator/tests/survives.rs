//! Any order of requests, commits, failures and time.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::messages::LeaveGroupRequest;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kintsugi_types::{ErrorCode, Time, TimestampMs};
use proptest::collection::vec;
use proptest::prelude::*;

use super::harness::*;
use super::offsets::commit;
use crate::event::{Command, Event, GroupRequest, GroupResponse};
use crate::id::GroupId;

#[derive(Clone, Debug)]
pub(super) enum Step {
    Join { member: usize, is_static: bool },
    Sync { member: usize },
    Heartbeat { member: usize },
    Leave { member: usize },
    Commit { member: usize },
    Delete,
    Settle { fails: bool },
    Wait { ms: u64 },
}

pub(super) fn a_step() -> impl Strategy<Value = Step> {
    let member = 0..6_usize;
    prop_oneof![
        4 => (member.clone(), any::<bool>())
            .prop_map(|(member, is_static)| Step::Join { member, is_static }),
        4 => member.clone().prop_map(|member| Step::Sync { member }),
        2 => member.clone().prop_map(|member| Step::Heartbeat { member }),
        1 => member.clone().prop_map(|member| Step::Leave { member }),
        2 => member.prop_map(|member| Step::Commit { member }),
        1 => Just(Step::Delete),
        4 => prop::bool::weighted(0.2).prop_map(|fails| Step::Settle { fails }),
        4 => (1..30_000_u64).prop_map(|ms| Step::Wait { ms }),
    ]
}

/// What the world outside the coordinator knows.
#[derive(Default)]
pub(super) struct World {
    /// Member ids seen, the newest last; an empty one for those who have none yet.
    ids: Vec<String>,
    generation: i32,
    waiting: BTreeSet<u64>,
    pub(super) appends: Vec<(u64, bytes::Bytes)>,
    /// How a rewrite ended.
    pub(super) rewritten: Option<bool>,
    answered: BTreeMap<u64, usize>,
}

impl World {
    pub(super) fn take(&mut self, commands: Vec<Command>) {
        for command in commands {
            match command {
                Command::Append {
                    append_token,
                    batch,
                } => self.appends.push((append_token, batch)),
                Command::Rewritten { is_done, .. } => self.rewritten = Some(is_done),
                Command::Respond { token, response } => {
                    assert!(self.waiting.remove(&token), "answered twice: {token}");
                    *self.answered.entry(token).or_default() += 1;
                    if let GroupResponse::JoinGroup(response) = response
                        && !response.member_id.is_empty()
                    {
                        self.ids.push(response.member_id.to_string());
                        self.generation = self.generation.max(response.generation_id);
                    }
                }
            }
        }
    }

    fn id(&self, member: usize) -> String {
        let newest = self.ids.iter().rev().nth(member);
        newest.cloned().unwrap_or_default()
    }
}

pub(super) fn run(harness: &mut Harness, world: &mut World, step: Step) {
    let request = match step {
        Step::Join { member, is_static } => {
            let request = join(&world.id(member));
            let instance = is_static.then(|| text("pod-0"));
            GroupRequest::JoinGroup(request.with_group_instance_id(instance))
        }
        Step::Sync { member } => {
            let id = world.id(member);
            let (token, commands) = harness.sync(&id, world.generation, &[(&id, "x")]);
            world.waiting.insert(token);
            world.take(commands);
            return;
        }
        Step::Heartbeat { member } => {
            harness.heartbeat(&world.id(member), world.generation);
            return;
        }
        Step::Leave { member } => {
            let member = MemberIdentity::default().with_member_id(text(&world.id(member)));
            let request = LeaveGroupRequest::default()
                .with_group_id(group_id())
                .with_members(vec![member]);
            GroupRequest::LeaveGroup(request)
        }
        Step::Commit { member } => commit(&world.id(member), world.generation, 1, ""),
        Step::Delete => GroupRequest::DeleteGroup(GroupId("group".to_owned())),
        Step::Settle { fails } => {
            if !world.appends.is_empty() {
                let (append_token, batch) = world.appends.remove(0);
                let result = if fails {
                    Err(ErrorCode::NotEnoughReplicas)
                } else {
                    harness.log.push(batch);
                    Ok(())
                };
                let event = Event::Appended {
                    append_token,
                    result,
                };
                let commands = harness.handle(event);
                world.take(commands);
            }
            return;
        }
        Step::Wait { ms } => {
            harness.now_ms += ms;
            for _ in 0..3 {
                if harness.coordinator.next_wake() <= Time::from_millis(harness.now_ms) {
                    let commands = harness.handle(Event::Wake);
                    world.take(commands);
                }
            }
            let next = harness.coordinator.next_wake();
            assert!(
                next > Time::from_millis(harness.now_ms),
                "wakes without end"
            );
            return;
        }
    };
    let (token, commands) = harness.send(request);
    world.waiting.insert(token);
    world.take(commands);
}

proptest! {
    #[test]
    fn every_request_is_answered_exactly_once_whatever_happens(
        steps in vec(a_step(), 1..120),
        version in 3_i16..=5,
    ) {
        let mut harness = Harness::new();
        harness.version = version;
        let mut world = World::default();
        for step in steps {
            run(&mut harness, &mut world, step);
        }
        // The log can always be read back, to the same offsets.
        let mut next = Harness::new();
        for batch in &harness.log {
            next.coordinator.load(batch).unwrap();
        }
        next.coordinator.finish_load(Time::ZERO, TimestampMs(5_000));
        let offsets = |harness: &Harness| -> Vec<_> {
            let groups = harness.coordinator.groups.values();
            let keys = groups.flat_map(|group| group.offsets.keys().cloned());
            keys.collect()
        };
        prop_assert_eq!(offsets(&next), offsets(&harness));

        let mut out = Vec::new();
        harness.coordinator.resign(&mut out);
        world.take(out);
        prop_assert!(world.waiting.is_empty(), "never answered: {:?}", world.waiting);
    }
}
