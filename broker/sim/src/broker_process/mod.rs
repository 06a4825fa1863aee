//! A broker's process: the control, the shards, and the connections between them and the world.

mod clients;
mod replication;
mod start;

pub(crate) use start::Machine;

use std::collections::BTreeMap;
use std::time::Duration;

use kintsugi_node::broker::Broker;
use kintsugi_node::directory::{Checkpoints, Closed, mark_clean_stop};
use kintsugi_node::message::broker::{Command, Event, Evidence};
use kintsugi_node::message::controller::DialOutcome;
use kintsugi_node::message::{link, shard};
use kintsugi_node::shard::{Made, Shard};
use kintsugi_storage::MemoryFileSystem;
use kintsugi_types::{BrokerEpoch, ErrorCode, Incarnation, Time, TimestampMs};

use crate::clock::Clock;
use crate::end::End;
use crate::fabric::Fabric;
use crate::happening::{Frame, Input, Knock};
use crate::place::{Loop, Node};
use crate::stream::{Purpose, StreamId};
use crate::timer::Timer;
use clients::{Reply, Waiting};
use replication::Fetching;

/// The log directory of every broker, on its own disk.
pub(crate) const DIRECTORY: &str = "/broker";

/// What a connection is to a broker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Use {
    Client,
    Follower,
    /// This broker's own, of one fetcher.
    Fetching(replication::FetcherKey),
}

/// The longest that a sync takes.
const SYNC_MICROS_MAX: u64 = 30_000;
/// The longest that writing a checkpoint takes.
const CHECKPOINT_MICROS_MAX: u64 = 20_000;

struct ShardLoop {
    node: Shard<MemoryFileSystem>,
    timer: Timer,
}

/// A running broker.
pub(crate) struct BrokerProcess {
    index: usize,
    life: u64,
    clock: Clock,
    fs: MemoryFileSystem,
    incarnation: Incarnation,
    cluster: kintsugi_types::ClusterId,
    control: Broker,
    timer: Timer,
    shards: Vec<ShardLoop>,
    checkpoints: Checkpoints<MemoryFileSystem>,
    link: Option<StreamId>,
    uses: BTreeMap<StreamId, Use>,
    fetching: BTreeMap<replication::FetcherKey, Fetching>,
    waiting: Waiting,
    /// Why it is over, if it is; the world takes it away.
    pub(crate) end: Option<End>,
}

impl BrokerProcess {
    pub(crate) const fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    pub(crate) const fn control(&self) -> &Broker {
        &self.control
    }

    fn place(&self) -> Node {
        Node::Broker(self.index)
    }

    fn now(&self, fabric: &Fabric) -> Time {
        self.clock.show(fabric.now)
    }

    /// The first event, which makes it dial.
    pub(crate) fn begin(&mut self, fabric: &mut Fabric) {
        self.handle(fabric, Event::Wake);
        for shard in 0..u16::try_from(self.shards.len()).unwrap_or(0) {
            self.handle_shard(fabric, shard, shard::Event::Wake);
        }
    }

    /// Takes what reached the process.
    pub(crate) fn input(&mut self, fabric: &mut Fabric, input: Input) {
        match input {
            Input::Wake(Loop::Main) if self.timer.fired(fabric.now) => {
                self.tell_progress(fabric);
                self.handle(fabric, Event::Wake);
            }
            Input::Wake(Loop::Shard(shard)) => self.wake_shard(fabric, shard),
            Input::Accepted { stream, purpose } => self.accepted(fabric, stream, purpose),
            Input::Opened(stream) => self.opened(fabric, stream),
            Input::DialFailed { stream, refused } => self.dial_failed(fabric, stream, refused),
            Input::Frame { stream, frame } => self.frame(fabric, stream, frame),
            Input::Knocked { knock, outcome } => self.knocked(fabric, knock, outcome),
            Input::Control(event) => self.handle(fabric, event),
            Input::Shard(shard, event) => self.handle_shard(fabric, shard, event),
            Input::Checkpoint(shard, offsets) => {
                if let Err(error) = self.checkpoints.write(shard, *offsets) {
                    self.failed(&format!("failed to write its checkpoint: {error}"));
                }
            }
            Input::Sync(shard, partition, job) => {
                let result = job.run();
                let event = shard::Event::Synced { partition, result };
                self.handle_shard(fabric, shard, event);
            }
            Input::Make(shard, job) => self.made(fabric, shard, job.run()),
            Input::Terminate => self.handle(fabric, Event::Stop),
            _ => {}
        }
    }

