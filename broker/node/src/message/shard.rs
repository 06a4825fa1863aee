//! Events and commands of a shard: an event loop that owns some of a broker's partitions.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kintsugi_coordinator::{Client, GroupRequest, GroupResponse};
use kintsugi_metadata::{Delta, Image};
use kintsugi_storage::checkpoint::OffsetCheckpoints;
use kintsugi_storage::{FsError, Synced};
use kintsugi_types::{
    BrokerEpoch, BrokerId, Endpoint, ErrorCode, LeaderEpoch, MetadataOffset, Offset, PartitionId,
    Time, TimestampMs, TopicName,
};

use super::link::{IsrChange, LogEnd};
use super::load::PartitionLoad;
use super::replication::{FetchClass, FetchRequest, FetchResponse};

/// One request of a client; the process answers by it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Token(pub u64);

/// What happens to a shard.
#[derive(Debug)]
pub enum Event {
    /// The time that `next_wake` named has come (or passed).
    Wake,
    /// A client produces. One answer for all partitions named here.
    Produce(Produce),
    /// A client fetches.
    Fetch(Fetch),
    /// A client asks for offsets.
    ListOffsets {
        /// To answer by.
        token: Token,
        /// What it asks.
        positions: Vec<OffsetQuery>,
    },
    /// A client asks where epochs end.
    EpochEnds {
        /// To answer by.
        token: Token,
        /// What it asks.
        queries: Vec<EpochQuery>,
    },
    /// A client asks the coordinator of a group.
    Group(Box<GroupAsk>),
    /// A client has records deleted.
    DeleteRecords {
        /// To answer by.
        token: Token,
        /// The first offset of each partition that stays; -1: the high watermark.
        before: Vec<(PartitionId, Offset)>,
        /// How long to wait until every live replica has deleted them too.
        wait_ms: u32,
    },
    /// A client asks what the logs of this shard take.
    DescribeLogs {
        /// To answer by.
        token: Token,
    },
    /// Somebody asks what passed through the partitions of this shard.
    DescribeLoads {
        /// To answer by.
        token: Token,
    },
    /// A client's connection closed: whatever waits under this token needs no answer.
    Cancel {
        /// Which request.
        token: Token,
    },
    /// A follower's shard fetches from this one.
    ReplicaFetch {
        /// To answer by.
        token: Token,
        /// The request.
        request: FetchRequest,
    },
    /// The leader's shard answered this one's fetch.
    ReplicaFetched {
        /// Who.
        leader: BrokerId,
        /// Which of its shards.
        leader_shard: u16,
        /// The answer.
        response: FetchResponse,
    },
    /// The fetch could not be sent, or its connection broke.
    ReplicaFetchFailed {
        /// Who was asked.
        leader: BrokerId,
        /// Which of its shards.
        leader_shard: u16,
        /// Which of the sessions with it.
        class: FetchClass,
    },
    /// The metadata changed.
    Publish {
        /// The new image.
        image: Arc<Image>,
        /// What changed; `None`: anything may have.
        delta: Option<Arc<Delta>>,
        /// This broker's epoch.
        broker_epoch: BrokerEpoch,
    },
    /// Until then this broker may serve.
    ExtendLease {
        /// The end of the session.
        until: Time,
    },
    /// What became of ISR changes.
    AlterPartitionAnswered {
        /// One result a change.
        results: Vec<(PartitionId, ErrorCode)>,
    },
    /// A sync that `Command::Sync` asked for was run.
    Synced {
        /// Which partition.
        partition: PartitionId,
        /// What it gave.
        result: Result<Synced, FsError>,
    },
    /// A directory that `Command::Remove` named was removed.
    Removed {
        /// What it gave.
        result: Result<(), FsError>,
    },
    /// Hand over: answer `Drained` once the followers have everything of what was led here.
    Drain,
    /// The controller wants to know where these logs end. Partitions of other shards are passed
    /// over, and those that may still change because another leader epoch is known here.
    AskLogEnds {
        /// The partitions, each with the leader epoch in which it has no leader.
        partitions: Arc<[(PartitionId, LeaderEpoch)]>,
    },
}

/// What became of one partition of a DeleteRecords request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeletedRecords {
    /// Which partition.
    pub partition: PartitionId,
    /// What went wrong; `RequestTimedOut` if a live replica did not follow in time.
    pub error: ErrorCode,
    /// The least offset that a live replica still has; -1 after an error.
    pub low_watermark: Offset,
}

/// What one partition's log takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogSize {
    /// Which partition.
    pub partition: PartitionId,
    /// The bytes of its batches.
    pub size_bytes: u64,
    /// How far its end is behind the high watermark.
    pub offset_lag: i64,
}

