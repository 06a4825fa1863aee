//! Disks lost whole, and the operator that replaces their brokers: it asks for the next generation
//! and starts the broker on an empty disk once that is granted.

use std::time::Duration;

use kintsugi_metadata::{Image, PartitionState};
use kintsugi_node::message::link::{AdminAnswer, AdminRequest, GenerationRefused};
use kintsugi_types::{BrokerId, Generation};

use super::Fault;
use crate::happening::{Happening, Input};
use crate::place::{Node, broker_id, machine_of, next_machine, stray_machines};
use crate::site::{ANY_LIFE, Standing};
use crate::world::World;

/// A broker that is being replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Replacement {
    /// Counts replacements: late answers about an earlier one say nothing about this one.
    number: u64,
    pub(crate) broker: BrokerId,
    /// Its old machine runs on, with its disk.
    pub(crate) is_intact: bool,
}

impl World {
    /// A broker's disk is gone and not replaced yet.
    pub(super) fn is_a_disk_missing(&self) -> bool {
        self.replacement.is_some()
    }

    /// A disk is gone whose broker may have held the last copy of a partition, since the others
    /// left its ELR when they were started anew: no generation is granted, and a person has to
    /// elect one of them. It is counted, and the run ends unhealed.
    pub(crate) fn is_beyond_repair(&self) -> bool {
        let is_gone = self
            .replacement
            .is_some_and(|replacement| !replacement.is_intact);
        is_gone && self.is_last_copy
    }

    /// Whether the operator has asked for the next generation of this machine's broker: it may be
    /// granted before the operator hears of it.
    pub(super) fn is_being_replaced(&self, node: Node) -> bool {
        match (node, self.replacement) {
            (Node::Broker(index), Some(replacement)) => broker_id(index) == replacement.broker,
            _ => false,
        }
    }

    /// Whether every partition of this broker is surely whole elsewhere.
    fn is_whole_elsewhere(&self, machine: usize) -> bool {
        let Some(image) = self.fabric.oracles.images.newest() else {
            return false;
        };
        let id = broker_id(machine);
        let is_whole = |state: &PartitionState| {
            let mut sure = state.isr.iter().chain(&state.elr);
            !state.replicas.contains(&id)
                || sure.any(|other| *other != id && self.is_at_home(image, *other))
        };
        image.partitions().all(|(_, state)| is_whole(state))
    }

    /// Whether a broker runs as the incarnation that is registered: what ISR and ELR say of it is
    /// true.
    fn is_at_home(&self, image: &Image, id: BrokerId) -> bool {
        let process = self.brokers[machine_of(image, id)].process.as_ref();
        let known = image.brokers.get(&id);
        process.is_some_and(|process| {
            known.is_some_and(|known| known.registration.incarnation == process.incarnation())
        })
    }

    /// The whole disk of a broker is lost, with its machine.
    pub(super) fn lose_disk(&mut self, machine: usize) -> bool {
        let node = Node::Broker(machine);
        let may = self.replacement.is_none()
            && next_machine(machine).is_some()
            && self.is_whole_elsewhere(machine);
        if !may {
            return false;
        }
        self.kill(node);
        self.fabric.counts.disk_losses += 1;
        self.fabric.oracles.disk_lost(machine);
        let site = &mut self.brokers[machine];
        site.is_powered = self.fabric.rng.bool();
        site.standing = Standing::Replaced;
        site.fs = kintsugi_storage::MemoryFileSystem::new(0);
        self.begin_replacement(machine, false);
        true
    }

    /// A broker is cut off for long, and its operator takes it for lost.
    pub(super) fn take_over(&mut self, machine: usize) -> bool {
        let (_, _, is_running) = self.state_of(Node::Broker(machine));
        let may = self.replacement.is_none()
            && is_running
            && next_machine(machine).is_some()
            && self.is_whole_elsewhere(machine);
        if !may {
            return false;
        }
        self.cut_off(Node::Broker(machine), 3_000..12_000);
        self.begin_replacement(machine, true);
        true
    }

    fn begin_replacement(&mut self, machine: usize, is_intact: bool) {
        let broker = broker_id(machine);
        self.replacements += 1;
        self.replacement = Some(Replacement {
            number: self.replacements,
            broker,
            is_intact,
        });
        self.ask_again();
    }

    fn ask_again(&mut self) {
        let delay = Duration::from_millis(self.fabric.rng.u64(200..800));
        self.fabric.after(delay, Happening::Fault(Fault::AskGrant));
    }

