//! What waits for a commit.

use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::{
    GroupId as WireGroupId, JoinGroupResponse, OffsetCommitResponse, OffsetDeleteResponse,
};
use kintsugi_types::{ErrorCode, Time, TimestampMs};

use super::Coordinator;
use crate::event::{Command, GroupResponse};
use crate::group::{Group, OffsetKey, Waiter, answer, error_join};
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
        commits: Vec<(OffsetKey, OffsetCommit)>,
        /// The answer if all goes well; partitions that were refused already have their error.
        response: Box<OffsetCommitResponse>,
    },
    /// These offsets are gone, because they expired or somebody asked for it.
    Drop {
        group: GroupId,
        keys: Vec<OffsetKey>,
        answer: Option<(u64, Box<OffsetDeleteResponse>)>,
    },
    /// The group is gone, because it expired or somebody asked for it.
    Delete { group: GroupId, token: Option<u64> },
    /// The rewrite goes on. It is of no single group.
    Rewrite,
}

impl PendingAppend {
    /// Whose it is.
    pub(crate) fn group(&self) -> Option<&GroupId> {
        match self {
            Self::Assignment { group }
            | Self::Empty { group }
            | Self::Replacement { group, .. }
            | Self::Offsets { group, .. }
            | Self::Drop { group, .. }
            | Self::Delete { group, .. } => Some(group),
            Self::Rewrite => None,
        }
    }

    /// Answers the request that waits for the append itself, if one does.
    pub(super) fn fail(self, error: ErrorCode, out: &mut Vec<Command>) {
        let (token, response) = match self {
            Self::Assignment { .. }
            | Self::Empty { .. }
            | Self::Drop { answer: None, .. }
            | Self::Delete { token: None, .. }
            | Self::Rewrite => return,
            Self::Replacement { waiter, .. } => {
                (waiter.token, error_join(&MemberId::default(), error))
            }
            Self::Offsets {
                token, response, ..
            } => (token, failed_commit(*response, error)),
            Self::Drop {
                answer: Some((token, _)),
                ..
            } => (token, refuse_drop(error)),
            Self::Delete {
                group,
                token: Some(token),
            } => (token, deleted(&group, error)),
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

/// The answer to OffsetDelete that nothing was deleted.
pub(super) fn refuse_drop(error: ErrorCode) -> GroupResponse {
    GroupResponse::OffsetDelete(OffsetDeleteResponse::default().with_error_code(error.code()))
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
        let Some(id) = pending.group().cloned() else {
            self.on_rewrite_appended(result, out);
            return;
        };
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
        PendingAppend::Drop {
            keys,
            answer: reply,
            ..
        } => {
            if result.is_ok() {
                group.drop_offsets(&keys, append_token);
                group.delete_if_unused(context);
            }
            if let Some((token, response)) = reply {
                let response = match result {
                    Ok(()) => GroupResponse::OffsetDelete(*response),
                    Err(error) => refuse_drop(error),
                };
                answer(context, token, response);
            }
        }
        PendingAppend::Delete { group: id, token } => {
            if result.is_ok() {
                group.on_deleted(append_token);
            }
            if let Some(token) = token {
                let error = result.err().unwrap_or(ErrorCode::None);
                answer(context, token, deleted(&id, error));
            }
        }
        PendingAppend::Rewrite => {}
    }
}