    fn accepted(&mut self, fabric: &mut Fabric, stream: StreamId, purpose: Purpose) {
        let is_served = purpose == Purpose::Replication || self.control.is_ready();
        if !is_served {
            fabric.close(stream, self.place(), self.life);
            return;
        }
        let what = if purpose == Purpose::Client {
            Use::Client
        } else {
            Use::Follower
        };
        self.uses.insert(stream, what);
    }

    fn opened(&mut self, fabric: &mut Fabric, stream: StreamId) {
        if self.link == Some(stream) {
            let hello = link::Hello::Broker {
                incarnation: self.incarnation,
                cluster: self.cluster.clone(),
            };
            fabric.send(stream, self.place(), self.life, Frame::Hello(hello));
            self.handle(fabric, Event::LinkOpened);
        } else {
            self.fetcher_opened(fabric, stream);
        }
    }

    fn dial_failed(&mut self, fabric: &mut Fabric, stream: StreamId, refused: bool) {
        if self.link == Some(stream) {
            self.link = None;
            self.handle(fabric, Event::LinkClosed);
        } else {
            let evidence = refused.then_some(Evidence::Refused);
            self.fetcher_lost(fabric, stream, evidence);
        }
    }

    fn frame(&mut self, fabric: &mut Fabric, stream: StreamId, frame: Frame) {
        match frame {
            Frame::ToBroker(message) if self.link == Some(stream) => {
                self.handle(fabric, Event::FromController(message));
            }
            Frame::Close if self.link == Some(stream) => {
                self.link = None;
                self.handle(fabric, Event::LinkClosed);
            }
            Frame::Close => self.closed(fabric, stream),
            Frame::Fetch(request) => self.follower_asks(fabric, stream, request),
            Frame::Fetched(response) => self.leader_answered(fabric, stream, response),
            Frame::Ask(ask) => self.client_asks(fabric, stream, ask),
            _ => {}
        }
    }

    fn closed(&mut self, fabric: &mut Fabric, stream: StreamId) {
        match self.uses.remove(&stream) {
            Some(Use::Fetching(_)) => self.fetcher_lost(fabric, stream, Some(Evidence::Reset)),
            Some(Use::Client | Use::Follower) => self.asker_gone(fabric, stream),
            None => {}
        }
    }

    fn knocked(&mut self, fabric: &mut Fabric, knock: Knock, outcome: DialOutcome) {
        let expected = match knock {
            Knock::Probe(expected) => expected,
            Knock::Look(look) => return self.handle(fabric, Event::Looked { look, outcome }),
            Knock::Dial(_) => return,
        };
        let evidence = match outcome {
            DialOutcome::Answered(found) if found == expected => Evidence::Answered,
            DialOutcome::Answered(_) | DialOutcome::Refused => Evidence::Refused,
            DialOutcome::Silent => return,
        };
        let broker = expected.broker;
        self.handle(fabric, Event::PeerConnection { broker, evidence });
    }

    /// Shards of a process that is not frozen are never stuck here.
    fn tell_progress(&mut self, fabric: &mut Fabric) {
        let at = self.now(fabric);
        for shard in 0..u16::try_from(self.shards.len()).unwrap_or(0) {
            self.handle(fabric, Event::ShardProgress { shard, at });
        }
    }

    pub(crate) fn handle(&mut self, fabric: &mut Fabric, event: Event) {
        let mut commands = Vec::new();
        self.control.handle(self.now(fabric), event, &mut commands);
        for command in commands {
            self.carry_out(fabric, command);
        }
        let next = self.control.next_wake();
        let (place, life) = (self.place(), self.life);
        self.timer
            .arm(fabric, next, Some(&self.clock), (place, life, Loop::Main));
    }

