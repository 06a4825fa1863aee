//! What all processes share: the time, the queue, the network, and who watches.

use std::collections::BTreeMap;
use std::time::Duration;

use kintsugi_node::message::controller::DialOutcome;
use kintsugi_node::message::link::AdminAnswer;
use kintsugi_quorum as quorum;
use kintsugi_types::{ControllerId, Endpoint, Time};

use crate::happening::{Frame, Happening, Input, Knock};
use crate::network::{Network, hits};
use crate::oracle::Oracles;
use crate::place::{Loop, Node};
use crate::queue::Queue;
use crate::report::Counts;
use crate::stream::{Purpose, Side, Stream, StreamId};
use crate::trace::Trace;

/// How long a dial into nowhere takes to fail.
const DIAL_TIMEOUT: Duration = Duration::from_millis(400);

/// How long a short dial of a control port may take.
pub(crate) const KNOCK_TIMEOUT: Duration = Duration::from_millis(100);

/// How long a stream stalls before its ends give it up, at the least.
const STALL_MIN_MS: u64 = 6_000;

/// The world without its processes.
pub(crate) struct Fabric {
    pub(crate) now: Time,
    pub(crate) rng: fastrand::Rng,
    pub(crate) network: Network,
    pub(crate) oracles: Oracles,
    pub(crate) counts: Counts,
    pub(crate) trace: Trace,
    queue: Queue<Happening>,
    pub(crate) streams: BTreeMap<StreamId, Stream>,
    last_stream: u64,
    /// The machine of each broker, as names resolve.
    pub(crate) machines: Vec<usize>,
    /// What controllers answered to the operator, each with the number that it asked with.
    pub(crate) operator_mail: Vec<(u64, AdminAnswer)>,
    /// The last arrival in each mailbox, of each sender.
    mailboxes: BTreeMap<(Node, Loop, Loop), Time>,
}

impl Fabric {
    pub(crate) fn new(
        rng: fastrand::Rng,
        network: Network,
        oracles: Oracles,
        trace: Trace,
    ) -> Self {
        Self {
            now: Time::from_millis(1_000),
            rng,
            network,
            oracles,
            counts: Counts::default(),
            trace,
            queue: Queue::new(),
            streams: BTreeMap::new(),
            last_stream: 0,
            machines: Vec::new(),
            operator_mail: Vec::new(),
            mailboxes: BTreeMap::new(),
        }
    }

    /// Takes the next happening; its time is the present from now on.
    pub(crate) fn next(&mut self) -> Option<Happening> {
        let (at, what) = self.queue.pop()?;
        self.now = self.now.max(at);
        Some(what)
    }

    pub(crate) fn at(&mut self, at: Time, what: Happening) {
        let tie = self.rng.u32(..);
        self.queue.push(at, tie, what);
    }

    pub(crate) fn after(&mut self, delay: Duration, what: Happening) {
        let at = self.now + delay;
        self.at(at, what);
    }

    pub(crate) fn arrive(&mut self, delay: Duration, to: Node, life: u64, input: Input) {
        self.after(delay, Happening::Arrive { to, life, input });
    }

    /// From one event loop of a process to another: in order, after a little time.
    pub(crate) fn mail(&mut self, node: Node, life: u64, from: Loop, to: Loop, input: Input) {
        let usual = self.now + Duration::from_micros(self.rng.u64(1..60));
        let last = self.mailboxes.entry((node, from, to)).or_default();
        let at = usual.max(*last + Duration::from_micros(1));
        *last = at;
        self.at(
            at,
            Happening::Arrive {
                to: node,
                life,
                input,
            },
        );
    }

    /// Between voters: may be lost, come twice, or overtake.
    pub(crate) fn datagram(
        &mut self,
        from: (Node, ControllerId),
        to: Node,
        message: quorum::Message,
    ) {
        let weather = self.network.weather;
        if self.network.is_cut(from.0, to) || hits(&mut self.rng, weather.loss_one_in) {
            return;
        }
        let copies = 1 + u32::from(hits(&mut self.rng, weather.duplicate_one_in));
        for _ in 0..copies {
            let delay = self.network.delay(&mut self.rng);
            let message = message.clone();
            let from = from.1;
            self.after(delay, Happening::Datagram { from, to, message });
        }
    }

    /// Asks who holds a control port.
    pub(crate) fn knock(&mut self, from: Node, life: u64, endpoint: &Endpoint, knock: Knock) {
        let to = Node::at(endpoint);
        if self.network.is_cut(from, to) {
            let outcome = DialOutcome::Silent;
            self.arrive(KNOCK_TIMEOUT, from, life, Input::Knocked { knock, outcome });
            return;
        }
        let delay = self.network.delay(&mut self.rng);
        self.after(
            delay,
            Happening::Knock {
                from,
                life,
                to,
                knock,
            },
        );
    }

