//! A controller's process: the actor, its journal, its links.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::time::Duration;

use kintsugi_node::controller::{Controller, ControllerConfig, ControllerStore, VoterIdentity};
use kintsugi_node::message::controller::{Command, DialId, Event, LinkId};
use kintsugi_node::message::link::Hello;
use kintsugi_quorum as quorum;
use kintsugi_storage::{JournalLimits, MemoryFileSystem};
use kintsugi_types::{ControllerId, DirectoryId, Generation, Time};
use uuid::Uuid;

use crate::clock::Clock;
use crate::end::End;
use crate::fabric::Fabric;
use crate::happening::{Frame, Input, Knock};
use crate::network::hits;
use crate::place::{CONTROLLERS, Loop, Node, controller_id, controller_index};
use crate::scenario::Scenario;
use crate::site::ANY_LIFE;
use crate::stream::StreamId;
use crate::timer::Timer;

const DIRECTORY: &str = "/controller";

/// A running controller.
pub(crate) struct ControllerProcess {
    index: usize,
    life: u64,
    clock: Clock,
    node: Controller,
    directory: DirectoryId,
    fs: MemoryFileSystem,
    store: ControllerStore<MemoryFileSystem>,
    /// Writes to carry out, in order.
    writes: VecDeque<quorum::Persist>,
    links: BTreeMap<StreamId, ()>,
    timer: Timer,
    slow_write_one_in: u32,
    /// Why it is over, if it is.
    end: Option<End>,
}

impl ControllerProcess {
    /// Starts on what the disk holds.
    pub(crate) fn start(
        fabric: &mut Fabric,
        scenario: &Scenario,
        fs: &MemoryFileSystem,
        index: usize,
        (life, generation): (u64, Generation),
    ) -> Result<Self, String> {
        let id = controller_id(index);
        let cluster = scenario.cluster.clone();
        let identity = VoterIdentity {
            cluster: cluster.clone(),
            id,
            generation,
            is_founder: index < scenario.controllers,
            new_directory: DirectoryId(Uuid::from_u128(fabric.rng.u128(..))),
        };
        let limits = JournalLimits {
            segment_bytes: 64 << 10,
            record_bytes_max: 16 << 20,
            segments_max: 6,
        };
        let (store, opened) = ControllerStore::open(fs, Path::new(DIRECTORY), &identity, limits)
            .map_err(|error| format!("{id} failed to open its directory: {error}"))?;
        let directory = opened.directory;
        let config = config(scenario, id, directory);
        let clock = Clock::draw(&mut fabric.rng, scenario.clocks_drift);
        let seed = fabric.rng.u64(..);
        let node = Controller::open(config, opened.recovered, clock.show(fabric.now), seed)
            .map_err(|error| format!("{id} failed to start: {error}"))?;
        let hello = Hello::Controller {
            id,
            directory,
            cluster,
            endpoint: Node::Controller(index).endpoint(),
            process: life,
        };
        let mut process = Self {
            index,
            life,
            clock,
            node,
            directory,
            fs: fs.clone(),
            store,
            writes: VecDeque::new(),
            links: BTreeMap::new(),
            timer: Timer::default(),
            slow_write_one_in: scenario.slow_write_one_in,
            end: None,
        };
        fabric.oracles.raft.started(id, process.node.engine());
        process.arm(fabric);
        // Whoever runs hears of it by the connections that it opens.
        for other in (0..CONTROLLERS).filter(|other| *other != index) {
            process.greet(fabric, other, hello.clone());
        }
        Ok(process)
    }

    fn greet(&self, fabric: &mut Fabric, other: usize, hello: Hello) {
        let to = Node::Controller(other);
        if !fabric.network.is_cut(Node::Controller(self.index), to) {
            let delay = fabric.network.delay(&mut fabric.rng);
            fabric.arrive(delay, to, ANY_LIFE, Input::PeerMet(hello));
        }
    }

    /// Why it is over, if it is. A disk that stopped is looked at by the world.
    pub(crate) fn take_end(&mut self) -> Option<End> {
        let end = self.end.take()?;
        let was_torn = self.fs.has_stopped();
        Some(if was_torn { End::Stopped } else { end })
    }

    pub(crate) const fn directory(&self) -> DirectoryId {
        self.directory
    }

    pub(crate) const fn node(&self) -> &Controller {
        &self.node
    }

    fn place(&self) -> Node {
        Node::Controller(self.index)
    }

    /// Takes what reached the process.
    pub(crate) fn input(&mut self, fabric: &mut Fabric, input: Input) {
        match input {
            Input::Wake(_) if self.timer.fired(fabric.now) => self.handle(fabric, Event::Wake),
            Input::Message { from, message } => {
                self.handle(fabric, Event::FromPeer { from, message });
            }
            Input::PeerLost(peer) => self.handle(fabric, Event::PeerLost { peer }),
            Input::PeerMet(hello) => self.handle(fabric, Event::PeerMet { hello }),
            Input::Write => self.write(fabric),
            Input::Persisted(token) => self.handle(fabric, Event::Persisted { token }),
            Input::Frame { stream, frame } => self.frame(fabric, stream, frame),
            Input::Knocked {
                knock: Knock::Dial(dial),
                outcome,
            } => {
                let dial = DialId(dial);
                self.handle(fabric, Event::Dialled { dial, outcome });
            }
            Input::Operator(token, request) => {
                self.handle(fabric, Event::Admin { token, request });
            }
            Input::ChangeMembers(change) => {
                self.handle(fabric, Event::ChangeMembers { token: 0, change });
            }
            Input::Terminate => self.handle(fabric, Event::Stop),
            _ => {}
        }
        self.arm(fabric);
    }

