//! The thread of a broker's control: events in, commands carried out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kintsugi_metadata::{Delta, Image};
use kintsugi_node::broker::Broker as Node;
use kintsugi_node::directory::Closed;
use kintsugi_node::message::broker::{Command, Event, Evidence, MetadataView};
use kintsugi_node::message::controller::DialOutcome;
use kintsugi_node::message::link::{AdminAnswer, AdminRequest};
use kintsugi_node::message::shard;
use kintsugi_types::{
    BrokerEpoch, BrokerId, Endpoint, ErrorCode, Incarnation, ProducerId, Time, TopicName,
};
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};

use super::directory::Directory;
use super::link::Links;
use super::{Gate, Published, ShardInput};
use crate::clock::Clock;
use crate::controller::look;
use crate::exit::{Ending, Exit};
use crate::mailbox::{Letter, Letters, Mailbox};
use crate::metrics::{Change, Metrics};
use crate::progress::Progress;
use crate::thread::wait_until;

/// How many events are handled between two looks at the clock.
const BATCH_MAX: usize = 256;

/// The most requests that may wait for an answer of the control.
const WAITING_MAX: usize = 16_384;

/// What reaches the control's thread.
#[derive(Debug)]
pub enum ControlInput {
    /// An event as it is.
    Event(Event),
    /// An event of a link to a controller; it counts only while that link is the present one.
    Link {
        /// Which link.
        number: u64,
        /// What happened to it.
        event: Event,
    },
    /// A client asked for metadata.
    Metadata {
        /// The topics it is about; `None`: all.
        topics: Option<Vec<TopicName>>,
        /// Where the answer goes.
        reply: oneshot::Sender<Arc<MetadataView>>,
    },
    /// A client's request for the active controller.
    Admin {
        /// The request.
        request: AdminRequest,
        /// When to give up.
        deadline: Time,
        /// Where the answer goes.
        reply: oneshot::Sender<AdminAnswer>,
    },
    /// A producer asks for an id.
    ProducerId {
        /// When to give up.
        deadline: Time,
        /// Where the answer goes.
        reply: oneshot::Sender<Result<ProducerId, ErrorCode>>,
    },
}

/// A shard as the control sees it.
pub struct ShardOf {
    /// Where it is told things.
    pub mailbox: Mailbox<ShardInput>,
    /// Its signs of life.
    pub progress: Progress,
}

/// The control's thread and what it works with.
pub struct Control {
    /// This broker.
    pub id: BrokerId,
    /// The state machine.
    pub node: Node,
    /// The clock of the process.
    pub clock: Clock,
    /// Where sockets are served.
    pub runtime: Handle,
    /// How the process ends.
    pub exit: Exit,
    /// Its own mailbox, for what its tasks find.
    pub events: Mailbox<ControlInput>,
    /// The link to the controller.
    pub links: Links,
    /// The shards by number.
    pub shards: Vec<ShardOf>,
    /// The metadata for everybody else.
    pub published: watch::Sender<Published>,
    /// Whether clients are served.
    pub gate: watch::Sender<Gate>,
    /// Says that every log is closed and the clean stop is marked.
    pub closed: watch::Sender<bool>,
    /// The counters.
    pub metrics: Metrics,
    /// Its signs of life.
    pub progress: Progress,
    /// Requests that wait.
    pub waiting: Waiting,
    /// The log directory, which is marked once every shard is closed.
    pub directory: Directory,
}

/// Requests that wait for the control's answer.
#[derive(Default)]
pub struct Waiting {
    next_token: u64,
    metadata: BTreeMap<u64, oneshot::Sender<Arc<MetadataView>>>,
    admin: BTreeMap<u64, oneshot::Sender<AdminAnswer>>,
    producer_ids: BTreeMap<u64, oneshot::Sender<Result<ProducerId, ErrorCode>>>,
}

impl Waiting {
    fn len(&self) -> usize {
        self.metadata.len() + self.admin.len() + self.producer_ids.len()
    }

