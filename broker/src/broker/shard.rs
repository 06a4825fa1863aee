//! A shard's thread: events in, commands carried out.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use kintsugi_coordinator::GroupResponse;
use kintsugi_node::directory::Closed;
use kintsugi_node::message::broker;
use kintsugi_node::message::load::PartitionLoad;
use kintsugi_node::message::replication::FetchResponse;
use kintsugi_node::message::shard::{
    Command, DeletedRecords, EpochEndAnswer, Event, Fetched, LogSize, Mending, MendingStep,
    OffsetAnswer, Produced, Token,
};
use kintsugi_node::shard::{Made, Shard as Node};
use kintsugi_storage::RealFileSystem;
use kintsugi_types::{PartitionId, Time};
use tokio::sync::oneshot;

use super::ControlInput;
use super::checkpoints::Checkpoint;
use super::disk_pool::DiskPool;
use super::replication::Fetchers;
use crate::clock::Clock;
use crate::exit::{Ending, Exit};
use crate::mailbox::{Letter, Letters, Mailbox};
use crate::metrics::ShardCounters;
use crate::progress::Progress;
use crate::thread::wait_until;

/// How many events one wake-up handles: their appends are grouped.
const BATCH_MAX: usize = 256;

/// What reaches a shard's thread.
#[derive(Debug)]
pub enum ShardInput {
    /// An event as it is.
    Event(Event),
    /// A request, and where its answer goes.
    Ask {
        /// The token of the request.
        token: Token,
        /// The request.
        event: Event,
        /// Where the answer goes.
        reply: Reply,
    },
    /// A log that was asked for was made.
    Made(Box<Made<RealFileSystem>>),
    /// Nobody waits for this request any more.
    Cancel(Token),
    /// Flush and close every log, then say so.
    Close {
        /// Syncs the file system of the logs, if there are many.
        sync_all: SyncAll,
        /// Where it is said, with what is to be left in the directory.
        closed: std::sync::mpsc::Sender<Closed>,
    },
}

/// Makes everything durable that was written to the log directory; see [`Directory::sync_all`].
///
/// [`Directory::sync_all`]: super::directory::Directory::sync_all
pub struct SyncAll(pub Box<dyn FnOnce() -> bool + Send>);

impl std::fmt::Debug for SyncAll {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SyncAll")
    }
}

/// What a shard answers to a fetch.
#[derive(Debug)]
pub struct FetchAnswer {
    /// One a partition, in the order of the request.
    pub results: Vec<Fetched>,
    /// How long it waited for records to come, as its client asked.
    pub held: Duration,
}

/// Where an answer goes.
#[derive(Debug)]
pub enum Reply {
    /// Of a produce request.
    Produce(oneshot::Sender<Vec<Produced>>),
    /// Of a fetch request.
    Fetch(oneshot::Sender<FetchAnswer>),
    /// Of a ListOffsets request.
    ListOffsets(oneshot::Sender<Vec<OffsetAnswer>>),
    /// Of an OffsetForLeaderEpoch request.
    EpochEnds(oneshot::Sender<Vec<EpochEndAnswer>>),
    /// Of a DeleteRecords request.
    DeleteRecords(oneshot::Sender<Vec<DeletedRecords>>),
    /// Of a question about logs.
    Logs(oneshot::Sender<Vec<LogSize>>),
    /// Of a question about loads.
    Loads(oneshot::Sender<Vec<PartitionLoad>>),
    /// Of a request to a group's coordinator.
    Group(oneshot::Sender<GroupResponse>),
    /// Of a follower's fetch.
    Replica(oneshot::Sender<FetchResponse>),
}