    pub(crate) fn dial(&mut self, from: Node, life: u64, to: Node, purpose: Purpose) -> StreamId {
        self.last_stream += 1;
        let stream = StreamId(self.last_stream);
        self.streams
            .insert(stream, Stream::new(purpose, (from, life), to));
        self.after(DIAL_TIMEOUT, Happening::DialTimeout { stream });
        if !self.network.is_cut(from, to) {
            let delay = self.network.delay(&mut self.rng);
            self.after(delay, Happening::Connect { stream });
        }
        stream
    }

    /// Sends a frame from the end that this life of a node has.
    pub(crate) fn send(&mut self, id: StreamId, node: Node, life: u64, frame: Frame) {
        let side = self.streams.get(&id).and_then(|s| s.side_of(node, life));
        if let Some(side) = side {
            self.send_to(id, side.other(), frame);
        }
    }

    /// Closes the end that this life of a node has, after what was sent on it.
    pub(crate) fn close(&mut self, id: StreamId, node: Node, life: u64) {
        let side = self.streams.get(&id).and_then(|s| s.side_of(node, life));
        if let Some(side) = side {
            self.send_to(id, side.other(), Frame::Close);
            self.close_end(id, side);
        }
    }

    /// An end takes no more frames; the other one is not told.
    pub(crate) fn close_end(&mut self, id: StreamId, side: Side) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.end_mut(side).closed = true;
            if stream.is_over() {
                self.streams.remove(&id);
            }
        }
    }

    pub(crate) fn send_to(&mut self, id: StreamId, to: Side, frame: Frame) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if stream.end(to).closed {
            return;
        }
        let (sender, receiver) = (stream.end(to.other()).node, stream.end(to).node);
        let is_stalled = !stream.way(to).stalled.is_empty();
        if is_stalled || self.network.is_cut(sender, receiver) {
            self.stall(id, to, frame, false);
            return;
        }
        let usual = self.now + self.network.delay(&mut self.rng);
        let way = stream.way_mut(to);
        let at = usual.max(way.horizon + Duration::from_micros(1));
        way.horizon = at;
        let stream = id;
        self.at(at, Happening::Segment { stream, to, frame });
    }

    /// A frame reached its end; `None` if a cut holds it, or nobody takes it.
    pub(crate) fn receive(
        &mut self,
        id: StreamId,
        to: Side,
        frame: Frame,
    ) -> Option<(Node, u64, Input)> {
        let stream = self.streams.get(&id)?;
        let (sender, end) = (stream.end(to.other()).node, *stream.end(to));
        if end.closed {
            return None;
        }
        let is_stalled = !stream.way(to).stalled.is_empty();
        if is_stalled || self.network.is_cut(sender, end.node) {
            self.stall(id, to, frame, true);
            return None;
        }
        if matches!(frame, Frame::Close) {
            self.close_end(id, to);
        }
        let stream = id;
        Some((end.node, end.life, Input::Frame { stream, frame }))
    }

    fn stall(&mut self, id: StreamId, to: Side, frame: Frame, was_sent_before: bool) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let way = stream.way_mut(to);
        if was_sent_before {
            way.stalled.insert(way.overtaken, frame);
            way.overtaken += 1;
        } else {
            way.stalled.push_back(frame);
        }
        if way.stalled.len() == 1 {
            way.stalls += 1;
            let stalls = way.stalls;
            let patience = Duration::from_millis(STALL_MIN_MS + self.rng.u64(..4_000));
            let stream = id;
            self.after(patience, Happening::StallTimeout { stream, stalls });
        }
    }

    /// A way is open again: what stalled on it goes on.
    pub(crate) fn unstall(&mut self, from: Node, to: Node) {
        let goes = |stream: &Stream, side: Side| {
            stream.end(side.other()).node == from && stream.end(side).node == to
        };
        let ids: Vec<StreamId> = self.streams.keys().copied().collect();
        for id in ids {
            for side in [Side::Dialler, Side::Listener] {
                let stream = self.streams.get_mut(&id);
                let Some(stream) = stream.filter(|stream| goes(stream, side)) else {
                    continue;
                };
                let way = stream.way_mut(side);
                way.overtaken = 0;
                let stalled = std::mem::take(&mut way.stalled);
                for frame in stalled {
                    self.send_to(id, side, frame);
                }
            }
        }
    }

    /// Both ends give a stream up, each for itself.
    pub(crate) fn reset(&mut self, id: StreamId) -> Vec<(Node, u64, Input)> {
        let Some(stream) = self.streams.remove(&id) else {
            return Vec::new();
        };
        self.counts.streams_reset += 1;
        let ends = [*stream.end(Side::Dialler), *stream.end(Side::Listener)];
        let open = ends.into_iter().filter(|end| !end.closed);
        open.map(|end| {
            let frame = Frame::Close;
            (end.node, end.life, Input::Frame { stream: id, frame })
        })
        .collect()
    }

    /// The streams that this life of a node has an end of.
    pub(crate) fn streams_of(&self, node: Node, life: u64) -> Vec<(StreamId, Side)> {
        let with_side = |(id, stream): (&StreamId, &Stream)| {
            let side = stream.side_of(node, life)?;
            Some((*id, side))
        };
        self.streams.iter().filter_map(with_side).collect()
    }
}