    fn carry_out(&mut self, fabric: &mut Fabric, command: Command) {
        let (place, life) = (self.place(), self.life);
        match command {
            Command::DialController { endpoint, .. } => {
                self.close_link(fabric);
                let to = Node::at(&endpoint);
                self.link = Some(fabric.dial(place, life, to, Purpose::Control));
            }
            Command::CloseLink => self.close_link(fabric),
            Command::ToController(message) => {
                if let Some(stream) = self.link {
                    fabric.send(stream, place, life, Frame::ToController(message));
                }
            }
            Command::Publish {
                image,
                delta,
                broker_epoch,
            } => {
                let who = self.incarnation;
                fabric.oracles.published(who, self.index, &image);
                self.tell_shards(fabric, || shard::Event::Publish {
                    image: image.clone(),
                    delta: delta.clone(),
                    broker_epoch,
                });
            }
            Command::ExtendLease { until } => {
                self.tell_shards(fabric, || shard::Event::ExtendLease { until });
            }
            Command::LeaseExpired => {
                fabric.counts.leases_expired += 1;
                self.let_clients_go(fabric);
            }
            Command::Ready(_) => {}
            Command::AnswerProducerId { token, result } => {
                self.answer_producer_id(fabric, token, result);
            }
            Command::AnswerMetadata { token, view } => self.answer_metadata(fabric, token, view),
            Command::AnswerAdmin { token, answer } => self.answer_admin(fabric, token, answer),
            Command::AlterPartitionAnswered { shard, results } => {
                let is_rejected = |error: ErrorCode| {
                    !matches!(error, ErrorCode::None | ErrorCode::RequestTimedOut)
                };
                let rejected = results.iter().filter(|(_, error)| is_rejected(*error));
                fabric.counts.rejected_alter_partitions += rejected.count() as u64;
                let event = shard::Event::AlterPartitionAnswered { results };
                self.tell_shard(fabric, shard, event);
            }
            Command::Probe { expected, endpoint } => {
                fabric.knock(place, life, &endpoint, Knock::Probe(expected));
            }
            Command::Look { look, endpoint } => {
                fabric.knock(place, life, &endpoint, Knock::Look(look));
            }
            Command::Drain => self.tell_shards(fabric, || shard::Event::Drain),
            Command::AskLogEnds { partitions } => {
                self.tell_shards(fabric, || shard::Event::AskLogEnds {
                    partitions: partitions.clone(),
                });
            }
            Command::StopNow { broker_epoch } => self.stop(fabric, broker_epoch),
            Command::Fatal { reason } => self.failed(&reason),
        }
    }

    fn close_link(&mut self, fabric: &mut Fabric) {
        if let Some(stream) = self.link.take() {
            fabric.close(stream, self.place(), self.life);
        }
    }

    fn tell_shards(&self, fabric: &mut Fabric, event: impl Fn() -> shard::Event) {
        for shard in 0..u16::try_from(self.shards.len()).unwrap_or(0) {
            self.tell_shard(fabric, shard, event());
        }
    }

    fn tell_shard(&self, fabric: &mut Fabric, shard: u16, event: shard::Event) {
        let (place, life) = (self.place(), self.life);
        let input = Input::Shard(shard, event);
        fabric.mail(place, life, Loop::Main, Loop::Shard(shard), input);
    }

    fn tell_control(&self, fabric: &mut Fabric, from: u16, event: Event) {
        let (place, life) = (self.place(), self.life);
        let input = Input::Control(event);
        fabric.mail(place, life, Loop::Shard(from), Loop::Main, input);
    }

    fn wake_shard(&mut self, fabric: &mut Fabric, shard: u16) {
        let due = self.shards.get_mut(usize::from(shard));
        if due.is_some_and(|due| due.timer.fired(fabric.now)) {
            self.handle_shard(fabric, shard, shard::Event::Wake);
        }
    }

    fn handle_shard(&mut self, fabric: &mut Fabric, number: u16, event: shard::Event) {
        self.drive_shard(fabric, number, |node, now, wall, commands| {
            node.handle(now, wall, event, commands);
        });
    }

    fn made(&mut self, fabric: &mut Fabric, number: u16, made: Made<MemoryFileSystem>) {
        self.drive_shard(fabric, number, |node, now, wall, commands| {
            node.made(now, wall, made, commands);
        });
    }

    fn drive_shard(
        &mut self,
        fabric: &mut Fabric,
        number: u16,
        act: impl FnOnce(&mut Shard<MemoryFileSystem>, Time, TimestampMs, &mut Vec<shard::Command>),
    ) {
        let now = self.now(fabric);
        let wall = self.clock.wall(fabric.now);
        let (index, life, clock) = (self.index, self.life, self.clock);
        let Some(running) = self.shards.get_mut(usize::from(number)) else {
            return;
        };
        let mut commands = Vec::new();
        act(&mut running.node, now, wall, &mut commands);
        if self.fs.has_stopped() {
            // It died in the midst of this: nothing of it got out.
            self.end = Some(End::Stopped);
            return;
        }
        fabric
            .oracles
            .observe_shard(index, life, self.incarnation, &running.node);
        for command in commands {
            if self.end.is_none() {
                self.carry_out_for_shard(fabric, number, command);
            }
        }
        let Some(running) = self.shards.get_mut(usize::from(number)) else {
            return;
        };
        let next = running.node.next_wake();
        let which = (Node::Broker(index), life, Loop::Shard(number));
        running.timer.arm(fabric, next, Some(&clock), which);
    }