/// A request to the coordinator of a group, or the part of it that is about one group.
#[derive(Debug)]
pub struct GroupAsk {
    /// To answer by.
    pub token: Token,
    /// The partition of `__consumer_offsets` that the group lives in.
    pub partition: PartitionId,
    /// The version of the request.
    pub version: i16,
    /// Who asks.
    pub client: Client,
    /// What.
    pub request: GroupRequest,
}

/// A produce request, or the part of it that is this shard's.
#[derive(Debug)]
pub struct Produce {
    /// To answer by.
    pub token: Token,
    /// Who must have it before the answer.
    pub acks: Acks,
    /// How long to wait for that.
    pub timeout_ms: u32,
    /// One verified batch a partition.
    pub batches: Vec<(PartitionId, Bytes)>,
}

/// Who must have a record before its producer is answered (`acks`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Acks {
    /// Nobody: it is answered when it was appended, for whoever closes the client's connection
    /// after an error.
    None,
    /// The leader.
    Leader,
    /// Every in-sync replica, and at least `min.insync.replicas` of them.
    All,
}

/// A fetch request, or the part of it that is this shard's.
#[derive(Debug)]
pub struct Fetch {
    /// To answer by.
    pub token: Token,
    /// From where.
    pub positions: Vec<ClientPosition>,
    /// Wait until there are this many bytes (or an error).
    pub min_bytes: u32,
    /// The most bytes of the whole answer (it may pass this by one batch).
    pub max_bytes: u32,
    /// How long to wait.
    pub max_wait_ms: u32,
}

/// From where a client wants one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientPosition {
    /// Which partition.
    pub partition: PartitionId,
    /// The leader epoch that the client knows; unknown if it gave none.
    pub leader_epoch: LeaderEpoch,
    /// From which offset.
    pub offset: Offset,
    /// The most bytes of this partition.
    pub max_bytes: u32,
}

/// One partition's question of a ListOffsets request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OffsetQuery {
    /// Which partition.
    pub partition: PartitionId,
    /// The leader epoch that the client knows; unknown if it gave none.
    pub leader_epoch: LeaderEpoch,
    /// -1: latest (the high watermark), -2: earliest, -3: of the largest timestamp; else the first
    /// record at or after this time.
    pub timestamp: TimestampMs,
}

/// One partition's question of an OffsetForLeaderEpoch request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EpochQuery {
    /// Which partition.
    pub partition: PartitionId,
    /// The leader epoch that the client knows; unknown if it gave none.
    pub leader_epoch: LeaderEpoch,
    /// The epoch whose end it wants to know.
    pub epoch: LeaderEpoch,
}

/// The answer to one [`EpochQuery`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EpochEndAnswer {
    /// Which partition.
    pub partition: PartitionId,
    /// What went wrong.
    pub error: ErrorCode,
    /// The largest epoch that is not above the asked one; unknown if there is none.
    pub epoch: LeaderEpoch,
    /// Where it ends; -1 if unknown.
    pub end: Offset,
}

/// The leader as this broker knows it, for KIP-951's hint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CurrentLeader {
    /// The leader, if there is one.
    pub leader: Option<BrokerId>,
    /// Its epoch.
    pub epoch: LeaderEpoch,
}

/// What became of one partition of a produce request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Produced {
    /// Which partition.
    pub partition: PartitionId,
    /// What went wrong.
    pub error: ErrorCode,
    /// The offset of the batch's first record.
    pub base_offset: Offset,
    /// The log append time, for topics that stamp it; else -1.
    pub log_append_time: TimestampMs,
    /// Where the log starts.
    pub log_start: Offset,
    /// With `NotLeaderOrFollower` and `FencedLeaderEpoch`: who leads.
    pub current_leader: Option<CurrentLeader>,
}

/// What a client gets of one partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fetched {
    /// Which partition.
    pub partition: PartitionId,
    /// What went wrong.
    pub error: ErrorCode,
    /// The high watermark.
    pub high_watermark: Offset,
    /// Where the log starts.
    pub log_start: Offset,
    /// Whole batches; the first may begin before the offset asked for.
    pub batches: Bytes,
    /// With `NotLeaderOrFollower` and `FencedLeaderEpoch`: who leads.
    pub current_leader: Option<CurrentLeader>,
}

/// The answer to one [`OffsetQuery`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OffsetAnswer {
    /// Which partition.
    pub partition: PartitionId,
    /// What went wrong.
    pub error: ErrorCode,
    /// The offset; -1 if there is none.
    pub offset: Offset,
    /// Its timestamp; -1 where the question was not about time.
    pub timestamp: TimestampMs,
    /// The epoch of the record at that offset.
    pub leader_epoch: LeaderEpoch,
}