    fn arm(&mut self, fabric: &mut Fabric) {
        let next = self.node.next_wake();
        let (node, life) = (self.place(), self.life);
        self.timer
            .arm(fabric, next, Some(&self.clock), (node, life, Loop::Main));
    }

    fn frame(&mut self, fabric: &mut Fabric, stream: StreamId, frame: Frame) {
        let link = LinkId(stream.0);
        match frame {
            Frame::Hello(Hello::Broker {
                incarnation,
                cluster,
            }) => {
                self.links.insert(stream, ());
                let event = Event::LinkOpened {
                    link,
                    incarnation,
                    cluster,
                };
                self.handle(fabric, event);
            }
            Frame::ToController(message) if self.links.contains_key(&stream) => {
                self.handle(fabric, Event::FromBroker { link, message });
            }
            Frame::Close if self.links.remove(&stream).is_some() => {
                self.handle(fabric, Event::LinkClosed { link });
            }
            _ => {}
        }
    }

    /// The journal's thread: one write at a time, in order.
    fn write(&mut self, fabric: &mut Fabric) {
        let Some(persist) = self.writes.pop_front() else {
            return;
        };
        let (node, life) = (self.place(), self.life);
        match self.store.write(&persist) {
            Ok(()) => {
                let input = Input::Persisted(persist.token);
                fabric.mail(node, life, Loop::Shard(0), Loop::Main, input);
            }
            Err(error) => {
                let reason = format!("{node:?} failed to write its journal: {error}");
                self.end = Some(End::Fatal(reason));
                return;
            }
        }
        if !self.writes.is_empty() {
            self.begin_write(fabric);
        }
    }

    fn begin_write(&self, fabric: &mut Fabric) {
        let slow = hits(&mut fabric.rng, self.slow_write_one_in);
        let micros = if slow { 2_000..120_000 } else { 100..3_000 };
        let delay = Duration::from_micros(fabric.rng.u64(micros));
        fabric.arrive(delay, self.place(), self.life, Input::Write);
    }

    fn handle(&mut self, fabric: &mut Fabric, event: Event) {
        let mut commands = Vec::new();
        let now: Time = self.clock.show(fabric.now);
        let is_chunk = matches!(
            &event,
            Event::FromPeer { message, .. } if matches!(message.body, quorum::Body::SnapshotChunk { .. })
        );
        self.node.handle(now, event, &mut commands);
        let is_snapshot = |command: &Command| matches!(command, Command::Persist(persist) if persist.snapshot.is_some());
        fabric.counts.snapshot_installs += u64::from(is_chunk && commands.iter().any(is_snapshot));
        let id = controller_id(self.index);
        fabric
            .oracles
            .raft
            .observe(id, self.life, self.node.engine(), &commands);
        let image = self.node.image();
        fabric.oracles.observe_image(self.place(), image);
        for command in commands {
            self.carry_out(fabric, command);
        }
    }

    fn carry_out(&mut self, fabric: &mut Fabric, command: Command) {
        let (place, life) = (self.place(), self.life);
        match command {
            Command::ToPeer { to, message } => {
                let to = Node::Controller(controller_index(to));
                fabric.datagram((place, controller_id(self.index)), to, message);
            }
            Command::Persist(persist) => {
                fabric.counts.snapshots += u64::from(persist.snapshot.is_some());
                self.writes.push_back(persist);
                if self.writes.len() == 1 {
                    self.begin_write(fabric);
                }
            }
            Command::ToBroker { link, message } => {
                fabric.send(StreamId(link.0), place, life, Frame::ToBroker(message));
            }
            Command::CloseLink { link } => {
                let stream = StreamId(link.0);
                fabric.close(stream, place, life);
                let frame = Frame::Close;
                let input = Input::Frame { stream, frame };
                fabric.mail(place, life, Loop::Main, Loop::Main, input);
            }
            Command::Dial { dial, endpoint } => {
                fabric.counts.dial_backs += 1;
                fabric.knock(place, life, &endpoint, Knock::Dial(dial.0));
            }
            Command::Answer { token, answer } => fabric.operator_mail.push((token, answer)),
            Command::ChangeAnswer { answer, .. } => {
                let is_cut = fabric.network.is_any_cut();
                fabric.counts.membership_changes += u64::from(answer.is_ok());
                fabric.counts.membership_changes_under_cut += u64::from(answer.is_ok() && is_cut);
            }
            Command::PeersChanged | Command::Observed(_) => {}
            Command::Fatal { reason } => {
                let reason = format!("{place:?} ended itself: {reason}");
                self.end = Some(End::Fatal(reason));
            }
        }
    }
}

fn config(scenario: &Scenario, id: ControllerId, directory: DirectoryId) -> ControllerConfig {
    let ids = (0..scenario.controllers).map(controller_id);
    let voters = ids.map(|id| (id, None)).collect();
    let mut quorum = quorum::Config::new(id, directory, voters);
    quorum.limits.snapshot_after_entries = scenario.snapshot_after_entries;
    quorum.limits.entries_kept_behind_snapshot = scenario.snapshot_after_entries / 2;
    let endpoints = (0..CONTROLLERS)
        .map(|index| (controller_id(index), Node::Controller(index).endpoint()))
        .collect();
    let mut config = ControllerConfig::new(quorum, scenario.cluster.clone(), endpoints);
    config.settings.default_replication_factor = scenario.replication_factor;
    config.settings.min_insync_replicas = scenario.min_isr;
    config.last_known_leader_wait = scenario.last_known_leader_wait;
    config.rebalance_interval = Some(scenario.rebalance_interval);
    config
}
