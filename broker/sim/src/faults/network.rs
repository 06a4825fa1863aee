//! Ways cut and healed, connections reset, processes frozen.

use std::time::Duration;

use super::Fault;
use crate::happening::Happening;
use crate::place::Node;
use crate::stream::StreamId;
use crate::world::World;

impl World {
    pub(super) fn freeze(&mut self, node: Node) -> bool {
        let (life, _, is_running) = self.state_of(node);
        let frozen = match node {
            Node::Controller(index) => &mut self.controllers[index].frozen,
            Node::Broker(index) => &mut self.brokers[index].frozen,
            Node::Client(_) => return false,
        };
        if !is_running || frozen.is_some() {
            return false;
        }
        *frozen = Some(Vec::new());
        self.fabric.counts.freezes += 1;
        let millis = [50..400, 400..1_600, 1_600..6_000][self.fabric.rng.usize(..3)].clone();
        let delay = Duration::from_millis(self.fabric.rng.u64(millis));
        self.fabric
            .after(delay, Happening::Fault(Fault::Thaw { node, life }));
        true
    }

    pub(super) fn thaw(&mut self, node: Node, life: u64) {
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

    fn all_nodes(&self) -> Vec<Node> {
        let controllers = (0..self.controllers.len()).map(Node::Controller);
        let clients = (0..self.clients.len()).map(Node::Client);
        controllers
            .chain(self.broker_nodes())
            .chain(clients)
            .collect()
    }

    pub(super) fn cut(&mut self, node: Node) -> bool {
        let mut others = self.all_nodes();
        others.retain(|other| *other != node);
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
        let millis = [50..500, 500..2_500, 2_500..9_000][self.fabric.rng.usize(..3)].clone();
        self.cut_ways(ways, millis);
        true
    }

    /// Cuts a broker off from the cluster, both ways; clients may still reach it.
    pub(super) fn cut_off(&mut self, node: Node, millis: std::ops::Range<u64>) {
        let keeps_clients = self.fabric.rng.bool();
        let mut ways = Vec::new();
        for other in self.all_nodes() {
            let stays = keeps_clients && matches!(other, Node::Client(_));
            if other != node && !stays {
                ways.extend([(node, other), (other, node)]);
            }
        }
        self.cut_ways(ways, millis);
    }

    fn cut_ways(&mut self, ways: Vec<(Node, Node)>, millis: std::ops::Range<u64>) {
        for (from, to) in &ways {
            self.fabric.network.cut(*from, *to);
        }
        self.fabric.counts.cuts += 1;
        let delay = Duration::from_millis(self.fabric.rng.u64(millis));
        self.fabric
            .after(delay, Happening::Fault(Fault::Heal(ways)));
    }

    pub(super) fn heal(&mut self, ways: &[(Node, Node)]) {
        for (from, to) in ways {
            if self.fabric.network.heal(*from, *to) {
                self.fabric.unstall(*from, *to);
            }
        }
    }

    /// The controllers fall into two parts: a new leader with some of the others, and the rest. What
    /// it has said so far reaches none of the rest. The split before it, if there is one, ends.
    pub(crate) fn split_from(&mut self, leader: usize) {
        self.heal_split(self.split.1);
        // Sometimes nobody is cut off, so that changes are committed too.
        let ways = match self.fabric.rng.u8(..4) {
            0 => Vec::new(),
            _ => self.ways_around(leader),
        };
        for (from, to) in &ways {
            self.fabric.network.cut(*from, *to);
        }
        self.fabric.counts.cuts += u64::from(!ways.is_empty());
        self.split = (ways, self.split.1 + 1);
        self.end_split_later();
    }

    /// The ways between a leader with some of the others, and the rest.
    fn ways_around(&mut self, leader: usize) -> Vec<(Node, Node)> {
        let mut far: Vec<usize> = (0..self.controllers.len()).collect();
        far.retain(|index| *index != leader);
        self.fabric.rng.shuffle(&mut far);
        // A leader that is alone is followed by another at once, and one with a single other may be
        // a majority of few.
        let is_small = self.scenario.seldom_rests || self.fabric.rng.bool();
        let near_max = if is_small { 1 } else { far.len() };
        let mut near = far.split_off(far.len() - self.fabric.rng.usize(..=near_max));
        near.push(leader);
        let pairs = near.iter().flat_map(|near| {
            let (near, far) = (Node::Controller(*near), far.iter());
            far.map(move |far| (near, Node::Controller(*far)))
        });
        pairs.flat_map(|(a, b)| [(a, b), (b, a)]).collect()
    }

    fn end_split_later(&mut self) {
        let longest = if self.scenario.seldom_rests {
            1_500
        } else {
            3_500
        };
        let delay = Duration::from_millis(self.fabric.rng.u64(300..longest));
        let ended = Fault::EndSplit(self.split.1);
        self.fabric.after(delay, Happening::Fault(ended));
    }

    fn heal_split(&mut self, number: u64) {
        if self.split.1 == number {
            let ways = std::mem::take(&mut self.split.0);
            self.heal(&ways);
        }
    }

    /// The time of a split is over. Where leaders seldom rest, whoever leads by then is split off next.
    pub(super) fn end_split(&mut self, number: u64) {
        if self.split.1 != number {
            return;
        }
        self.heal_split(number);
        if self.is_troubled && self.scenario.seldom_rests {
            match self.active_controller() {
                Some(leader) => self.split_from(leader),
                None => self.end_split_later(),
            }
        }
    }

    /// Some connections are reset though both ends live.
    pub(super) fn reset_some(&mut self) -> bool {
        let ids: Vec<StreamId> = self.fabric.streams.keys().copied().collect();
        for id in ids {
            if self.fabric.rng.u8(..3) == 0 {
                self.reset(id);
            }
        }
        true
    }
}
