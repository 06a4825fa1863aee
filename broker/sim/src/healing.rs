//! After the last fault everything heals, within a bounded time and with nobody's help.
//!
//! Source: promise 2 of design.md.

use kintsugi_metadata::{Image, PartitionState};
use kintsugi_types::PartitionId;

use crate::place::{broker_id, machine_of};
use crate::site::Standing;
use crate::world::World;

impl World {
    /// Everything is as it should be, or what is not yet.
    pub(crate) fn check_healed(&mut self) -> Result<(), String> {
        if !self.is_decay_mended() {
            return Err("a batch that a disk changed is not mended".to_owned());
        }
        let mut controllers = self.controllers.iter().filter_map(|c| c.process.as_ref());
        let active = controllers.find(|process| process.node().is_active());
        let Some(active) = active else {
            return Err("no controller is active".to_owned());
        };
        let image = active.node().image();
        for process in self.controllers.iter().filter_map(|c| c.process.as_ref()) {
            if process.node().image().offset != image.offset {
                return Err("a controller lags".to_owned());
            }
        }
        if !self.is_quorum_settled() {
            return Err(format!(
                "the quorum's members are not {:?} yet",
                self.members_wanted
            ));
        }
        if let Some(replacement) = self.replacement {
            return Err(format!(
                "broker {} is not replaced yet, the last answer was: {}",
                replacement.broker, self.last_answer
            ));
        }
        self.check_brokers(image)?;
        if image.topics.len() < self.scenario.topics {
            return Err("a topic is not created".to_owned());
        }
        for (partition, state) in image.partitions() {
            self.check_partition(image, partition, state)?;
        }
        let waiting = self.clients.iter().find(|client| !client.is_content());
        match waiting {
            Some(client) => Err(client.is_waiting_for()),
            None => self.check_consumers(),
        }
    }

    fn check_brokers(&self, image: &Image) -> Result<(), String> {
        for (index, site) in self.brokers.iter().enumerate() {
            if site.standing != Standing::InForce {
                if site.is_running() {
                    return Err(format!(
                        "machine {index} still runs, though it was replaced"
                    ));
                }
                continue;
            }
            let broker = image.brokers.get(&broker_id(index));
            let is_well = broker.is_some_and(|broker| !broker.fenced && !broker.stopping);
            let process = site.process.as_ref();
            if !is_well || !process.is_some_and(|process| process.control().is_ready()) {
                return Err(format!("broker {index} is not unfenced and ready"));
            }
            let offset = process.map(|process| process.control().image().offset);
            if offset != Some(image.offset) {
                return Err(format!("broker {index} lags in metadata"));
            }
        }
        Ok(())
    }

    fn check_partition(
        &self,
        image: &Image,
        id: PartitionId,
        state: &PartitionState,
    ) -> Result<(), String> {
        let Some(leader) = state.leader else {
            return Err(format!("nobody leads {id}: {state:?}"));
        };
        if state.reassignment.is_some() {
            return Err(format!("{id} still moves: {state:?}"));
        }
        if state.isr.len() < state.replicas.len() {
            return Err(format!("{id} has not all replicas in sync: {state:?}"));
        }
        let end = |broker| {
            let log = self
                .fabric
                .oracles
                .mirrors
                .of(machine_of(image, broker), id);
            log.last().map(|batch| batch.chain)
        };
        let lags = |broker: &&kintsugi_types::BrokerId| end(**broker) != end(leader);
        match state.replicas.iter().find(lags) {
            Some(broker) => Err(format!("broker {broker} has not all of {id}")),
            None => Ok(()),
        }
    }

    fn check_consumers(&self) -> Result<(), String> {
        for client in &self.clients {
            let Some((partition, offset)) = client.position() else {
                continue;
            };
            let end = partition.map(|id| self.fabric.oracles.committed.end(id));
            if end != Some(offset) {
                return Err(format!(
                    "a consumer of {partition:?} stands at {offset}, the end is {end:?}"
                ));
            }
        }
        Ok(())
    }

    /// Each partition with its leader and its replicas.
    pub(crate) fn placements(&self) -> Vec<(PartitionId, usize, Vec<usize>)> {
        let Some(image) = self.fabric.oracles.images.newest() else {
            return Vec::new();
        };
        let placement = |(id, state): (PartitionId, &std::sync::Arc<PartitionState>)| {
            let replicas = state.replicas.iter().map(|id| machine_of(image, *id));
            Some((id, machine_of(image, state.leader?), replicas.collect()))
        };
        image.partitions().filter_map(placement).collect()
    }
}
