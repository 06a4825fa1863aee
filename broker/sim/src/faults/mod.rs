//! Faults, drawn one after the other, and what each does.

mod climate;
mod decay;
mod disk;
mod membership;
mod network;
mod power;
mod replacement;
mod rolling;

use std::time::Duration;

pub(crate) use climate::Climate;
use climate::Kind;
pub(crate) use decay::Decay;
pub(crate) use replacement::Replacement;

use crate::happening::{Happening, Input};
use crate::place::Node;
use crate::site::Standing;
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
    /// The split of this number ends, if it is the last one.
    EndSplit(u64),
    /// This life of a process ends, if it has not.
    Kill {
        node: Node,
        life: u64,
    },
    /// The operator asks for a generation again.
    AskGrant,
    /// The operator goes on with changing the quorum's members.
    ChangeMembers,
    /// The operator asks this controller, which was just elected, for the next change.
    AskNewLeader(usize),
    /// A rolling restart goes on with the first of these brokers.
    Roll {
        left: Vec<usize>,
        patience: u32,
    },
}

impl World {
    pub(crate) fn fault(&mut self, fault: Fault) {
        match fault {
            Fault::Next => self.next_fault(),
            Fault::Restart(node) => self.start(node),
            Fault::Thaw { node, life } => self.thaw(node, life),
            Fault::Heal(ways) => self.heal(&ways),
            Fault::EndSplit(number) => self.end_split(number),
            Fault::Kill { node, life } => {
                let (now, _, is_running) = self.state_of(node);
                if now == life && is_running {
                    self.kill(node);
                    self.restart_later(node, 50..2_000);
                }
            }
            Fault::AskGrant => self.ask_grant(),
            Fault::ChangeMembers => self.change_members(),
            Fault::AskNewLeader(index) => self.ask_new_leader(index),
            Fault::Roll { left, patience } => self.roll(left, patience),
        }
    }

    /// The machines of all brokers.
    pub(crate) fn broker_nodes(&self) -> Vec<Node> {
        let machines = self.fabric.machines.iter();
        machines.map(|machine| Node::Broker(*machine)).collect()
    }

    fn next_fault(&mut self) {
        if !self.is_troubled {
            return;
        }
        let pause = Duration::from_millis(self.fabric.rng.u64(50..2_500));
        self.fabric.after(pause, Happening::Fault(Fault::Next));
        let machines = &self.fabric.machines;
        let machine = machines[self.fabric.rng.usize(..machines.len())];
        let broker = Node::Broker(machine);
        let in_force = |index: &usize| self.controllers[*index].standing == Standing::InForce;
        let voters: Vec<usize> = (0..self.controllers.len()).filter(in_force).collect();
        let index = voters[self.fabric.rng.usize(..voters.len())];
        let controller = Node::Controller(index);
        let any = if self.fabric.rng.u8(..3) == 0 {
            controller
        } else {
            broker
        };
        let kind = self.scenario.climate.next(&mut self.fabric.rng);
        let has_effect = match kind {
            Kind::KillBroker => self.kill_and_restart(broker),
            Kind::KillController => self.kill_and_restart(controller),
            Kind::PowerOfBroker => self.lose_power(&[broker]),
            Kind::PowerOfController => self.lose_power(&[controller]),
            Kind::PowerOfSeveral => self.lose_power_of_several(),
            Kind::Freeze => self.freeze(any),
            Kind::Cut => self.cut(any),
            Kind::Stop => self.terminate(any),
            Kind::Roll => self.begin_roll(),
            Kind::Reset => self.reset_some(),
            Kind::TornWrite => self.tear_a_write(any),
            Kind::DiskError => self.fail_the_disk(any),
            Kind::FlippedBit => self.flip_a_bit(machine),
            Kind::DiskLoss => self.lose_disk(machine),
            Kind::Takeover => self.take_over(machine),
            Kind::Stray => self.start_stray(machine),
            Kind::ResizeQuorum => self.resize_quorum(),
            Kind::ControllerDiskLoss => self.lose_controllers_disk(index),
        };
        self.fabric.counts.faults += u64::from(has_effect);
    }

    /// A controller that takes itself for the active one and can be asked.
    pub(super) fn active_controller(&self) -> Option<usize> {
        self.controllers.iter().position(|site| {
            let process = site.process.as_ref();
            !site.is_frozen() && process.is_some_and(|process| process.node().is_active())
        })
    }

    pub(crate) fn restart_later(&mut self, node: Node, millis: std::ops::Range<u64>) {
        let delay = Duration::from_millis(self.fabric.rng.u64(millis));
        self.fabric
            .after(delay, Happening::Fault(Fault::Restart(node)));
    }

    pub(super) fn terminate(&mut self, node: Node) -> bool {
        let (life, _, is_running) = self.state_of(node);
        if !is_running {
            return false;
        }
        self.fabric.counts.stops += 1;
        self.fabric
            .arrive(Duration::ZERO, node, life, Input::Terminate);
        if let Node::Controller(_) = node {
            let delay = Duration::from_millis(self.fabric.rng.u64(50..500));
            self.fabric
                .after(delay, Happening::Fault(Fault::Kill { node, life }));
        }
        true
    }

    /// The end of all faults: everything is repaired.
    pub(crate) fn calm_down(&mut self) {
        self.is_troubled = false;
        self.fabric.network.weather = crate::network::Weather::CALM;
        self.split.0.clear();
        for (from, to) in self.fabric.network.heal_all() {
            self.fabric.unstall(from, to);
        }
        let controllers = (0..self.controllers.len()).map(Node::Controller);
        let brokers = (0..self.brokers.len()).map(Node::Broker);
        for node in controllers.chain(brokers).collect::<Vec<_>>() {
            let (life, _, is_running) = self.state_of(node);
            let is_in_force = match node {
                Node::Broker(index) => self.brokers[index].standing == Standing::InForce,
                Node::Controller(index) => self.controllers[index].standing == Standing::InForce,
                Node::Client(_) => false,
            };
            self.forget_disk_faults(node);
            if is_running {
                self.thaw(node, life);
            } else if is_in_force {
                self.start(node);
            }
        }
    }
}
