//! The whole: machines, clients, and one thing happening after the other.

use std::time::Duration;

use kintsugi_node::message::controller::DialOutcome;
use kintsugi_types::{Incarnation, StartCounter};

use crate::broker_process::{BrokerProcess, Machine};
use crate::client::Client;
use crate::controller_process::ControllerProcess;
use crate::fabric::{Fabric, KNOCK_TIMEOUT};
use crate::faults::{Decay, Fault, Replacement};
use crate::happening::{Frame, Happening, Input, Knock};
use crate::network::hits;
use crate::place::{Node, controller_index};
use crate::scenario::Scenario;
use crate::site::{ANY_LIFE, Site, Standing};
use crate::stream::{Side, StreamId};

/// The longest that the operator takes to hear of an election, where it asks for changes.
const NEWS_MICROS_MAX: u64 = 3_000;

/// A cluster, its clients, and everything between them.
pub(crate) struct World {
    pub(crate) fabric: Fabric,
    pub(crate) scenario: Scenario,
    pub(crate) controllers: Vec<Site<ControllerProcess>>,
    pub(crate) brokers: Vec<Site<BrokerProcess>>,
    pub(crate) clients: Vec<Client>,
    /// The broker that is being replaced.
    pub(crate) replacement: Option<Replacement>,
    /// How many brokers were to be replaced so far.
    pub(crate) replacements: u64,
    /// What the operator was answered last.
    pub(crate) last_answer: String,
    /// That was that the broker may hold the last copy of something.
    pub(crate) is_last_copy: bool,
    /// The controllers that are to be the quorum's members, while they are not.
    pub(crate) members_wanted: Option<Vec<usize>>,
    /// The ways that the last split of the controllers cut, and its number.
    pub(crate) split: (Vec<(Node, Node)>, u64),
    /// Bits that disks changed and that are not mended, as far as is known.
    pub(crate) decays: Vec<Decay>,
    /// Whether a rolling restart goes on.
    pub(crate) is_rolling: bool,
    /// Whether new faults may still come.
    pub(crate) is_troubled: bool,
}

impl World {
    /// Lets the next thing happen; false if nothing is left to.
    pub(crate) fn step(&mut self) -> bool {
        let Some(happening) = self.fabric.next() else {
            return false;
        };
        let now = self.fabric.now;
        self.fabric.trace.note(now, || describe(&happening));
        match happening {
            Happening::Arrive { to, life, input } => self.arrive(to, life, input),
            Happening::Datagram { from, to, message } => {
                let sender = Node::Controller(controller_index(from));
                // A cut also takes what is on its way.
                if !self.fabric.network.is_cut(sender, to) {
                    self.arrive(to, ANY_LIFE, Input::Message { from, message });
                }
            }
            Happening::Connect { stream } => self.connect(stream),
            Happening::DialTimeout { stream } => self.dial_timeout(stream),
            Happening::Segment { stream, to, frame } => {
                if let Some((node, life, input)) = self.fabric.receive(stream, to, frame) {
                    self.arrive(node, life, input);
                }
            }
            Happening::StallTimeout { stream, stalls } => self.stall_timeout(stream, stalls),
            Happening::Knock {
                from,
                life,
                to,
                knock,
            } => self.knock(from, life, to, knock),
            Happening::Fault(fault) => self.fault(fault),
        }
        true
    }

    pub(crate) fn arrive(&mut self, to: Node, life: u64, input: Input) {
        self.fabric.trace.mix(to.number());
        match to {
            Node::Controller(index) => {
                let Some((process, input)) = self.controllers[index].admit(life, input) else {
                    return;
                };
                let elections = self.fabric.oracles.raft.elections;
                process.input(&mut self.fabric, input);
                if let Some(end) = process.take_end() {
                    self.ended(to, end);
                }
                let is_elected = self.fabric.oracles.raft.elections > elections;
                let splits = self.is_troubled && self.scenario.splits_leaders;
                if is_elected && splits {
                    self.split_from(index);
                }
                if is_elected && (splits || self.members_wanted.is_some()) {
                    let delay = Duration::from_micros(self.fabric.rng.u64(..NEWS_MICROS_MAX));
                    let asks = Fault::AskNewLeader(index);
                    self.fabric.after(delay, Happening::Fault(asks));
                }
                self.read_operator_mail();
            }
            Node::Broker(index) => {
                let Some((process, input)) = self.brokers[index].admit(life, input) else {
                    return;
                };
                process.input(&mut self.fabric, input);
                if let Some(end) = process.end.take() {
                    self.ended(to, end);
                }
            }
            Node::Client(index) => self.clients[index].input(&mut self.fabric, input),
        }
    }