    fn carry_out_for_shard(&mut self, fabric: &mut Fabric, number: u16, command: shard::Command) {
        use shard::Command;
        match command {
            Command::AnswerProduce { token, results } => {
                self.answer_produce(fabric, token, results);
            }
            Command::AnswerFetch { token, results, .. } => {
                self.answer_fetch(fabric, token, results);
            }
            // Clients here ask for none of these.
            Command::AnswerListOffsets { .. }
            | Command::AnswerEpochEnds { .. }
            | Command::AnswerDeleteRecords { .. }
            | Command::AnswerLogs { .. }
            | Command::AnswerLoads { .. } => {}
            Command::AnswerGroup { token, response } => {
                self.answer_group(fabric, token, response);
            }
            Command::AnswerReplicaFetch { token, response } => {
                if let Some(Reply { stream, .. }) = self.waiting.take(token.0) {
                    let (place, life) = (self.place(), self.life);
                    fabric.send(stream, place, life, Frame::Fetched(response));
                }
            }
            Command::ReplicaFetch {
                leader,
                endpoint,
                request,
            } => self.fetch(fabric, number, leader, &endpoint, request),
            Command::AlterPartition { changes } => {
                fabric.counts.isr_changes += changes.len() as u64;
                let shard = number;
                self.tell_control(fabric, number, Event::AlterPartition { shard, changes });
            }
            Command::Applied { offset } => {
                let shard = number;
                self.tell_control(fabric, number, Event::ShardApplied { shard, offset });
            }
            Command::Checkpoint { offsets } => {
                let input = Input::Checkpoint(number, offsets);
                self.after_disk(fabric, CHECKPOINT_MICROS_MAX, input);
            }
            Command::Sync { partition } => {
                if let Some(job) = self.shard(number).begin_sync(partition) {
                    let input = Input::Sync(number, partition, job);
                    self.after_disk(fabric, SYNC_MICROS_MAX, input);
                }
            }
            Command::Make { partition } => {
                if let Some(job) = self.shard(number).begin_making(partition) {
                    self.after_disk(fabric, SYNC_MICROS_MAX, Input::Make(number, job));
                }
            }
            Command::Remove { path } => {
                // At once: nobody waits for it, and what a crash leaves of it has no log's name.
                let result = self.shard(number).begin_removing(path).run();
                self.handle_shard(fabric, number, shard::Event::Removed { result });
            }
            Command::Drained => {
                let shard = number;
                self.tell_control(fabric, number, Event::ShardDrained { shard });
            }
            // No oracle goes by them.
            Command::Counted(_) => {}
            Command::Mending(mending) => fabric.counts.mending(&mending.step),
            Command::LogEnds { ends } => {
                self.tell_control(fabric, number, Event::LogEnds { ends });
            }
            Command::Fatal { reason } => self.failed(&reason),
        }
    }

    /// A shard that asked for something.
    fn shard(&mut self, number: u16) -> &mut Shard<MemoryFileSystem> {
        &mut self.shards[usize::from(number)].node
    }

    /// What is done beside a shard's loop takes its time.
    fn after_disk(&self, fabric: &mut Fabric, micros_max: u64, input: Input) {
        let delay = Duration::from_micros(fabric.rng.u64(100..micros_max));
        fabric.arrive(delay, self.place(), self.life, input);
    }

    fn failed(&mut self, reason: &str) {
        let end = if self.fs.has_stopped() {
            End::Stopped
        } else {
            End::Fatal(format!("{:?} ended itself: {reason}", self.place()))
        };
        self.end.get_or_insert(end);
    }

    /// The clean stop: every log closed, the checkpoint written, the mark set.
    fn stop(&mut self, fabric: &mut Fabric, broker_epoch: BrokerEpoch) {
        match self.close(broker_epoch) {
            Ok(()) => {
                self.end = Some(End::Clean);
                fabric.counts.clean_stops += 1;
            }
            Err(what) => self.failed(&what),
        }
    }

    fn close(&mut self, broker_epoch: BrokerEpoch) -> Result<(), String> {
        let mut closed = Closed::default();
        for running in std::mem::take(&mut self.shards) {
            let sync_all = || self.fs.sync_all(std::path::Path::new(DIRECTORY)).is_ok();
            let of_shard = running.node.close(sync_all);
            closed.extend(of_shard.map_err(|error| format!("failed to close: {error}"))?);
        }
        if broker_epoch < BrokerEpoch(0) {
            return Ok(());
        }
        let path = std::path::Path::new(DIRECTORY);
        mark_clean_stop(&self.fs, path, broker_epoch, &closed)
            .map_err(|error| format!("failed to stop cleanly: {error}"))
    }
}