    /// Asks whoever takes itself for the active controller.
    pub(super) fn ask_grant(&mut self) {
        let Some(replacement) = self.replacement else {
            return;
        };
        self.ask_again();
        let Some(index) = self.active_controller() else {
            return;
        };
        let request = AdminRequest::GrantGeneration {
            broker: replacement.broker,
            generation: self.next_generation(replacement.broker),
        };
        let input = Input::Operator(replacement.number, request);
        self.arrive(Node::Controller(index), ANY_LIFE, input);
    }

    fn machine_in_force(&self, broker: BrokerId) -> usize {
        let index = usize::try_from(broker.0).unwrap_or(0);
        self.fabric.machines[index]
    }

    fn next_generation(&self, broker: BrokerId) -> Generation {
        let machine = self.machine_in_force(broker);
        Generation(self.brokers[machine].generation.0 + 1)
    }

    /// What controllers answered to the operator.
    pub(crate) fn read_operator_mail(&mut self) {
        for (number, answer) in std::mem::take(&mut self.fabric.operator_mail) {
            let (Some(replacement), AdminAnswer::Generation(result)) = (self.replacement, answer)
            else {
                continue;
            };
            if number != replacement.number {
                continue;
            }
            let asked = self.next_generation(replacement.broker);
            self.last_answer = format!("{result:?}");
            self.is_last_copy = matches!(result, Err(GenerationRefused::LastCopy { .. }));
            if let Err(GenerationRefused::LastCopy { example, .. }) = &result {
                let images = &self.fabric.oracles.images;
                self.last_answer = images.with_history(self.last_answer.clone(), *example);
            }
            match result {
                Ok(granted) if granted == asked => self.replace(replacement),
                Err(GenerationRefused::WrongGeneration(highest)) if highest == asked => {
                    self.replace(replacement);
                }
                // It is back, and not lost after all.
                Err(GenerationRefused::BrokerIsLive(_))
                    if replacement.is_intact && !self.is_cut_off(replacement.broker) =>
                {
                    self.replacement = None;
                }
                _ => {}
            }
        }
    }

    /// Whether a broker's next generation is granted already: a request that nobody answered may be
    /// decided after the operator has given the replacement up, and then the broker ends itself.
    pub(super) fn is_given_up(&self, node: Node) -> bool {
        let Node::Broker(machine) = node else {
            return false;
        };
        let image = self.fabric.oracles.images.newest();
        let granted = image.and_then(|image| image.generations.get(&broker_id(machine)));
        granted.is_some_and(|granted| *granted > self.brokers[machine].generation)
    }

    /// It is replaced after all, or once nobody else is.
    pub(super) fn replace_given_up(&mut self, node: Node) {
        self.kill(node);
        match node {
            Node::Broker(machine) if self.replacement.is_none() => {
                self.begin_replacement(machine, false);
            }
            _ => self.restart_later(node, 200..2_000),
        }
    }

    fn is_cut_off(&self, broker: BrokerId) -> bool {
        let node = Node::Broker(self.machine_in_force(broker));
        (0..self.controllers.len())
            .any(|index| self.fabric.network.is_cut(node, Node::Controller(index)))
    }

    /// The next generation may register: its machine is started.
    fn replace(&mut self, replacement: Replacement) {
        let old = self.machine_in_force(replacement.broker);
        let generation = self.next_generation(replacement.broker);
        let Some(new) = next_machine(old) else {
            return;
        };
        self.replacement = None;
        self.fabric.counts.generations_granted += 1;
        self.fabric.oracles.given_up(old);
        self.brokers[old].standing = Standing::Replaced;
        let index = usize::try_from(replacement.broker.0).unwrap_or(0);
        self.fabric.machines[index] = new;
        let site = &mut self.brokers[new];
        site.standing = Standing::InForce;
        site.generation = generation;
        self.restart_later(Node::Broker(new), 50..2_000);
    }

    /// A broker is started a second time elsewhere, as if two objects claimed its id.
    pub(super) fn start_stray(&mut self, machine: usize) -> bool {
        let is_free = |stray: &usize| self.brokers[*stray].standing == Standing::Unused;
        let Some(stray) = stray_machines(broker_id(machine)).find(is_free) else {
            return false;
        };
        // Of two that were never registered, either may be first.
        let image = self.fabric.oracles.images.newest();
        if !image.is_some_and(|image| {
            machine_of(image, broker_id(machine)) == machine
                && self.is_at_home(image, broker_id(machine))
        }) {
            return false;
        }
        self.brokers[stray].standing = Standing::Stray;
        self.brokers[stray].generation = self.brokers[machine].generation;
        self.fabric.counts.strays += 1;
        self.start(Node::Broker(stray));
        true
    }

    /// A machine is of no use any more.
    pub(super) fn retire(&mut self, node: Node) {
        if let Node::Broker(index) = node {
            self.fabric.oracles.given_up(index);
            self.brokers[index].standing = Standing::Replaced;
        }
    }
}
