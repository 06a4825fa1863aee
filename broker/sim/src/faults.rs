//! Faults, drawn one after the other, and what each does.

use std::time::Duration;

use crate::happening::{Frame, Happening, Input};
use crate::place::{Node, controller_id};
use crate::site::{ANY_LIFE, Site};
use crate::stream::{Side, StreamId};
use crate::world::World;

/// A fault, or the end of one.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Draw one.
    Next,
    /// A machine's process is started again.
    Restart(Node),
    Thaw {
        node: Node,
        life: u64,
    },
    Heal(Vec<(Node, Node)>),
    /// A stopping controller ends.
    Kill {
        node: Node,
        life: u64,
    },
}

impl World {
    pub(crate) fn fault(&mut self, fault: Fault) {
        match fault {
            Fault::Next => self.next_fault(),
            Fault::Restart(node) => self.start(node),
            Fault::Thaw { node, life } => self.thaw(node, life),
            Fault::Heal(ways) => self.heal(&ways),
            Fault::Kill { node, life } => {
                let (now, _, is_running) = self.state_of(node);
                if now == life && is_running {
                    self.kill(node);
                    self.restart_later(node, 50..2_000);
                }
            }
        }
    }

    fn next_fault(&mut self) {
        if !self.is_troubled {
            return;
        }
        let pause = Duration::from_millis(self.fabric.rng.u64(50..2_500));
        self.fabric.after(pause, Happening::Fault(Fault::Next));
        let broker = Node::Broker(self.fabric.rng.usize(..self.brokers.len()));
        let controller = Node::Controller(self.fabric.rng.usize(..self.controllers.len()));
        let any = if self.fabric.rng.u8(..3) == 0 {
            controller
        } else {
            broker
        };
        match self.fabric.rng.u8(..100) {
            0..24 => self.kill_and_restart(broker),
            24..34 => self.kill_and_restart(controller),
            34..44 => self.lose_power(&[broker]),
            44..48 => self.lose_power(&[controller]),
            48..52 => self.lose_power_of_several(),
            52..66 => self.freeze(any),
            66..88 => self.cut(any),
            88..95 => self.terminate(any),
            _ => self.reset_some(),
        }
    }

    pub(crate) fn restart_later(&mut self, node: Node, millis: std::ops::Range<u64>) {
        let delay = Duration::from_millis(self.fabric.rng.u64(millis));
        self.fabric
            .after(delay, Happening::Fault(Fault::Restart(node)));
    }

    fn kill_and_restart(&mut self, node: Node) {
        if self.kill(node) {
            self.fabric.counts.kills += 1;
            let is_quick = self.fabric.rng.bool();
            self.restart_later(node, if is_quick { 20..200 } else { 20..5_000 });
        }
    }

    /// kill -9: the page cache stays, connections are reset.
    fn kill(&mut self, node: Node) -> bool {
        let Some(life) = self.end_process(node, false) else {
            return false;
        };
        for (id, side) in self.fabric.streams_of(node, life) {
            self.fabric.send_to(id, side.other(), Frame::Close);
            self.fabric.close_end(id, side);
        }
        if let Node::Controller(index) = node {
            for other in 0..self.controllers.len() {
                let to = Node::Controller(other);
                if other != index && !self.fabric.network.is_cut(node, to) {
                    let delay = self.fabric.network.delay(&mut self.fabric.rng);
                    let input = Input::PeerLost(controller_id(index));
                    self.fabric.arrive(delay, to, ANY_LIFE, input);
                }
            }
        }
        true
    }

    /// Takes a process away; its life, if there was one.
    fn end_process(&mut self, node: Node, has_lost_power: bool) -> Option<u64> {
        match node {
            Node::Controller(index) => end(
                &mut self.controllers[index],
                has_lost_power,
                &mut self.fabric.rng,
            ),
            Node::Broker(index) => end(
                &mut self.brokers[index],
                has_lost_power,
                &mut self.fabric.rng,
            ),
            Node::Client(_) => None,
        }
    }

    /// A broker stopped as it was asked to.
    pub(crate) fn stopped_cleanly(&mut self, index: usize) {
        let node = Node::Broker(index);
        self.kill(node);
        self.restart_later(node, 20..2_000);
    }

    fn lose_power_of_several(&mut self) {
        let mut nodes: Vec<Node> = (0..self.brokers.len()).map(Node::Broker).collect();
        self.fabric.rng.shuffle(&mut nodes);
        let count = self.fabric.rng.usize(2..=nodes.len());
        self.lose_power(&nodes[..count]);
    }

    /// No connection is told; what was not synced is lost, as the disk draws it.
    fn lose_power(&mut self, nodes: &[Node]) {
        let mut lost = Vec::new();
        for node in nodes {
            let (life, is_powered, _) = self.state_of(*node);
            if !is_powered {
                continue;
            }
            self.end_process(*node, true);
            self.fabric.counts.power_losses += 1;
            let streams = self.fabric.streams_of(*node, life);
            self.orphan(*node, streams);
            if let Node::Broker(index) = node {
                lost.push((*index, self.brokers[*index].fs.clone()));
            }
            self.restart_later(*node, 300..6_000);
        }
        self.fabric.oracles.power_lost(&lost);
    }

