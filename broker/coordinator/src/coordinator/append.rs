//! What waits for a commit.

use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::{GroupId as WireGroupId, JoinGroupResponse, OffsetCommitResponse};
use kintsugi_types::{ErrorCode, PartitionIndex, Time, TimestampMs, TopicName};

use super::Coordinator;
use crate::event::{Command, GroupResponse};
use crate::group::{Group, Waiter, answer, error_join};
use crate::id::{GroupId, MemberId};
use crate::record::OffsetCommit;

/// What is to happen once an append is committed.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum PendingAppend {
    /// The group becomes stable.
    Assignment { group: GroupId },
    /// Nothing: the group is empty already.
    Empty { group: GroupId },
    /// A static member hears of its new id.
    Replacement {
        group: GroupId,
        waiter: Waiter,
        response: Box<JoinGroupResponse>,
    },
    /// Offsets become visible and the commit is answered.
    Offsets {
        group: GroupId,
        token: u64,
        commits: Vec<((TopicName, PartitionIndex), OffsetCommit)>,
        /// The answer if all goes well; partitions that were refused already have their error.
        response: Box<OffsetCommitResponse>,
    },
    /// The group is gone.
    Delete { group: GroupId, token: u64 },
}

impl PendingAppend {
    fn group(&self) -> &GroupId {
        match self {
            Self::Assignment { group }
            | Self::Empty { group }
            | Self::Replacement { group, .. }
            | Self::Offsets { group, .. }
            | Self::Delete { group, .. } => group,
        }
    }

    /// Answers the request that waits for the append itself, if one does.
    pub(super) fn fail(self, error: ErrorCode, out: &mut Vec<Command>) {
        let (token, response) = match self {
            Self::Assignment { .. } | Self::Empty { .. } => return,
            Self::Replacement { waiter, .. } => {
                (waiter.token, error_join(&MemberId::default(), error))
            }
            Self::Offsets {
                token, response, ..
            } => (token, failed_commit(*response, error)),
            Self::Delete { group, token } => (token, deleted(&group, error)),
        };
        out.push(Command::Respond { token, response });
    }
}

/// The answer to DeleteGroups.
pub(super) fn deleted(group: &GroupId, error: ErrorCode) -> GroupResponse {
    let response = DeletableGroupResult::default()
        .with_group_id(WireGroupId(group.wire()))
        .with_error_code(error.code());
    GroupResponse::DeleteGroup(response)
}

/// A commit's answer in which nothing was committed after all.
pub(super) fn failed_commit(mut response: OffsetCommitResponse, error: ErrorCode) -> GroupResponse {
    for partition in response
        .topics
        .iter_mut()
        .flat_map(|topic| &mut topic.partitions)
    {
        if partition.error_code == ErrorCode::None.code() {
            partition.error_code = error.code();
        }
    }
    GroupResponse::OffsetCommit(response)
}

/// What a client of the coordinator is told about an append's error, as Kafka does: whether to try
/// here again, look for the coordinator elsewhere, or give up.
const fn for_clients(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::UnknownTopicOrPartition
        | ErrorCode::NotEnoughReplicas
        | ErrorCode::NotEnoughReplicasAfterAppend
        | ErrorCode::RequestTimedOut => ErrorCode::CoordinatorNotAvailable,
        ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => ErrorCode::NotCoordinator,
        ErrorCode::MessageTooLarge
        | ErrorCode::RecordListTooLarge
        | ErrorCode::InvalidFetchSize => ErrorCode::InvalidCommitOffsetSize,
        other => other,
    }
}

impl Coordinator {
    pub(super) fn on_appended(
        &mut self,
        now: Time,
        wall: TimestampMs,
        append_token: u64,
        result: Result<(), ErrorCode>,
        out: &mut Vec<Command>,
    ) {
        let Some(pending) = self.appends.remove(&append_token) else {
            return;
        };
        let result = result.map_err(for_clients);
        let id = pending.group().clone();
        let unused = self.with_group_or(now, wall, &id, out, pending, |group, context, pending| {
            group.appends_in_flight = group.appends_in_flight.saturating_sub(1);
            settle(group, context, append_token, pending, result);
        });
        if let Some(pending) = unused {
            // A group is not forgotten while it has an append in flight; should it be gone all the
            // same, its client must not wait for ever.
            pending.fail(ErrorCode::GroupIdNotFound, out);
        }
    }

    fn with_group_or<T>(
        &mut self,
        now: Time,
        wall: TimestampMs,
        id: &GroupId,
        out: &mut Vec<Command>,
        value: T,
        act: impl FnOnce(&mut Group, &mut super::Context<'_>, T),
    ) -> Option<T> {
        let mut value = Some(value);
        self.with_group(now, wall, id, out, |group, context| {
            if let Some(value) = value.take() {
                act(group, context, value);
            }
        });
        value
    }
}

fn settle(
    group: &mut Group,
    context: &mut super::Context<'_>,
    append_token: u64,
    pending: PendingAppend,
    result: Result<(), ErrorCode>,
) {
    match pending {
        PendingAppend::Assignment { .. } => group.on_assignment(context, append_token, result),
        PendingAppend::Empty { .. } => {}
        PendingAppend::Replacement {
            waiter, response, ..
        } => Group::on_replacement(context, waiter, *response, result),
        PendingAppend::Offsets {
            token,
            commits,
            response,
            ..
        } => {
            let response = match result {
                Ok(()) => {
                    for (key, commit) in commits {
                        group.store_offset(key, commit, append_token);
                    }
                    GroupResponse::OffsetCommit(*response)
                }
                Err(error) => failed_commit(*response, error),
            };
            answer(context, token, response);
        }
        PendingAppend::Delete { group: id, token } => {
            if result.is_ok() {
                group.on_deleted(append_token);
            }
            let error = result.err().unwrap_or(ErrorCode::None);
            answer(context, token, deleted(&id, error));
        }
    }
}
