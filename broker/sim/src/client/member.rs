//! A member of a consumer group: joins, reads what it is assigned, commits, leaves now and then.

use std::collections::{BTreeMap, VecDeque};

use kintsugi_coordinator::{GroupResponse, TOPIC_NAME, partition_for};
use kintsugi_metadata::Image;
use kintsugi_node::message::broker::MetadataView;
use kintsugi_types::{
    BrokerId, ErrorCode, LeaderEpoch, Offset, PartitionId, PartitionIndex, TopicName,
};

use super::group_requests::{Identity, assigned};
use crate::fabric::Fabric;
use crate::happening::Ask;
use crate::oracle::Before;
use crate::place::machine_of;

/// One in so many rounds ends with the member leaving.
const LEAVES_ONE_IN: u32 = 60;

/// How many partitions `__consumer_offsets` has here.
pub(super) const OFFSETS_PARTITIONS: i32 = 2;

/// What it does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Join,
    Sync,
    /// Where the group stands in this partition.
    Stand(PartitionIndex),
    Poll(PartitionIndex),
    Commit(PartitionIndex),
    Heartbeat,
    Leave,
}

/// Where a request goes, and what it is.
pub(super) enum Next {
    /// Who leads what has to be asked first.
    Metadata,
    /// The topic of offsets has to be created.
    CreateOffsets,
    Ask(usize, Box<Ask>),
}

/// What to do after an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum After {
    Soon,
    /// Somebody else leads: ask who.
    AskWho,
}

/// A leader as last told: the partition, its leader's machine and epoch.
type Leader = (PartitionId, usize, LeaderEpoch);

/// One member.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    topic: TopicName,
    identity: Identity,
    step: Step,
    left: VecDeque<Step>,
    /// The members, while this one leads the group.
    members: Vec<String>,
    positions: BTreeMap<PartitionIndex, Offset>,
    is_told: bool,
    coordinator: Option<Leader>,
    leaders: BTreeMap<PartitionIndex, Leader>,
    before: Before,
    /// A whole round was done since nothing new is produced.
    pub(super) rounds_after_stop: u32,
}

impl Member {
    pub(crate) fn new(group: &str, topic: TopicName) -> Self {
        Self {
            topic,
            identity: Identity {
                group: group.to_owned(),
                member: String::new(),
                generation: -1,
            },
            step: Step::Join,
            left: VecDeque::new(),
            members: Vec::new(),
            positions: BTreeMap::new(),
            is_told: false,
            coordinator: None,
            leaders: BTreeMap::new(),
            before: Before::default(),
            rounds_after_stop: 0,
        }
    }

    /// What was told before may be wrong.
    pub(super) fn forget_leaders(&mut self) {
        self.is_told = false;
        self.coordinator = None;
        self.leaders.clear();
    }

    pub(super) fn told(&mut self, view: &MetadataView) {
        let image = &view.image;
        self.is_told = true;
        let find = |image: &Image, name: &str| -> Vec<Leader> {
            let name = name.parse().ok();
            let topic = name.and_then(|name: TopicName| image.topic_named(&name).cloned());
            let mut found = Vec::new();
            for (index, state) in topic.iter().flat_map(|topic| topic.partitions.iter()) {
                let is_good = |leader: &BrokerId| !view.suspects.contains(leader);
                if let (Some(topic), Some(leader)) = (&topic, state.leader.filter(is_good)) {
                    let (topic, index) = (topic.id, *index);
                    let id = PartitionId { topic, index };
                    found.push((id, machine_of(image, leader), state.leader_epoch));
                }
            }
            found
        };
        let index = partition_for(&self.identity.group, OFFSETS_PARTITIONS.unsigned_abs());
        let mut coordinators = find(image, TOPIC_NAME).into_iter();
        self.coordinator = coordinators.find(|(id, ..)| id.index == index);
        let leaders = find(image, self.topic.as_str()).into_iter();
        self.leaders = leaders.map(|leader| (leader.0.index, leader)).collect();
    }

    /// The next request.
    pub(super) fn next(&mut self, fabric: &Fabric) -> Next {
        if !self.is_told || self.leaders.is_empty() {
            return Next::Metadata;
        }
        if let Step::Poll(index) = self.step {
            let Some((partition, machine, leader_epoch)) = self.leaders.get(&index).copied() else {
                return Next::Metadata;
            };
            let offset = self.positions.get(&index).copied().unwrap_or_default();
            let ask = Ask::Fetch {
                partition,
                leader_epoch,
                offset,
            };
            return Next::Ask(machine, Box::new(ask));
        }
        let Some((partition, machine, _)) = self.coordinator else {
            return Next::CreateOffsets;
        };
        let (topic, group) = (self.topic.as_str(), &self.identity.group);
        let (version, request) = match self.step {
            Step::Join => self.identity.join(),
            Step::Sync => self.identity.sync(&self.plan()),
            Step::Stand(index) => {
                self.before = fabric.oracles.groups.before(group, index);
                self.identity.offsets(topic, index)
            }
            Step::Commit(index) => {
                self.before = fabric.oracles.groups.before(group, index);
                let offset = self.positions.get(&index).copied().unwrap_or_default();
                self.identity.commit(topic, index, offset)
            }
            Step::Leave => self.identity.leave(),
            Step::Heartbeat | Step::Poll(_) => self.identity.heartbeat(),
        };
        let ask = Ask::Group {
            partition,
            version,
            request,
        };
        Next::Ask(machine, Box::new(ask))
    }

    /// The request is on its way.
    pub(super) fn sent(&self, fabric: &mut Fabric) {
        if let Step::Commit(index) = self.step {
            let offset = self.positions.get(&index).copied().unwrap_or_default();
            let groups = &mut fabric.oracles.groups;
            let key = (&*self.identity.group, index);
            groups.committing(key, self.identity.generation, offset);
        }
    }

