//! OffsetCommit.

use kafka_protocol::messages::offset_commit_request::OffsetCommitRequestPartition;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};
use kintsugi_types::{
    ErrorCode, LeaderEpoch, Offset, PartitionIndex, Time, TimestampMs, TopicName,
};

use super::append::failed_commit;
use super::dispatch::check_group_id;
use super::{Context, Coordinator, PendingAppend};
use crate::event::{Command, GroupResponse};
use crate::group::{Group, OffsetKey, Waiter, answer};
use crate::id::GroupId;
use crate::record::OffsetCommit;

/// Offsets to commit, by partition.
type Commits = Vec<(OffsetKey, OffsetCommit)>;

/// The first version whose clients know that error (KIP-848).
const GROUP_ID_NOT_FOUND_SINCE: i16 = 9;

impl Coordinator {
    /// Commits offsets; the answer waits for the commit of their records, unless it is given here.
    pub(super) fn commit(
        &mut self,
        now: Time,
        wall: TimestampMs,
        waiter: Waiter,
        request: &OffsetCommitRequest,
        out: &mut Vec<Command>,
    ) -> Option<GroupResponse> {
        let id = GroupId::of(&request.group_id);
        let (commits, response) = self.sort(wall, request);
        let checked = check_group_id(&id).and_then(|()| match self.groups.contains_key(&id) {
            true => Ok(()),
            // A consumer that assigns itself has no other way to make its group.
            false if request.generation_id_or_member_epoch < 0 => self.create(&id, wall),
            false if waiter.version >= GROUP_ID_NOT_FOUND_SINCE => Err(ErrorCode::GroupIdNotFound),
            false => Err(ErrorCode::IllegalGeneration),
        });
        if let Err(error) = checked {
            return Some(failed_commit(response, error));
        }
        self.with_group(now, wall, &id, out, |group, context| {
            let kept = response.clone();
            let result = group.check_commit(context, request);
            let result = result.and_then(|()| append(group, context, waiter, commits, response));
            if let Err(error) = result {
                answer(context, waiter.token, failed_commit(kept, error));
            }
        });
        None
    }

    /// What can be committed of a request, and the answer with the errors of the rest.
    fn sort(
        &self,
        wall: TimestampMs,
        request: &OffsetCommitRequest,
    ) -> (Commits, OffsetCommitResponse) {
        let mut commits = Commits::new();
        let topics = request.topics.iter().map(|topic| {
            let name: Option<TopicName> = topic.name.parse().ok();
            let partitions = topic.partitions.iter().map(|partition| {
                let result = self.check_partition(name.as_ref(), partition);
                let error = result.as_ref().err().copied().unwrap_or(ErrorCode::None);
                if let Ok(name) = result {
                    let key = (name.clone(), PartitionIndex(partition.partition_index));
                    let expires_at = expiry_of(wall, request.retention_time_ms);
                    commits.push((key, commit_of(partition, wall, expires_at)));
                }
                OffsetCommitResponsePartition::default()
                    .with_partition_index(partition.partition_index)
                    .with_error_code(error.code())
            });
            OffsetCommitResponseTopic::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions.collect())
        });
        let response = OffsetCommitResponse::default().with_topics(topics.collect());
        (commits, response)
    }

    fn check_partition<'a>(
        &self,
        topic: Option<&'a TopicName>,
        partition: &OffsetCommitRequestPartition,
    ) -> Result<&'a TopicName, ErrorCode> {
        let metadata = partition.committed_metadata.as_ref();
        let metadata_bytes = metadata.map_or(0, |metadata| metadata.len());
        if metadata_bytes > self.config.offset_metadata_max_bytes {
            return Err(ErrorCode::OffsetMetadataTooLarge);
        }
        topic
            .filter(|_| partition.partition_index >= 0)
            .ok_or(ErrorCode::UnknownTopicOrPartition)
    }
}

/// When offsets expire by their client's own wish (versions 2 to 4).
fn expiry_of(wall: TimestampMs, retention_time_ms: i64) -> Option<TimestampMs> {
    let is_given = retention_time_ms >= 0;
    is_given.then(|| TimestampMs(wall.0.saturating_add(retention_time_ms)))
}

fn commit_of(
    partition: &OffsetCommitRequestPartition,
    wall: TimestampMs,
    expires_at: Option<TimestampMs>,
) -> OffsetCommit {
    let metadata = partition.committed_metadata.as_ref();
    OffsetCommit {
        offset: Offset(partition.committed_offset),
        leader_epoch: LeaderEpoch(partition.committed_leader_epoch),
        metadata: metadata
            .map(|text| text.as_str().to_owned())
            .unwrap_or_default(),
        committed_at: wall,
        expires_at,
    }
}

fn append(
    group: &mut Group,
    context: &mut Context<'_>,
    waiter: Waiter,
    commits: Commits,
    response: OffsetCommitResponse,
) -> Result<(), ErrorCode> {
    if commits.is_empty() {
        answer(context, waiter.token, GroupResponse::OffsetCommit(response));
        return Ok(());
    }
    let added = commits
        .iter()
        .filter(|(key, _)| !group.offsets.contains_key(key));
    if group.offsets.len() + added.count() > context.config.offsets_max {
        return Err(ErrorCode::InvalidCommitOffsetSize);
    }
    let records: Vec<_> = commits
        .iter()
        .map(|((topic, partition), commit)| {
            group.offset_record((topic, *partition), Some(commit.encode()), context.wall)
        })
        .collect();
    let pending = PendingAppend::Offsets {
        group: group.id.clone(),
        token: waiter.token,
        commits,
        response: Box::new(response),
    };
    context.append(&records, pending)?;
    group.appends_in_flight += 1;
    Ok(())
}