/// What a shard has counted since it told the last time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Idempotent producers that partitions forgot because they knew too many.
    pub producers_evicted: u64,
    /// Idempotent producers that partitions forgot because they wrote nothing for long.
    pub producers_expired: u64,
    /// Coordinators of groups that were loaded.
    pub group_loads: u64,
    /// How long those took together, from taking over the leadership on.
    pub group_load_ms: u64,
    /// Logs of coordinators that were rewritten to what is in use.
    pub group_log_rewrites: u64,
    /// Places in logs where batches were found damaged.
    pub batches_damaged: u64,
    /// Those of them that were mended.
    pub batches_mended: u64,
}

/// What became of a damaged place in a log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mending {
    /// Which partition.
    pub partition: PartitionId,
    /// Its topic's name.
    pub topic: TopicName,
    /// The first offset of the first damaged batch.
    pub offset: Offset,
    /// What became of it.
    pub step: MendingStep,
}

/// What became of a damaged place in a log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MendingStep {
    /// A read found it.
    Found {
        /// What is wrong there, in words.
        cause: String,
    },
    /// No live replica has an intact copy; they are asked again.
    NoCopy,
    /// It was written over with what this broker has.
    Mended {
        /// Which broker.
        from: BrokerId,
    },
}

/// What a shard wants done.
#[derive(Debug, PartialEq)]
pub enum Command {
    /// Answer a produce request.
    AnswerProduce {
        /// Which one.
        token: Token,
        /// One result a partition, in the order of the request.
        results: Vec<Produced>,
    },
    /// Answer a fetch request.
    AnswerFetch {
        /// Which one.
        token: Token,
        /// One result a partition, in the order of the request.
        results: Vec<Fetched>,
        /// How long it waited for records to come, as its client asked (`max_wait_ms`).
        held: Duration,
    },
    /// Answer a ListOffsets request.
    AnswerListOffsets {
        /// Which one.
        token: Token,
        /// One result a partition, in the order of the request.
        results: Vec<OffsetAnswer>,
    },
    /// Answer an OffsetForLeaderEpoch request.
    AnswerEpochEnds {
        /// Which one.
        token: Token,
        /// One result a partition, in the order of the request.
        results: Vec<EpochEndAnswer>,
    },
    /// Answer a DeleteRecords request.
    AnswerDeleteRecords {
        /// Which one.
        token: Token,
        /// One result a partition, in the order of the request.
        results: Vec<DeletedRecords>,
    },
    /// Answer a question about logs.
    AnswerLogs {
        /// Which one.
        token: Token,
        /// Every log of this shard that the metadata names.
        logs: Vec<LogSize>,
    },
    /// Answer a question about loads.
    AnswerLoads {
        /// Which one.
        token: Token,
        /// Every partition of this shard that the metadata names.
        loads: Vec<PartitionLoad>,
    },
    /// Answer a request to the coordinator of a group.
    AnswerGroup {
        /// Which one.
        token: Token,
        /// The answer.
        response: GroupResponse,
    },
    /// Answer a follower's fetch.
    AnswerReplicaFetch {
        /// Which one.
        token: Token,
        /// The answer.
        response: FetchResponse,
    },
    /// Fetch from a leader's shard; answer `ReplicaFetched` or `ReplicaFetchFailed`. A connection
    /// is kept open between fetches. One at a time for each (leader, shard): a request that comes
    /// while one is in flight replaces it, and its connection is closed.
    ReplicaFetch {
        /// From whom.
        leader: BrokerId,
        /// Where it listens for replicas.
        endpoint: Endpoint,
        /// The request.
        request: FetchRequest,
    },
    /// Have these ISRs changed by the active controller.
    AlterPartition {
        /// The changes.
        changes: Vec<IsrChange>,
    },
    /// The metadata up to this offset is applied.
    Applied {
        /// The offset of the image.
        offset: MetadataOffset,
    },
    /// Write these offsets to the log directory's checkpoints, with those of the other shards,
    /// without making this shard wait (`directory::Checkpoints`).
    Checkpoint {
        /// Of every partition of this shard.
        offsets: Box<OffsetCheckpoints>,
    },
    /// Take `Shard::begin_sync` of this partition, run it on another thread, and answer `Synced`.
    Sync {
        /// Which partition.
        partition: PartitionId,
    },
    /// Take `Shard::begin_making` of this partition, run it on another thread, and give what it
    /// gave to `Shard::made`.
    Make {
        /// Which partition.
        partition: PartitionId,
    },
    /// Take `Shard::begin_removing` of this directory, run it on another thread, and answer `Removed`.
    Remove {
        /// Where it is.
        path: PathBuf,
    },
    /// Everything is handed over.
    Drained,
    /// This process cannot go on; end it with this reason.
    Fatal {
        /// For a person.
        reason: String,
    },
    /// Add this to the counters of the process.
    Counted(Counts),
    /// Tell a person about a damaged batch.
    Mending(Mending),
    /// Answer `AskLogEnds`.
    LogEnds {
        /// Of those partitions of which it can be told; never empty.
        ends: Vec<LogEnd>,
    },
}