    fn orphan(&mut self, node: Node, streams: Vec<(StreamId, Side)>) {
        for (id, side) in &streams {
            self.fabric.close_end(*id, *side);
            let delay = Duration::from_millis(self.fabric.rng.u64(6_000..12_000));
            let (stream, stalls) = (*id, ANY_LIFE);
            self.fabric
                .after(delay, Happening::StallTimeout { stream, stalls });
        }
        let ids = streams.into_iter().map(|(id, _)| id);
        match node {
            Node::Controller(index) => self.controllers[index].orphans.extend(ids),
            Node::Broker(index) => self.brokers[index].orphans.extend(ids),
            Node::Client(_) => {}
        }
    }

    fn freeze(&mut self, node: Node) {
        let (life, _, is_running) = self.state_of(node);
        let frozen = match node {
            Node::Controller(index) => &mut self.controllers[index].frozen,
            Node::Broker(index) => &mut self.brokers[index].frozen,
            Node::Client(_) => return,
        };
        if !is_running || frozen.is_some() {
            return;
        }
        *frozen = Some(Vec::new());
        self.fabric.counts.freezes += 1;
        let millis = [50..400, 400..1_600, 1_600..6_000][self.fabric.rng.usize(..3)].clone();
        let delay = Duration::from_millis(self.fabric.rng.u64(millis));
        self.fabric
            .after(delay, Happening::Fault(Fault::Thaw { node, life }));
    }

    pub(crate) fn thaw(&mut self, node: Node, life: u64) {
        if self.state_of(node).0 != life {
            return;
        }
        let inbox = match node {
            Node::Controller(index) => self.controllers[index].frozen.take(),
            Node::Broker(index) => self.brokers[index].frozen.take(),
            Node::Client(_) => None,
        };
        for input in inbox.into_iter().flatten() {
            self.arrive(node, life, input);
        }
    }

    fn cut(&mut self, node: Node) {
        let machines = (0..self.controllers.len())
            .map(Node::Controller)
            .chain((0..self.brokers.len()).map(Node::Broker))
            .chain((0..self.clients.len()).map(Node::Client));
        let mut others: Vec<Node> = machines.filter(|other| *other != node).collect();
        match self.fabric.rng.u8(..4) {
            0 => {}
            1 => others.retain(|other| !matches!(other, Node::Client(_))),
            2 => others.retain(|other| matches!(other, Node::Controller(_))),
            _ => {
                let one = self.fabric.rng.usize(..others.len());
                others = vec![others[one]];
            }
        }
        let way = self.fabric.rng.u8(..4);
        let mut ways = Vec::new();
        for other in others {
            if way != 0 {
                ways.push((node, other));
            }
            if way != 1 {
                ways.push((other, node));
            }
        }
        for (from, to) in &ways {
            self.fabric.network.cut(*from, *to);
        }
        self.fabric.counts.cuts += 1;
        let millis = [50..500, 500..2_500, 2_500..9_000][self.fabric.rng.usize(..3)].clone();
        let delay = Duration::from_millis(self.fabric.rng.u64(millis));
        self.fabric
            .after(delay, Happening::Fault(Fault::Heal(ways)));
    }

    fn heal(&mut self, ways: &[(Node, Node)]) {
        for (from, to) in ways {
            if self.fabric.network.heal(*from, *to) {
                self.fabric.unstall(*from, *to);
            }
        }
    }

    fn terminate(&mut self, node: Node) {
        let (life, _, is_running) = self.state_of(node);
        if !is_running {
            return;
        }
        self.fabric.counts.stops += 1;
        self.fabric
            .arrive(Duration::ZERO, node, life, Input::Terminate);
        if let Node::Controller(_) = node {
            let delay = Duration::from_millis(self.fabric.rng.u64(50..500));
            self.fabric
                .after(delay, Happening::Fault(Fault::Kill { node, life }));
        }
    }

    /// Some connections are reset though both ends live.
    fn reset_some(&mut self) {
        let ids: Vec<StreamId> = self.fabric.streams.keys().copied().collect();
        for id in ids {
            if self.fabric.rng.u8(..3) == 0 {
                self.reset(id);
            }
        }
    }

    /// The end of all faults: everything is repaired.
    pub(crate) fn calm_down(&mut self) {
        self.is_troubled = false;
        self.fabric.network.weather = crate::network::Weather::CALM;
        for (from, to) in self.fabric.network.heal_all() {
            self.fabric.unstall(from, to);
        }
        let brokers = (0..self.brokers.len()).map(Node::Broker);
        let machines = (0..self.controllers.len())
            .map(Node::Controller)
            .chain(brokers);
        for node in machines.collect::<Vec<_>>() {
            let (life, _, is_running) = self.state_of(node);
            if is_running {
                self.thaw(node, life);
            } else {
                self.start(node);
            }
        }
    }
}

fn end<P>(site: &mut Site<P>, has_lost_power: bool, rng: &mut fastrand::Rng) -> Option<u64> {
    let was_running = site.process.take().is_some();
    site.frozen = None;
    if has_lost_power {
        site.fs.lose_power(rng);
        site.is_powered = false;
        site.boots += 1;
    } else if was_running {
        site.fs.crash_process();
    }
    was_running.then_some(site.life)
}
