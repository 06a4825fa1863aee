//! A shard: an event loop that owns some of a broker's partitions.
//!
//! Guarantees: every request gets exactly one answer (but for cancelled ones), at the latest when
//! its time is over; nothing is served to clients past the lease, which is looked at
//! before every event; a batch counts for offsets, acknowledgements and followers only after the
//! write of it returned; taking over a leadership touches no file, because replicas' logs are
//! open already. A poll of a follower costs the partitions that changed, not those it follows, and
//! the passing of time only those to which something happened.
//! Assumes that the log directory belongs to this broker and that all its shards use the same
//! number of shards. Never waits other than for the file system, and starts no thread.

mod client_fetch;
mod config;
mod counts;
mod delete_records;
pub(crate) mod directories;
mod epoch_ends;
mod fetchers;
mod flush;
mod groups;
mod inspect;
mod list_offsets;
mod log_ends;
mod making;
mod mending;
mod open;
mod parked;
mod partition;
mod produce;
mod publish;
mod removing;
mod scrub;
mod sessions;
mod settle;
mod sources;
mod stale_names;
#[cfg(test)]
mod tests;
mod throttle;
mod topic_settings;
mod traffic;
mod upkeep;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use kintsugi_metadata::Image;
use kintsugi_storage::{FileSystem, LogContext};
use kintsugi_types::{
    BrokerEpoch, BrokerId, ErrorCode, LeaderEpoch, PartitionId, Time, TimestampMs,
};

use crate::message::shard::{Command, Counts, CurrentLeader, Event};

use client_fetch::HeldFetches;
pub use config::{Limits, ShardConfig, Timings, TopicDefaults};
use delete_records::WaitingDeletes;
pub use directories::RemovingJob;
use fetchers::Fetchers;
use groups::Groups;
pub use inspect::PartitionView;
use making::Making;
pub use making::{Made, MakingJob};
use mending::Mends;
use open::Recovered;
pub use open::{OpenedLogs, ShardError};
use parked::Parked;
use partition::Partition;
use produce::WaitingProduces;
use removing::Removing;
use scrub::Scrub;
use sessions::Sessions;
use settle::Todo;
use stale_names::StaleNames;
pub use throttle::{Throttle, Throttles};
use upkeep::Upkeep;
use watch::Watch;

/// A shard. See the module's documentation.
pub struct Shard<F: FileSystem> {
    config: ShardConfig,
    context: LogContext<F>,
    root: PathBuf,
    partitions: BTreeMap<PartitionId, Partition<F>>,
    /// Logs that were found at the start and that the metadata has not named yet.
    recovered: BTreeMap<PartitionId, Recovered<F>>,
    recovered_to_checkpoint: bool,
    opened_logs: OpenedLogs,
    /// Partitions whose directories' names are still taken by deleted topics of other shards.
    nameless: BTreeSet<PartitionId>,
    /// When they are tried again.
    name_again_at: Time,
    making: Making,
    removing: Removing,
    stale_names: StaleNames,
    image: Arc<Image>,
    broker_epoch: BrokerEpoch,
    /// Whether the metadata has reached this broker's registration.
    is_named: bool,
    lease_until: Option<Time>,
    produces: WaitingProduces,
    parked: Parked,
    fetches: HeldFetches,
    deletes: WaitingDeletes,
    sessions: Sessions,
    fetchers: Fetchers,
    groups: Groups,
    mends: Mends,
    scrub: Scrub,
    upkeep: Upkeep,
    watch: Watch,
    todo: Todo,
    counts: Counts,
}

impl<F: FileSystem> Shard<F> {
    /// When `handle` has to be called again at the latest (with `Event::Wake`).
    #[must_use]
    pub fn next_wake(&self) -> Time {
        if self.has_groups_to_load() {
            return Time::ZERO;
        }
        let lease = self.lease_until.unwrap_or(Time::NEVER);
        lease
            .min(self.name_again_at)
            .min(self.produces.next_wake())
            .min(self.fetches.next_wake())
            .min(self.deletes.next_wake())
            .min(self.sessions.next_wake())
            .min(self.fetchers.next_wake())
            .min(self.groups.next_wake())
            .min(self.mends.next_wake())
            .min(self.scrub.next_wake())
            .min(self.upkeep.next_wake())
    }

