//! What clients' connections know of the broker: how to ask its actors.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kintsugi_coordinator::{Client, GroupRequest, GroupResponse};
use kintsugi_node::message::broker::MetadataView;
use kintsugi_node::message::link::{AdminAnswer, AdminRequest};
use kintsugi_node::message::load::PartitionLoad;
use kintsugi_node::message::shard::{
    DeletedRecords, EpochEndAnswer, EpochQuery, Event, Fetch, GroupAsk, LogSize, OffsetAnswer,
    OffsetQuery, Produce, Produced, Token,
};
use kintsugi_storage::{LogContext, RealFileSystem};
use kintsugi_types::{BrokerId, ErrorCode, Offset, PartitionId, ProducerId, TopicName};
use tokio::sync::{oneshot, watch};

use super::{ControlInput, FetchAnswer, Published, Reply, ShardInput};
use crate::clock::Clock;
use crate::mailbox::Mailbox;
use crate::metrics::Metrics;
use crate::settings::Settings;

/// Whether clients are served, and how often they were let go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Gate {
    /// Whether this broker's image has reached its own registration and it is not fenced.
    pub is_ready: bool,
    /// Whether it was asked to stop. While it hands over, clients are told where leaders went.
    pub is_stopping: bool,
    /// How often the lease ran out; connections from before are closed.
    pub expiries: u64,
}

impl Gate {
    /// Whether requests are answered.
    pub const fn is_open(&self) -> bool {
        self.is_ready || self.is_stopping
    }
}

/// Everything that the API needs. Shared by all connections.
#[derive(Debug)]
pub struct BrokerHandle {
    /// This broker.
    pub id: BrokerId,
    /// The settings.
    pub settings: Arc<Settings>,
    /// The clock of the process.
    pub clock: Clock,
    /// The counters.
    pub metrics: Metrics,
    /// The metadata.
    pub published: watch::Receiver<Published>,
    /// Whether clients are served.
    pub gate: watch::Receiver<Gate>,
    /// Whether every log is closed and the clean stop is marked.
    pub closed: watch::Receiver<bool>,
    /// The control's mailbox.
    pub control: Mailbox<ControlInput>,
    /// The shards' mailboxes, by number.
    pub shards: Vec<Mailbox<ShardInput>>,
    /// What the logs share.
    pub logs: LogContext<RealFileSystem>,
    /// The number of the next token.
    pub next_token: AtomicU64,
}

impl BrokerHandle {
    /// The shard that owns a partition.
    pub fn shard_of(&self, partition: PartitionId) -> u16 {
        let shards = u16::try_from(self.shards.len()).unwrap_or(u16::MAX);
        partition.shard_of(shards)
    }

    /// A token that no other request has.
    pub fn token(&self) -> Token {
        Token(self.next_token.fetch_add(1, Ordering::Relaxed))
    }

    /// The metadata now.
    pub fn image(&self) -> Published {
        self.published.borrow().clone()
    }

    /// A count that may be changed while the broker runs, or else is a setting with a default.
    pub fn size(&self, name: &'static str) -> usize {
        let published = self.published.borrow();
        let changed = published.image.dynamic_configs.get(self.id, name);
        let changed = changed.and_then(|(value, _)| value.parse().ok());
        changed.unwrap_or_else(|| self.settings.size(name))
    }

    /// Asks a shard to append. The answer's channel closes without one when the shard gave up.
    pub fn produce(&self, shard: u16, produce: Produce) -> oneshot::Receiver<Vec<Produced>> {
        let (reply, answer) = oneshot::channel();
        let token = produce.token;
        self.ask(shard, token, Event::Produce(produce), Reply::Produce(reply));
        answer
    }

    /// Asks a shard for records.
    pub fn fetch(&self, shard: u16, fetch: Fetch) -> oneshot::Receiver<FetchAnswer> {
        let (reply, answer) = oneshot::channel();
        let token = fetch.token;
        self.ask(shard, token, Event::Fetch(fetch), Reply::Fetch(reply));
        answer
    }

    /// Asks a shard for offsets.
    pub fn list_offsets(
        &self,
        shard: u16,
        positions: Vec<OffsetQuery>,
    ) -> oneshot::Receiver<Vec<OffsetAnswer>> {
        let (reply, answer) = oneshot::channel();
        let token = self.token();
        let event = Event::ListOffsets { token, positions };
        self.ask(shard, token, event, Reply::ListOffsets(reply));
        answer
    }

