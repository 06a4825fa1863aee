//! What changes between two plans: loads, places, states of brokers.

use std::hint::black_box;

use crate::dims;
use crate::error::InputError;
use crate::input::{BrokerState, LoadUpdate, PartitionId};
use crate::plan::Plan;
use crate::state::WARMED;

use super::build::{check_load, row_load};
use super::{Model, Seat};

impl Model {
    /// Takes new loads of some partitions. All or none: after an error nothing has changed.
    ///
    /// # Errors
    /// A partition that the model does not have, a number that is no load.
    pub fn update_loads(&mut self, updates: &[LoadUpdate]) -> Result<(), InputError> {
        for (place, update) in updates.iter().enumerate() {
            self.check_partition_id(update.partition, || format!("updates[{place}].partition"))?;
            check_load(&update.leader_load, || {
                format!("updates[{place}].leader_load")
            })?;
            check_load(&update.follower_load, || {
                format!("updates[{place}].follower_load")
            })?;
        }
        for some in updates.chunks(WARMED) {
            // The rows are read first, so that the misses of the cache do not wait for each other.
            for update in some {
                black_box(self.rows[update.partition.0 as usize].topic);
            }
            for update in some {
                self.update_load(update);
            }
        }
        Ok(())
    }

    fn update_load(&mut self, update: &LoadUpdate) {
        let row = &mut self.rows[update.partition.0 as usize];
        let leader = row_load(&update.leader_load);
        let follower = row_load(&update.follower_load);
        self.tally.reload(row, &leader, &follower);
        let more = [false, true].map(|leads| {
            let new = dims::replica(&leader, &follower, leads);
            dims::minus(&new, &row.replica(leads))
        });
        for (place, broker) in row.seat.replicas().iter().enumerate() {
            let leads = place == usize::from(row.seat.leader);
            let sums = &mut self.sums[usize::from(*broker)];
            dims::add(sums, &more[usize::from(leads)], 1.0);
        }
        row.leader_load = leader;
        row.follower_load = follower;
    }

    /// Takes a partition's new place.
    ///
    /// # Errors
    /// As [`Model::build`] for a partition.
    pub fn update_assignment(
        &mut self,
        partition: PartitionId,
        replicas: &[i32],
        leader: Option<i32>,
    ) -> Result<(), InputError> {
        self.check_partition_id(partition, || "partition".to_owned())?;
        let seat = self.check_seat(replicas, leader, &|field| field.to_owned())?;
        self.reseat(partition.0, seat);
        Ok(())
    }

    /// Takes a broker's new state.
    ///
    /// # Errors
    /// A broker that the model does not have.
    pub fn update_broker(&mut self, id: i32, state: BrokerState) -> Result<(), InputError> {
        let Some(broker) = self.index_of.get(&id) else {
            return Err(InputError::UnknownBroker {
                field: "broker".to_owned(),
                id,
            });
        };
        self.brokers[usize::from(*broker)].state = state;
        self.tally.set_state(usize::from(*broker), state);
        Ok(())
    }

    /// The cluster as it is once a plan is carried out.
    ///
    /// # Errors
    /// A plan of another model.
    pub fn apply(&mut self, plan: &Plan) -> Result<(), InputError> {
        for change in &plan.changes {
            self.update_assignment(
                change.partition,
                &change.replicas_after,
                change.leader_after,
            )?;
        }
        Ok(())
    }

    fn reseat(&mut self, partition: u32, seat: Seat) {
        let row = &mut self.rows[partition as usize];
        let old = row.seat;
        self.tally.remove_partition(row);
        for (place, broker) in old.replicas().iter().enumerate() {
            let at = usize::from(*broker);
            dims::add(
                &mut self.sums[at],
                &row.replica(place == usize::from(old.leader)),
                -1.0,
            );
            self.topic_replicas[row.topic as usize * self.brokers.len() + at] -= 1;
            if seat.place_of(*broker).is_none()
                && let Some(place) = self.members[at].iter().position(|p| *p == partition)
            {
                self.members[at].swap_remove(place);
            }
        }
        row.seat = seat;
        for (place, broker) in seat.replicas().iter().enumerate() {
            let at = usize::from(*broker);
            dims::add(
                &mut self.sums[at],
                &row.replica(place == usize::from(seat.leader)),
                1.0,
            );
            self.topic_replicas[row.topic as usize * self.brokers.len() + at] += 1;
            if old.place_of(*broker).is_none() {
                self.members[at].push(partition);
            }
        }
        let topic = &mut self.topics[row.topic as usize];
        topic.replicas = topic.replicas - u32::from(old.count) + u32::from(seat.count);
        self.tally.add_partition(row);
        if self.has_rack_conflict(&seat) {
            self.rack_conflicts.insert(partition);
        } else {
            self.rack_conflicts.remove(&partition);
        }
    }

    fn check_partition_id(
        &self,
        partition: PartitionId,
        field: impl Fn() -> String,
    ) -> Result<(), InputError> {
        if (partition.0 as usize) < self.rows.len() {
            return Ok(());
        }
        let partitions = self.rows.len();
        Err(InputError::UnknownPartition {
            field: field(),
            partition: partition.0,
            partitions,
        })
    }
}