    /// Takes one event; what is to be done is appended to `out`, to be done in that order.
    pub fn handle(&mut self, now: Time, wall: TimestampMs, event: Event, out: &mut Vec<Command>) {
        self.begin_event(now, wall, out);
        match event {
            Event::Wake => {}
            Event::Produce(produce) => self.produce(now, wall, produce, out),
            Event::Fetch(fetch) => self.client_fetch(now, fetch, out),
            Event::ListOffsets { token, positions } => {
                self.list_offsets(now, token, &positions, out);
            }
            Event::EpochEnds { token, queries } => self.epoch_ends(now, token, &queries, out),
            Event::DeleteRecords {
                token,
                before,
                wait_ms,
            } => self.delete_records(now, token, &before, wait_ms),
            Event::DescribeLogs { token } => {
                let logs = self.log_sizes();
                out.push(Command::AnswerLogs { token, logs });
            }
            Event::DescribeLoads { token } => {
                let loads = self.loads();
                out.push(Command::AnswerLoads { token, loads });
            }
            Event::Group(ask) => self.group_request(now, *ask, out),
            Event::Cancel { token } => self.cancel(token),
            Event::ReplicaFetch { token, request } => self.replica_fetch(now, token, request, out),
            Event::ReplicaFetched {
                leader,
                leader_shard,
                response,
            } => {
                let key = (leader, leader_shard, response.class);
                self.replica_fetched(now, wall, key, response);
            }
            Event::ReplicaFetchFailed {
                leader,
                leader_shard,
                class,
            } => self.fetch_failed(now, (leader, leader_shard, class)),
            Event::Publish {
                image,
                delta,
                broker_epoch,
            } => self.publish(now, image, delta.as_deref(), broker_epoch, out),
            Event::ExtendLease { until } => self.lease_until = Some(until),
            Event::AlterPartitionAnswered { results } => {
                for (partition, error) in results {
                    self.isr_answered(partition, error);
                }
            }
            Event::Drain => {
                self.upkeep.drain();
                self.fail_parked();
                self.resign_all_groups(out);
            }
            Event::AskLogEnds { partitions } => self.log_ends(&partitions, out),
            Event::Synced { partition, result } => self.synced(now, partition, result),
            Event::Removed { result } => self.removed(result),
        }
        self.end_event(now, wall, out);
    }

    fn begin_event(&mut self, now: Time, wall: TimestampMs, out: &mut Vec<Command>) {
        // The lease comes first: after a freeze nothing may be served as if it still held.
        self.check_lease(now, out);
        self.groups.set_wall(wall);
    }

    fn end_event(&mut self, now: Time, wall: TimestampMs, out: &mut Vec<Command>) {
        self.keep_up(now, wall, out);
        self.push_making(out);
        self.push_removals(out);
        self.answer_deletes(now, out);
        self.settle_all(now, out);
    }

    /// Whether clients may be served.
    fn is_serving(&self, now: Time) -> bool {
        self.lease_until.is_some_and(|until| now < until) && !self.upkeep.is_draining()
    }

    fn check_lease(&mut self, now: Time, out: &mut Vec<Command>) {
        if self.lease_until.is_some_and(|until| now >= until) {
            self.lease_until = None;
            let partitions: Vec<PartitionId> = self.partitions.keys().copied().collect();
            for partition in partitions {
                self.with_replica(partition, |replica, _, commands| {
                    replica.fail_waiting(commands)
                });
                self.fail_sync_waits(partition);
            }
            self.fail_parked();
            self.todo.fetches.extend(self.fetches.tokens());
            self.settle_all(now, out);
        }
    }

    fn cancel(&mut self, token: crate::message::shard::Token) {
        for (ticket, partition) in self.produces.cancel(token) {
            self.cancel_ticket(partition, ticket);
        }
        self.forget_fetch(token);
        self.deletes.cancel(token);
        self.sessions.cancel(token);
    }

    /// The partition, if it is led here and the client's leader epoch is the present one.
    fn led(
        &self,
        now: Time,
        partition: PartitionId,
        epoch: LeaderEpoch,
    ) -> Result<&Partition<F>, ErrorCode> {
        let Some(state) = self.image.partition(partition) else {
            return Err(ErrorCode::UnknownTopicOrPartition);
        };
        let local = self.partitions.get(&partition);
        let Some(local) = local.filter(|p| p.replica.is_leader() && self.is_serving(now)) else {
            return Err(ErrorCode::NotLeaderOrFollower);
        };
        if epoch != LeaderEpoch::UNKNOWN && epoch < state.leader_epoch {
            return Err(ErrorCode::FencedLeaderEpoch);
        }
        if epoch > state.leader_epoch {
            return Err(ErrorCode::UnknownLeaderEpoch);
        }
        Ok(local)
    }

    /// KIP-951's hint: who leads, where another than this broker does.
    fn hint(&self, partition: PartitionId, error: ErrorCode) -> Option<CurrentLeader> {
        let wants_hint = matches!(
            error,
            ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch
        );
        let state = self.image.partition(partition).filter(|_| wants_hint)?;
        let is_elsewhere =
            |leader: &BrokerId| *leader != self.config.broker && self.image.is_active(*leader);
        Some(CurrentLeader {
            leader: state.leader.filter(is_elsewhere),
            epoch: state.leader_epoch,
        })
    }
}
