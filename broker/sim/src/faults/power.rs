//! Processes killed, and machines without power.

use std::time::Duration;

use crate::happening::{Frame, Happening, Input};
use crate::place::{Node, controller_id};
use crate::site::{ANY_LIFE, Site};
use crate::stream::{Side, StreamId};
use crate::world::World;

impl World {
    pub(super) fn kill_and_restart(&mut self, node: Node) -> bool {
        if !self.kill(node) {
            return false;
        }
        self.fabric.counts.kills += 1;
        let is_quick = self.fabric.rng.bool();
        self.restart_later(node, if is_quick { 20..200 } else { 20..5_000 });
        true
    }

    /// kill -9: the page cache stays, connections are reset.
    pub(crate) fn kill(&mut self, node: Node) -> bool {
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
            Node::Broker(index) => {
                self.undo_decay(index);
                end(
                    &mut self.brokers[index],
                    has_lost_power,
                    &mut self.fabric.rng,
                )
            }
            Node::Client(_) => None,
        }
    }

    pub(super) fn lose_power_of_several(&mut self) -> bool {
        let mut nodes = self.broker_nodes();
        self.fabric.rng.shuffle(&mut nodes);
        let count = self.fabric.rng.usize(2..=nodes.len());
        self.lose_power(&nodes[..count])
    }

    /// No connection is told; what was not synced is lost, as the disk draws it.
    pub(super) fn lose_power(&mut self, nodes: &[Node]) -> bool {
        let is_broker = |node: &Node| matches!(node, Node::Broker(_));
        if nodes.iter().any(is_broker) && self.is_a_disk_missing() {
            // Of a record's replicas one is lost for good already: no promise covers more.
            return false;
        }
        let mut lost = Vec::new();
        let mut was_any = false;
        for node in nodes {
            let (life, is_powered, _) = self.state_of(*node);
            if !is_powered {
                continue;
            }
            was_any = true;
            self.end_process(*node, true);
            self.fabric.counts.power_losses += 1;
            let streams = self.fabric.streams_of(*node, life);
            self.orphan(*node, streams);
            if let Node::Broker(index) = node {
                lost.push((*index, self.brokers[*index].fs.clone()));
            }
            let is_quick = self.fabric.rng.bool();
            self.restart_later(*node, if is_quick { 30..400 } else { 300..6_000 });
        }
        if !lost.is_empty() {
            self.fabric.counts.unsynced_tails += self.fabric.oracles.power_lost(&lost);
        }
        was_any
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
    site.has_disk_fault = false;
    was_running.then_some(site.life)
}