/// A shard's thread and what it works with.
pub struct ShardThread {
    /// Which shard.
    pub number: u16,
    /// The state machine, until it is closed.
    pub node: Option<Node<RealFileSystem>>,
    /// The clock of the process.
    pub clock: Clock,
    /// How the process ends.
    pub exit: Exit,
    /// The control's mailbox.
    pub control: Mailbox<ControlInput>,
    /// Where offsets are checkpointed.
    pub checkpoints: Mailbox<Checkpoint>,
    /// Its own mailbox, for what other threads find.
    pub events: Mailbox<ShardInput>,
    /// Where files are synced.
    pub disk: DiskPool,
    /// The counters of all shards.
    pub counters: ShardCounters,
    /// The connections to leaders.
    pub fetchers: Fetchers,
    /// Its signs of life.
    pub progress: Progress,
    /// Requests that wait.
    pub waiting: BTreeMap<Token, Reply>,
}

impl ShardThread {
    /// Runs until every sender is gone.
    pub fn run(mut self, letters: &Letters<ShardInput>) {
        let mut commands = Vec::new();
        loop {
            let now = self.clock.now();
            self.progress.mark(now);
            if self.next_wake() <= now {
                self.handle(Event::Wake, &mut commands);
            }
            match letters.wait(wait_until(self.next_wake(), &self.clock)) {
                Letter::Event(input) => self.take(input, &mut commands),
                Letter::Nothing => continue,
                Letter::Closed => return,
            }
            for _ in 1..BATCH_MAX {
                match letters.take() {
                    Some(input) => self.take(input, &mut commands),
                    None => break,
                }
            }
        }
    }

    fn next_wake(&self) -> Time {
        self.node.as_ref().map_or(Time::NEVER, Node::next_wake)
    }

    fn take(&mut self, input: ShardInput, commands: &mut Vec<Command>) {
        match input {
            ShardInput::Event(event) => self.handle(event, commands),
            ShardInput::Made(made) => {
                if let Some(node) = &mut self.node {
                    node.made(self.clock.now(), self.clock.wall(), *made, commands);
                    self.carry_all_out(commands);
                }
            }
            ShardInput::Ask {
                token,
                event,
                reply,
            } => {
                self.waiting.insert(token, reply);
                self.handle(event, commands);
            }
            ShardInput::Cancel(token) => {
                if self.waiting.remove(&token).is_some() {
                    self.handle(Event::Cancel { token }, commands);
                }
            }
            ShardInput::Close { sync_all, closed } => {
                // Whoever waits here is answered by the end of its connection.
                self.waiting.clear();
                match self.node.take().map(|node| node.close(sync_all.0)) {
                    Some(Ok(left)) => {
                        // The control ends the process; if it is gone, so is the process.
                        drop(closed.send(left));
                    }
                    Some(Err(cause)) => {
                        let reason = crate::thread::chain(&cause);
                        self.exit.fatal(Ending::Storage, &reason);
                    }
                    None => {}
                }
            }
        }
    }

    fn handle(&mut self, event: Event, commands: &mut Vec<Command>) {
        let Some(node) = &mut self.node else {
            return;
        };
        node.handle(self.clock.now(), self.clock.wall(), event, commands);
        self.carry_all_out(commands);
    }

    fn carry_all_out(&mut self, commands: &mut Vec<Command>) {
        for command in commands.drain(..) {
            self.carry_out(command);
        }
    }