    fn token(&mut self) -> Option<u64> {
        if self.len() >= WAITING_MAX {
            self.metadata.retain(|_, reply| !reply.is_closed());
            self.admin.retain(|_, reply| !reply.is_closed());
            self.producer_ids.retain(|_, reply| !reply.is_closed());
        }
        let has_room = self.len() < WAITING_MAX;
        self.next_token += 1;
        has_room.then_some(self.next_token)
    }
}

impl Control {
    /// Runs until every sender is gone.
    pub fn run(mut self, letters: &Letters<ControlInput>) {
        let mut commands = Vec::new();
        loop {
            let now = self.clock.now();
            self.progress.mark(now);
            if self.node.next_wake() <= now {
                self.tell_progress(&mut commands);
                self.handle(Event::Wake, &mut commands);
            }
            match letters.wait(wait_until(self.node.next_wake(), &self.clock)) {
                Letter::Event(input) => self.take(input, &mut commands),
                Letter::Nothing => {}
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

    fn tell_progress(&mut self, commands: &mut Vec<Command>) {
        for index in 0..self.shards.len() {
            let shard = u16::try_from(index).unwrap_or(u16::MAX);
            let at = self.shards[index].progress.last();
            self.handle(Event::ShardProgress { shard, at }, commands);
        }
    }

    fn take(&mut self, input: ControlInput, commands: &mut Vec<Command>) {
        match input {
            ControlInput::Event(event) => {
                if matches!(event, Event::Stop) {
                    self.gate.send_modify(|gate| gate.is_stopping = true);
                }
                self.handle(event, commands);
            }
            ControlInput::Link { number, event } => {
                if self.links.is_present(number) {
                    if matches!(event, Event::LinkClosed) {
                        self.links.close();
                    }
                    self.handle(event, commands);
                }
            }
            ControlInput::Metadata { topics, reply } => {
                if let Some(token) = self.waiting.token() {
                    self.waiting.metadata.insert(token, reply);
                    self.handle(Event::Metadata { token, topics }, commands);
                }
            }
            ControlInput::Admin {
                request,
                deadline,
                reply,
            } => {
                if let Some(token) = self.waiting.token() {
                    self.waiting.admin.insert(token, reply);
                    let event = Event::Admin {
                        token,
                        request,
                        deadline,
                    };
                    self.handle(event, commands);
                }
            }
            ControlInput::ProducerId { deadline, reply } => {
                if let Some(token) = self.waiting.token() {
                    self.waiting.producer_ids.insert(token, reply);
                    self.handle(Event::ProducerId { token, deadline }, commands);
                }
            }
        }
    }

    fn handle(&mut self, event: Event, commands: &mut Vec<Command>) {
        self.node.handle(self.clock.now(), event, commands);
        for command in commands.drain(..) {
            self.carry_out(command);
        }
    }

    fn carry_out(&mut self, command: Command) {
        match command {
            Command::DialController { endpoint, .. } => self.links.dial(endpoint),
            Command::CloseLink => self.links.close(),
            Command::ToController(message) => self.links.send(&message),
            Command::Publish {
                image,
                delta,
                broker_epoch,
            } => {
                self.tell_shards(|| shard::Event::Publish {
                    image: Arc::clone(&image),
                    delta: delta.clone(),
                    broker_epoch,
                });
                if let Some(delta) = &delta {
                    self.note_change(&image, delta);
                }
                self.published.send_replace(Published { image });
            }
            Command::ExtendLease { until } => {
                self.tell_shards(|| shard::Event::ExtendLease { until });
            }
            Command::LeaseExpired => {
                tracing::warn!("no heartbeat was answered for a session: clients are let go");
                self.metrics.partitions.leases_expired.inc();
                self.gate.send_modify(|gate| gate.expiries += 1);
            }
            Command::Ready(is_ready) => {
                tracing::info!(
                    is_ready,
                    uptime_ms = self.clock.now().as_millis(),
                    "readiness changed"
                );
                self.metrics.partitions.ready.set(i64::from(is_ready));
                self.gate.send_modify(|gate| gate.is_ready = is_ready);
            }
            Command::AnswerMetadata { token, view } => {
                if let Some(reply) = self.waiting.metadata.remove(&token) {
                    // Whoever asked may have gone.
                    drop(reply.send(view));
                }
            }
            Command::AnswerAdmin { token, answer } => {
                if let Some(reply) = self.waiting.admin.remove(&token) {
                    drop(reply.send(answer));
                }
            }
            Command::AnswerProducerId { token, result } => {
                if let Some(reply) = self.waiting.producer_ids.remove(&token) {
                    // Whoever asked may have gone; its id is not given to another.
                    let _ = reply.send(result);
                }
            }
            Command::AlterPartitionAnswered { shard, results } => {
                let event = shard::Event::AlterPartitionAnswered { results };
                if let Some(shard) = self.shards.get(usize::from(shard)) {
                    shard.mailbox.post(ShardInput::Event(event));
                }
            }
            Command::Probe { expected, endpoint } => self.probe(expected, endpoint),
            Command::Look { look, endpoint } => self.look(look, endpoint),
            Command::Drain => self.tell_shards(|| shard::Event::Drain),
            Command::AskLogEnds { partitions } => self.tell_shards(|| shard::Event::AskLogEnds {
                partitions: Arc::clone(&partitions),
            }),
            Command::StopNow { broker_epoch } => self.stop(broker_epoch),
            Command::Fatal { reason } => self.exit.fatal(Ending::Refused, &reason),
        }
    }

    fn note_change(&self, image: &Image, delta: &Delta) {
        let before = Arc::clone(&self.published.borrow().image);
        let partitions = &self.metrics.partitions;
        let change = partitions.observe_change(self.id, &before, image, delta);
        if change != Change::default() {
            tracing::info!(
                leaderships_gained = change.leaderships_gained,
                leaderships_lost = change.leaderships_lost,
                fenced = ?change.fenced.iter().map(|id| id.0).collect::<Vec<_>>(),
                image_offset = image.offset.0,
                "leaderships changed"
            );
        }
    }

    fn tell_shards(&self, event: impl Fn() -> shard::Event) {
        for shard in &self.shards {
            shard.mailbox.post(ShardInput::Event(event()));
        }
    }

    fn probe(&self, expected: Incarnation, endpoint: Endpoint) {
        let events = self.events.clone();
        let vigilance = self.links.vigilance();
        self.runtime.spawn(async move {
            let evidence = match look(&endpoint, vigilance).await {
                DialOutcome::Refused => Evidence::Refused,
                DialOutcome::Answered(incarnation) if incarnation == expected => Evidence::Answered,
                // The port is another incarnation's: the expected one has let go of it.
                DialOutcome::Answered(_) => Evidence::Refused,
                DialOutcome::Silent => return,
            };
            events.post(ControlInput::Event(Event::PeerConnection {
                broker: expected.broker,
                evidence,
            }));
        });
    }

    fn look(&self, number: u64, endpoint: Endpoint) {
        let events = self.events.clone();
        let vigilance = self.links.vigilance();
        self.runtime.spawn(async move {
            let outcome = look(&endpoint, vigilance).await;
            let look = number;
            events.post(ControlInput::Event(Event::Looked { look, outcome }));
        });
    }

    /// Closes every shard, marks the clean stop, and ends the process.
    fn stop(&mut self, broker_epoch: BrokerEpoch) {
        let (closed, is_closed) = std::sync::mpsc::channel();
        for shard in &self.shards {
            let closed = closed.clone();
            let sync_all = self.directory.sync_all();
            shard.mailbox.post(ShardInput::Close { sync_all, closed });
        }
        let mut left = Closed::default();
        for _ in &self.shards {
            match is_closed.recv_timeout(CLOSE_MAX) {
                Ok(of_shard) => left.extend(of_shard),
                Err(_) => {
                    let reason = "a shard did not flush its logs in time";
                    self.exit.fatal(Ending::Storage, reason);
                }
            }
        }
        match self.directory.mark_clean(broker_epoch, &left) {
            Ok(()) => {
                self.closed.send_replace(true);
            }
            Err(cause) => {
                let reason = crate::thread::chain(cause.as_ref());
                self.exit.fatal(Ending::Storage, &reason);
            }
        }
    }
}

/// How long a shard may take to flush and close its logs. `kintsugi.stop.timeout.ms` ends the
/// process before, if that is shorter.
const CLOSE_MAX: Duration = Duration::from_secs(60);
