//! Committed offsets.

use bytes::Bytes;
use kafka_protocol::messages::OffsetCommitRequest;
use kafka_protocol::messages::TopicName as WireTopicName;
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use kafka_protocol::protocol::StrBytes;
use kintsugi_types::{ErrorCode, PartitionIndex, TimestampMs, TopicName};
use kintsugi_wire::records::Record;

use super::{Group, GroupState};
use crate::coordinator::Context;
use crate::event::CommittedOffsets;
use crate::id::{InstanceId, MemberId};
use crate::record::{OffsetCommit, offset_commit_key};

/// What an offset is of.
pub(crate) type OffsetKey = (TopicName, PartitionIndex);

/// A committed offset, and the append that brought it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct StoredOffset {
    pub(crate) commit: OffsetCommit,
    /// A later append's offset is not overwritten by an earlier one's.
    pub(crate) append_token: u64,
}

impl Group {
    /// Whether the sender of a commit may commit now.
    pub(crate) fn check_commit(
        &mut self,
        context: &Context<'_>,
        request: &OffsetCommitRequest,
    ) -> Result<(), ErrorCode> {
        let generation = request.generation_id_or_member_epoch;
        let id = MemberId::of(&request.member_id);
        let instance = request.group_instance_id.as_ref().map(InstanceId::of);
        if generation < 0 && id.0.is_empty() && instance.is_none() {
            // A consumer that assigns itself, or an admin tool: only while nobody else is there.
            return match self.state {
                GroupState::Empty => Ok(()),
                _ => Err(ErrorCode::UnknownMemberId),
            };
        }
        if generation < 0 && self.state == GroupState::Empty {
            return Ok(());
        }
        self.check_member(&id, instance.as_ref())?;
        if generation != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        if self.state == GroupState::CompletingRebalance {
            return Err(ErrorCode::RebalanceInProgress);
        }
        if let Some(member) = self.members.get_mut(&id) {
            member.extend_session(context.now);
        }
        Ok(())
    }

    pub(crate) fn offset_record(
        &self,
        (topic, partition): (&TopicName, PartitionIndex),
        value: Option<Bytes>,
        wall: TimestampMs,
    ) -> Record {
        Record {
            timestamp: wall,
            key: Some(offset_commit_key(&self.id, topic, partition)),
            value,
            headers: Vec::new(),
        }
    }

    pub(crate) fn store_offset(&mut self, key: OffsetKey, commit: OffsetCommit, append_token: u64) {
        let stored = self.offsets.get(&key);
        if stored.is_none_or(|stored| stored.append_token <= append_token) {
            let stored = StoredOffset {
                commit,
                append_token,
            };
            self.offsets.insert(key, stored);
        }
    }

    /// The records that these offsets are no more.
    pub(crate) fn tombstones<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a OffsetKey>,
        wall: TimestampMs,
    ) -> Vec<Record> {
        let keys = keys.into_iter();
        keys.map(|(topic, partition)| self.offset_record((topic, *partition), None, wall))
            .collect()
    }

    /// The tombstones of these offsets are committed; what was committed after them stays.
    pub(crate) fn drop_offsets(&mut self, keys: &[OffsetKey], append_token: u64) {
        for key in keys {
            let stored = self.offsets.get(key);
            if stored.is_some_and(|stored| stored.append_token <= append_token) {
                self.offsets.remove(key);
            }
        }
    }

    /// The committed offsets asked for; with no topics named, all. What was never committed is -1.
    pub(crate) fn fetch_offsets(
        group: Option<&Self>,
        request: &OffsetFetchRequestGroup,
    ) -> Vec<OffsetFetchResponseTopics> {
        let Some(topics) = &request.topics else {
            return group.map(Self::all_offsets).unwrap_or_default();
        };
        let answers = topics.iter().map(|topic| {
            let name: Option<TopicName> = topic.name.parse().ok();
            let partitions = topic.partition_indexes.iter().map(|&index| {
                let key = name.clone().map(|name| (name, PartitionIndex(index)));
                let stored = group
                    .zip(key)
                    .and_then(|(group, key)| group.offsets.get(&key));
                partition_answer(index, stored)
            });
            OffsetFetchResponseTopics::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions.collect())
        });
        answers.collect()
    }

    /// What is committed, without what clients said beside it.
    pub(crate) fn committed(&self) -> CommittedOffsets {
        let offsets = self
            .offsets
            .iter()
            .map(|((topic, partition), stored)| (topic.clone(), *partition, stored.commit.offset));
        CommittedOffsets {
            group: self.id.clone(),
            members: self.members.len(),
            offsets: offsets.collect(),
        }
    }

    fn all_offsets(&self) -> Vec<OffsetFetchResponseTopics> {
        let mut topics: Vec<OffsetFetchResponseTopics> = Vec::new();
        for ((topic, partition), stored) in &self.offsets {
            let answer = partition_answer(partition.0, Some(stored));
            match topics.last_mut() {
                Some(last) if last.name.as_str() == topic.as_str() => last.partitions.push(answer),
                _ => {
                    let name = StrBytes::from_string(topic.as_str().to_owned());
                    topics.push(
                        OffsetFetchResponseTopics::default()
                            .with_name(WireTopicName(name))
                            .with_partitions(vec![answer]),
                    );
                }
            }
        }
        topics
    }
}

fn partition_answer(index: i32, stored: Option<&StoredOffset>) -> OffsetFetchResponsePartitions {
    let answer = OffsetFetchResponsePartitions::default().with_partition_index(index);
    match stored {
        None => answer
            .with_committed_offset(-1)
            .with_committed_leader_epoch(-1)
            .with_metadata(Some(StrBytes::new())),
        Some(StoredOffset { commit, .. }) => answer
            .with_committed_offset(commit.offset.0)
            .with_committed_leader_epoch(commit.leader_epoch.0)
            .with_metadata(Some(StrBytes::from_string(commit.metadata.clone()))),
    }
}