    fn carry_out(&mut self, command: Command) {
        let shard = self.number;
        match command {
            Command::AnswerProduce { token, results } => {
                if let Some(Reply::Produce(reply)) = self.waiting.remove(&token) {
                    // Whoever asked may have gone.
                    drop(reply.send(results));
                }
            }
            Command::AnswerFetch {
                token,
                results,
                held,
            } => self.answer_fetch(token, FetchAnswer { results, held }),
            Command::AnswerListOffsets { token, results } => {
                if let Some(Reply::ListOffsets(reply)) = self.waiting.remove(&token) {
                    drop(reply.send(results));
                }
            }
            Command::AnswerEpochEnds { token, results } => {
                if let Some(Reply::EpochEnds(reply)) = self.waiting.remove(&token) {
                    drop(reply.send(results));
                }
            }
            Command::AnswerDeleteRecords { token, results } => {
                if let Some(Reply::DeleteRecords(reply)) = self.waiting.remove(&token) {
                    drop(reply.send(results));
                }
            }
            Command::AnswerLogs { token, logs } => {
                if let Some(Reply::Logs(reply)) = self.waiting.remove(&token) {
                    drop(reply.send(logs));
                }
            }
            Command::AnswerLoads { token, loads } => {
                if let Some(Reply::Loads(reply)) = self.waiting.remove(&token) {
                    drop(reply.send(loads));
                }
            }
            Command::AnswerGroup { token, response } => {
                if let Some(Reply::Group(reply)) = self.waiting.remove(&token) {
                    drop(reply.send(response));
                }
            }
            Command::AnswerReplicaFetch { token, response } => {
                if let Some(Reply::Replica(reply)) = self.waiting.remove(&token) {
                    drop(reply.send(response));
                }
            }
            Command::ReplicaFetch {
                leader,
                endpoint,
                request,
            } => self.fetchers.fetch(leader, endpoint, request),
            Command::AlterPartition { changes } => {
                self.tell(broker::Event::AlterPartition { shard, changes });
            }
            Command::Applied { offset } => self.tell(broker::Event::ShardApplied { shard, offset }),
            Command::Checkpoint { offsets } => self.checkpoints.post(Checkpoint {
                shard,
                offsets: *offsets,
            }),
            Command::Sync { partition } => self.sync(partition),
            Command::Make { partition } => self.make(partition),
            Command::Remove { path } => self.remove(path),
            Command::Drained => self.tell(broker::Event::ShardDrained { shard }),
            Command::LogEnds { ends } => self.tell(broker::Event::LogEnds { ends }),
            Command::Counted(counts) => self.counters.add(&counts),
            Command::Mending(mending) => log_mending(&mending),
            Command::Fatal { reason } => self.exit.fatal(Ending::Storage, &reason),
        }
    }

    fn answer_fetch(&mut self, token: Token, answer: FetchAnswer) {
        if let Some(Reply::Fetch(reply)) = self.waiting.remove(&token) {
            drop(reply.send(answer));
        }
    }

    fn sync(&mut self, partition: PartitionId) {
        if let Some(job) = self.node.as_mut().and_then(|n| n.begin_sync(partition)) {
            self.on_disk(move || {
                let result = job.run();
                ShardInput::Event(Event::Synced { partition, result })
            });
        }
    }

    fn make(&mut self, partition: PartitionId) {
        if let Some(job) = self.node.as_mut().and_then(|n| n.begin_making(partition)) {
            self.on_disk(move || ShardInput::Made(Box::new(job.run())));
        }
    }

    fn remove(&self, path: PathBuf) {
        if let Some(job) = self.node.as_ref().map(|node| node.begin_removing(path)) {
            self.on_disk(move || {
                let result = job.run();
                ShardInput::Event(Event::Removed { result })
            });
        }
    }

    /// Has a disk thread do it; what it gives comes back as an input.
    fn on_disk(&self, work: impl FnOnce() -> ShardInput + Send + 'static) {
        let events = self.events.clone();
        self.disk.run(Box::new(move || events.post(work())));
    }

    fn tell(&self, event: broker::Event) {
        self.control.post(ControlInput::Event(event));
    }
}

/// What a person should know of a damaged batch. The field `event` is stable.
fn log_mending(mending: &Mending) {
    let partition = format!("{}-{}", mending.topic, mending.partition.index);
    let offset = mending.offset.0;
    match &mending.step {
        MendingStep::Found { cause } => {
            tracing::warn!(
                event = "damage-found",
                partition,
                offset,
                cause,
                "a batch on this disk is not what was written; the other replicas are asked for it"
            );
        }
        MendingStep::NoCopy => {
            tracing::error!(
                event = "damage-stays",
                partition,
                offset,
                "no live replica has an intact copy of a damaged batch; they are asked again"
            );
        }
        MendingStep::Mended { from } => {
            tracing::warn!(event = "damage-mended", partition, offset, from = %from, "a damaged batch was written over with another replica's");
        }
    }
}