    /// (life, powered, running) of a machine.
    pub(crate) fn state_of(&self, node: Node) -> (u64, bool, bool) {
        match node {
            Node::Controller(index) => {
                let site = &self.controllers[index];
                (site.life, site.is_powered, site.is_running())
            }
            Node::Broker(index) => {
                let site = &self.brokers[index];
                (site.life, site.is_powered, site.is_running())
            }
            Node::Client(_) => (0, true, true),
        }
    }

    fn connect(&mut self, id: StreamId) {
        let Some(stream) = self.fabric.streams.get(&id) else {
            return;
        };
        let (dialler, to) = (*stream.end(Side::Dialler), stream.end(Side::Listener).node);
        let purpose = stream.purpose;
        if dialler.closed || self.fabric.network.is_cut(dialler.node, to) {
            return;
        }
        let (life, is_powered, is_running) = self.state_of(to);
        let is_heard = is_powered && !self.fabric.network.is_cut(to, dialler.node);
        let delay = self.fabric.network.delay(&mut self.fabric.rng);
        if !is_running {
            if is_heard {
                let (stream, refused) = (id, true);
                let input = Input::DialFailed { stream, refused };
                self.fabric.streams.remove(&id);
                self.fabric.arrive(delay, dialler.node, dialler.life, input);
            }
            return;
        }
        let opened_at = self.fabric.now + delay;
        if let Some(stream) = self.fabric.streams.get_mut(&id) {
            stream.end_mut(Side::Listener).life = life;
            stream.is_established = is_heard;
            stream.way_mut(Side::Dialler).horizon = opened_at;
        }
        if is_heard {
            let input = Input::Opened(id);
            self.fabric.arrive(delay, dialler.node, dialler.life, input);
        }
        let stream = id;
        let input = Input::Accepted { stream, purpose };
        self.arrive(to, life, input);
    }

    fn dial_timeout(&mut self, id: StreamId) {
        let stream = self.fabric.streams.get(&id);
        let Some(stream) = stream.filter(|stream| !stream.is_established) else {
            return;
        };
        let dialler = *stream.end(Side::Dialler);
        self.fabric.send_to(id, Side::Listener, Frame::Close);
        self.fabric.close_end(id, Side::Dialler);
        if !dialler.closed {
            let (stream, refused) = (id, false);
            let input = Input::DialFailed { stream, refused };
            self.arrive(dialler.node, dialler.life, input);
        }
    }

    fn stall_timeout(&mut self, id: StreamId, stalls: u64) {
        let Some(stream) = self.fabric.streams.get(&id) else {
            return;
        };
        let sides = [Side::Dialler, Side::Listener];
        let mut ways = sides.iter().map(|side| stream.way(*side));
        let still = ways.any(|way| way.stalls == stalls && !way.stalled.is_empty());
        if still || stalls == ANY_LIFE {
            self.reset(id);
        }
    }

    /// Both ends of a stream give it up.
    pub(crate) fn reset(&mut self, id: StreamId) {
        for (node, life, input) in self.fabric.reset(id) {
            self.arrive(node, life, input);
        }
    }