    /// Each partition to one member, in turn.
    fn plan(&self) -> Vec<(String, Vec<PartitionIndex>)> {
        let mut plan: Vec<_> = self
            .members
            .iter()
            .map(|id| (id.clone(), Vec::new()))
            .collect();
        let count = plan.len().max(1);
        for (number, index) in self.leaders.keys().enumerate() {
            if let Some((_, partitions)) = plan.get_mut(number % count) {
                partitions.push(*index);
            }
        }
        plan
    }

    pub(super) fn answered(
        &mut self,
        fabric: &mut Fabric,
        client: usize,
        response: &GroupResponse,
    ) -> After {
        let code = match response {
            GroupResponse::JoinGroup(joined) => joined.error_code,
            GroupResponse::SyncGroup(synced) => synced.error_code,
            GroupResponse::Heartbeat(beat) => beat.error_code,
            GroupResponse::LeaveGroup(left) => left.error_code,
            GroupResponse::OffsetCommit(answer) => {
                let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
                partitions.map(|p| p.error_code).next().unwrap_or(-1)
            }
            GroupResponse::OffsetFetch(answer) => {
                let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
                let of_partition = partitions.map(|p| p.error_code).next();
                if answer.error_code == 0 {
                    of_partition.unwrap_or(-1)
                } else {
                    answer.error_code
                }
            }
            _ => -1,
        };
        if code != 0 {
            return self.refused(code, response);
        }
        self.took(fabric, client, response);
        After::Soon
    }

    fn refused(&mut self, code: i16, response: &GroupResponse) -> After {
        let is = |error: ErrorCode| code == error.code();
        if is(ErrorCode::MemberIdRequired) {
            if let GroupResponse::JoinGroup(joined) = response {
                joined
                    .member_id
                    .as_str()
                    .clone_into(&mut self.identity.member);
            }
        } else if is(ErrorCode::UnknownMemberId) || is(ErrorCode::FencedInstanceId) {
            self.identity.member.clear();
            self.step = Step::Join;
        } else if is(ErrorCode::IllegalGeneration) || is(ErrorCode::RebalanceInProgress) {
            self.step = Step::Join;
        } else {
            return After::AskWho;
        }
        After::Soon
    }

    fn took(&mut self, fabric: &mut Fabric, client: usize, response: &GroupResponse) {
        match response {
            GroupResponse::JoinGroup(joined) => {
                joined
                    .member_id
                    .as_str()
                    .clone_into(&mut self.identity.member);
                self.identity.generation = joined.generation_id;
                let is_leader = joined.leader == joined.member_id;
                let members = joined.members.iter().filter(|_| is_leader);
                self.members = members.map(|m| m.member_id.as_str().to_owned()).collect();
                self.step = Step::Sync;
            }
            GroupResponse::SyncGroup(synced) => {
                let partitions = assigned(&synced.assignment);
                let Identity {
                    group,
                    member,
                    generation,
                } = &self.identity;
                let groups = &mut fabric.oracles.groups;
                let result = groups.assigned(group, *generation, member, &partitions);
                fabric.oracles.check_group(result);
                fabric.oracles.history.sought(client);
                self.positions.clear();
                self.left = partitions.into_iter().map(Step::Stand).collect();
                self.go_on(fabric);
            }
            GroupResponse::OffsetFetch(answer) => {
                if let Step::Stand(index) = self.step {
                    let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
                    let stands = partitions.map(|p| p.committed_offset).next();
                    let offset = Offset(stands.unwrap_or(-1));
                    let key = (&*self.identity.group, index);
                    let result = fabric.oracles.groups.fetched(key, offset, self.before);
                    fabric.oracles.check_group(result);
                    self.positions.insert(index, offset.max(Offset::ZERO));
                }
                self.go_on(fabric);
            }
            GroupResponse::OffsetCommit(_) => {
                if let Step::Commit(index) = self.step {
                    let offset = self.positions.get(&index).copied().unwrap_or_default();
                    let key = (&*self.identity.group, index);
                    let generation = self.identity.generation;
                    let groups = &mut fabric.oracles.groups;
                    let result = groups.committed(key, generation, offset, self.before);
                    fabric.oracles.check_group(result);
                }
                self.go_on(fabric);
            }
            GroupResponse::LeaveGroup(_) => {
                self.identity.member.clear();
                self.step = Step::Join;
            }
            _ => self.go_on(fabric),
        }
    }

    /// It has read up to here; `None`: what it asked for is not there.
    pub(super) fn read_up_to(&mut self, fabric: &mut Fabric, offset: Option<Offset>) {
        if let Step::Poll(index) = self.step {
            self.positions.insert(index, offset.unwrap_or_default());
        }
        self.go_on(fabric);
    }

    /// The partition and position of its present poll.
    pub(super) fn polls(&self) -> Option<Offset> {
        match self.step {
            Step::Poll(index) => Some(self.positions.get(&index).copied().unwrap_or_default()),
            _ => None,
        }
    }

    /// The next step of the round, or the first of the next one.
    fn go_on(&mut self, fabric: &mut Fabric) {
        if self.left.is_empty() {
            self.rounds_after_stop += 1;
            for index in self.positions.keys() {
                self.left.extend([Step::Poll(*index), Step::Commit(*index)]);
            }
            self.left.push_back(Step::Heartbeat);
            if fabric.rng.u32(..LEAVES_ONE_IN) == 0 {
                self.left.push_back(Step::Leave);
            }
        }
        self.step = self.left.pop_front().unwrap_or(Step::Heartbeat);
    }
}
