//! The partitions that a plan has changed so far, in the order in which they first changed.
//!
//! Most looks are at partitions that have not changed: one bit each tells that, so that they all
//! fit a near cache. Where a change is, a table as long as the changes tells.

use crate::model::{Row, Seat};

/// Slots of a table without changes.
const SLOTS_LEAST: usize = 64;
/// Knuth's multiplier: 2^32 over the golden ratio.
const MULTIPLIER: u32 = 0x9E37_79B1;

/// A partition with its new place.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    /// What the model says of it: a copy, as the model's are far apart, and these are looked at one
    /// after the other, more than once.
    pub row: Row,
    pub partition: u32,
    pub seat: Seat,
}

impl Change {
    /// Replicas on brokers where the partition had none.
    pub fn moved_replicas(&self) -> usize {
        let replicas = self.seat.replicas().iter();
        let is_new = |broker: &&u16| self.row.seat.place_of(**broker).is_none();
        replicas.filter(is_new).count()
    }

    pub fn moves_leadership(&self) -> bool {
        self.row.seat.leader_broker() != self.seat.leader_broker()
    }

    /// Bytes that are copied.
    pub fn bytes(&self) -> f64 {
        self.moved_replicas() as f64 * self.row.bytes()
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Changes {
    list: Vec<Change>,
    /// One bit for each partition of the model.
    marks: Vec<u64>,
    /// Places in the list plus one, at the partition's hash or after it; 0 where there is none. A
    /// power of two, at least half of it empty.
    slots: Vec<u32>,
}

impl Changes {
    pub fn new(partitions: usize) -> Changes {
        Changes {
            list: Vec::new(),
            marks: vec![0; partitions.div_ceil(64)],
            slots: vec![0; SLOTS_LEAST],
        }
    }

    /// Makes room for so many more.
    pub fn reserve(&mut self, more: usize) {
        self.list.reserve(more);
        let slots = (2 * (self.list.len() + more)).next_power_of_two();
        if slots > self.slots.len() {
            self.rebuild(slots);
        }
    }

    pub fn as_slice(&self) -> &[Change] {
        &self.list
    }

    /// The new seats, each with the one before.
    pub fn seats_mut(&mut self) -> impl Iterator<Item = (&Seat, &mut Seat)> {
        let list = self.list.iter_mut();
        list.map(|change| (&change.row.seat, &mut change.seat))
    }

    #[inline]
    pub fn contains(&self, partition: u32) -> bool {
        self.marks[partition as usize / 64] >> (partition % 64) & 1 == 1
    }

    #[inline]
    pub fn get(&self, partition: u32) -> Option<&Seat> {
        if !self.contains(partition) {
            return None;
        }
        let place = self.slots[self.slot(partition)] as usize;
        let change = self.list.get(place.wrapping_sub(1))?;
        Some(&change.seat)
    }

    /// The new seat of a partition, which is that of its row until somebody changes it.
    pub fn get_mut_or(&mut self, partition: u32, row: &Row) -> &mut Seat {
        let place = if self.contains(partition) {
            self.slots[self.slot(partition)] as usize - 1
        } else {
            self.add(partition, row)
        };
        &mut self.list[place].seat
    }

    /// Adds a partition that is not there, and returns its place.
    fn add(&mut self, partition: u32, row: &Row) -> usize {
        let place = self.list.len();
        if 2 * (place + 1) > self.slots.len() {
            self.rebuild(2 * self.slots.len());
        }
        self.list.push(Change {
            row: row.clone(),
            partition,
            seat: row.seat,
        });
        self.enter(partition, place);
        self.marks[partition as usize / 64] |= 1 << (partition % 64);
        place
    }

    /// Enters the place of a partition that the table does not have: whose the slots are that are
    /// taken does not matter, and changes are far apart.
    fn enter(&mut self, partition: u32, place: usize) {
        let mut slot = self.first_slot(partition);
        while self.slots[slot] != 0 {
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        self.slots[slot] = place as u32 + 1;
    }

    /// Where a partition belongs, unless others have come before it.
    #[inline]
    fn first_slot(&self, partition: u32) -> usize {
        let bits = self.slots.len().trailing_zeros();
        (partition.wrapping_mul(MULTIPLIER) >> (u32::BITS - bits)) as usize
    }

    /// The slot of a partition, or an empty one where the table does not have it.
    #[inline]
    fn slot(&self, partition: u32) -> usize {
        let mut slot = self.first_slot(partition);
        loop {
            let place = self.slots[slot] as usize;
            if place == 0 || self.list[place - 1].partition == partition {
                return slot;
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }

    fn rebuild(&mut self, slots: usize) {
        self.slots = vec![0; slots];
        for place in 0..self.list.len() {
            self.enter(self.list[place].partition, place);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::MAX_REPLICATION_FACTOR;

    fn row(leader: u8) -> Row {
        Row {
            leader_load: [0.0; 4],
            follower_load: [0.0; 4],
            topic: 0,
            number: 0,
            seat: Seat {
                brokers: [0; MAX_REPLICATION_FACTOR],
                count: 1,
                leader,
            },
        }
    }

    #[test]
    fn what_was_changed_is_found_however_the_table_grows_and_the_rest_is_as_it_was() {
        const PARTITIONS: u32 = 100_000;
        let mut changes = Changes::new(PARTITIONS as usize);
        let mut expected: BTreeMap<u32, u8> = BTreeMap::new();
        let mut order = Vec::new();
        // Steps that share factors with the table's lengths put many partitions into few slots.
        let steps = [1, 64, 1_024, 4_099];
        for (round, step) in steps.into_iter().enumerate() {
            for place in 0..1_000 {
                let partition = place * step % PARTITIONS;
                let leader = (place % 3) as u8 + round as u8;
                changes.get_mut_or(partition, &row(9)).leader = leader;
                if expected.insert(partition, leader).is_none() {
                    order.push(partition);
                }
            }
        }
        for partition in 0..PARTITIONS {
            let found = changes.get(partition).map(|seat| seat.leader);
            assert_eq!(found, expected.get(&partition).copied(), "{partition}");
        }
        let listed: Vec<u32> = changes.as_slice().iter().map(|it| it.partition).collect();
        assert_eq!(listed, order);
        assert!(changes.as_slice().iter().all(|it| it.row.seat.leader == 9));
    }
}