    fn knock(&mut self, from: Node, life: u64, to: Node, knock: Knock) {
        let (_, is_powered, is_running) = self.state_of(to);
        let Node::Broker(index) = to else {
            return;
        };
        let site = &self.brokers[index];
        let truth = match &site.process {
            Some(_) if site.is_frozen() => DialOutcome::Silent,
            Some(process) => DialOutcome::Answered(process.incarnation()),
            None if is_powered => DialOutcome::Refused,
            None => DialOutcome::Silent,
        };
        let lie_one_in = self.fabric.network.weather.lie_one_in;
        let is_lie = is_running && hits(&mut self.fabric.rng, lie_one_in);
        let mut outcome = if is_lie { self.lie(index) } else { truth };
        if self.fabric.network.is_cut(to, from) {
            outcome = DialOutcome::Silent;
        }
        self.fabric.counts.lies += u64::from(outcome != truth && is_lie);
        let delay = if outcome == DialOutcome::Silent {
            KNOCK_TIMEOUT
        } else {
            self.fabric.network.delay(&mut self.fabric.rng)
        };
        let input = Input::Knocked { knock, outcome };
        self.fabric.arrive(delay, from, life, input);
    }

    /// What a network may answer in place of a live broker: a refusal (an address that went
    /// elsewhere), silence, or a stale answer of the incarnation before.
    fn lie(&mut self, index: usize) -> DialOutcome {
        let before = self.brokers[index].process.as_ref().map(|process| {
            let now = process.incarnation();
            let start = StartCounter(now.start.0.saturating_sub(1));
            Incarnation { start, ..now }
        });
        match (self.fabric.rng.u8(..4), before) {
            (0, Some(before)) if before.start.0 > 0 => DialOutcome::Answered(before),
            (1, _) => DialOutcome::Silent,
            _ => DialOutcome::Refused,
        }
    }

    /// Starts the process of a machine that has none.
    pub(crate) fn start(&mut self, node: Node) {
        let result = match node {
            Node::Controller(index) => self.start_controller(index),
            Node::Broker(index) => self.start_broker(index),
            Node::Client(_) => Ok(()),
        };
        if let Err(what) = result
            && !self.is_disk_to_blame(node)
        {
            self.fabric.oracles.fail(what);
        }
    }

    fn start_controller(&mut self, index: usize) -> Result<(), String> {
        let site = &mut self.controllers[index];
        if site.is_running() || site.standing != Standing::InForce {
            return Ok(());
        }
        site.is_powered = true;
        site.life += 1;
        let orphans = std::mem::take(&mut site.orphans);
        let (fs, life) = (site.fs.clone(), (site.life, site.generation));
        self.disown(orphans);
        self.tear_the_start(Node::Controller(index));
        let process = ControllerProcess::start(&mut self.fabric, &self.scenario, &fs, index, life)?;
        self.controllers[index].process = Some(process);
        Ok(())
    }

    fn start_broker(&mut self, index: usize) -> Result<(), String> {
        let site = &mut self.brokers[index];
        if site.is_running() || matches!(site.standing, Standing::Unused | Standing::Replaced) {
            return Ok(());
        }
        site.is_powered = true;
        site.life += 1;
        let orphans = std::mem::take(&mut site.orphans);
        let fs = site.fs.clone();
        let machine = Machine {
            index,
            life: site.life,
            boots: site.boots,
            generation: site.generation,
            fs: &fs,
        };
        self.disown(orphans);
        self.tear_the_start(Node::Broker(index));
        let mut process = BrokerProcess::start(&mut self.fabric, &self.scenario, &machine)?;
        process.begin(&mut self.fabric);
        let end = process.end.take();
        self.brokers[index].process = Some(process);
        if let Some(end) = end {
            self.ended(Node::Broker(index), end);
        }
        Ok(())
    }

    /// A machine that lost power is up again and knows nothing of its connections.
    fn disown(&mut self, orphans: Vec<StreamId>) {
        for id in orphans {
            let delay = Duration::from_millis(self.fabric.rng.u64(1..500));
            let (stream, stalls) = (id, ANY_LIFE);
            self.fabric
                .after(delay, Happening::StallTimeout { stream, stalls });
        }
    }
}

fn describe(happening: &Happening) -> String {
    let mut text = format!("{happening:?}");
    if text.len() > 600 {
        let cut = (0..=600).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(cut.unwrap_or(0));
    }
    text
}