    /// Asks a shard to delete records; each partition with the first offset that stays.
    pub fn delete_records(
        &self,
        shard: u16,
        before: Vec<(PartitionId, Offset)>,
        wait_ms: u32,
    ) -> oneshot::Receiver<Vec<DeletedRecords>> {
        let (reply, answer) = oneshot::channel();
        let token = self.token();
        let event = Event::DeleteRecords {
            token,
            before,
            wait_ms,
        };
        self.ask(shard, token, event, Reply::DeleteRecords(reply));
        answer
    }

    /// Asks every shard what its logs take.
    pub fn describe_logs(&self) -> Vec<oneshot::Receiver<Vec<LogSize>>> {
        self.ask_all(|token| Event::DescribeLogs { token }, Reply::Logs)
    }

    /// Asks every shard what passed through its partitions.
    pub fn describe_loads(&self) -> Vec<oneshot::Receiver<Vec<PartitionLoad>>> {
        self.ask_all(|token| Event::DescribeLoads { token }, Reply::Loads)
    }

    fn ask_all<T>(
        &self,
        event: fn(Token) -> Event,
        reply_as: fn(oneshot::Sender<T>) -> Reply,
    ) -> Vec<oneshot::Receiver<T>> {
        let shards = 0..u16::try_from(self.shards.len()).unwrap_or(u16::MAX);
        let asked = shards.map(|shard| {
            let (reply, answer) = oneshot::channel();
            let token = self.token();
            self.ask(shard, token, event(token), reply_as(reply));
            answer
        });
        asked.collect()
    }

    /// Asks a shard where epochs end.
    pub fn epoch_ends(
        &self,
        shard: u16,
        queries: Vec<EpochQuery>,
    ) -> oneshot::Receiver<Vec<EpochEndAnswer>> {
        let (reply, answer) = oneshot::channel();
        let token = self.token();
        let event = Event::EpochEnds { token, queries };
        self.ask(shard, token, event, Reply::EpochEnds(reply));
        answer
    }

    /// Asks the coordinator of a group, in the partition that the group lives in.
    pub fn group(
        &self,
        partition: PartitionId,
        version: i16,
        client: Client,
        request: GroupRequest,
    ) -> oneshot::Receiver<GroupResponse> {
        let (reply, answer) = oneshot::channel();
        let token = self.token();
        let event = Event::Group(Box::new(GroupAsk {
            token,
            partition,
            version,
            client,
            request,
        }));
        let shard = self.shard_of(partition);
        self.ask(shard, token, event, Reply::Group(reply));
        answer
    }

    /// Says that nobody waits for this request any more.
    pub fn cancel(&self, shard: u16, token: Token) {
        if let Some(mailbox) = self.shards.get(usize::from(shard)) {
            mailbox.post(ShardInput::Cancel(token));
        }
    }

    fn ask(&self, shard: u16, token: Token, event: Event, reply: Reply) {
        if let Some(mailbox) = self.shards.get(usize::from(shard)) {
            mailbox.post(ShardInput::Ask {
                token,
                event,
                reply,
            });
        }
    }

    /// What clients are told about the cluster. May wait for news about a leader that is suspect.
    pub async fn metadata(&self, topics: Option<Vec<TopicName>>) -> Option<Arc<MetadataView>> {
        let (reply, answer) = oneshot::channel();
        self.control.post(ControlInput::Metadata { topics, reply });
        answer.await.ok()
    }

    /// An id that no producer had before, within `limit`.
    pub async fn producer_id(&self, limit: Duration) -> Option<Result<ProducerId, ErrorCode>> {
        let (reply, answer) = oneshot::channel();
        let deadline = self.clock.now() + limit;
        self.control
            .post(ControlInput::ProducerId { deadline, reply });
        answer.await.ok()
    }

    /// Has the active controller decide something, within `limit`.
    pub async fn admin(&self, request: AdminRequest, limit: Duration) -> Option<AdminAnswer> {
        let (reply, answer) = oneshot::channel();
        let deadline = self.clock.now() + limit;
        self.control.post(ControlInput::Admin {
            request,
            deadline,
            reply,
        });
        answer.await.ok()
    }
}
