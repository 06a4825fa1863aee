//! Which broker may take a replica, and which should.

use crate::bands::Bands;
use crate::dims::{DIMS, Vector};
use crate::model::Seat;

use super::{Search, fullness};

/// What a broker that is short of something is worth beside one that is not.
const NEED: f64 = 2.0;

/// Whether a sum that changes stays in its band, or at least does not get further out of it.
#[inline]
fn stays(before: f64, after: f64, low: f64, high: f64) -> bool {
    (after <= high || after <= before) && (after >= low || after >= before)
}

#[inline]
fn all_stay(sums: &Vector, vector: &Vector, sign: f64, low: &Vector, high: &Vector) -> bool {
    let mut fine = true;
    for dim in 0..DIMS {
        let after = sums[dim] + sign * vector[dim];
        fine &= stays(sums[dim], after, low[dim], high[dim]);
    }
    fine
}

/// A replica that looks for a place.
#[derive(Clone, Copy)]
pub(super) struct Replica<'a> {
    pub partition: u32,
    pub seat: &'a Seat,
    pub from: u16,
    pub vector: &'a Vector,
}

impl Search<'_> {
    #[inline]
    pub(super) fn may_gain(&self, bands: &Bands, broker: u16, vector: &Vector) -> bool {
        let at = usize::from(broker);
        all_stay(
            &self.state.sums[at],
            vector,
            1.0,
            &bands.low[at],
            &bands.high[at],
        )
    }

    #[inline]
    pub(super) fn may_lose(&self, bands: &Bands, broker: u16, vector: &Vector) -> bool {
        let at = usize::from(broker);
        all_stay(
            &self.state.sums[at],
            vector,
            -1.0,
            &bands.low[at],
            &bands.high[at],
        )
    }

    /// Whether a vector may go from one broker to another, in the bands that bind now.
    #[inline]
    pub(super) fn may_shift(&self, from: u16, to: u16, vector: &Vector) -> bool {
        self.may_lose(&self.allowed, from, vector) && self.may_gain(&self.allowed, to, vector)
    }

    /// Whether a broker is on a rack that no other replica of the partition is on, or racks do
    /// not bind yet.
    #[inline]
    pub(super) fn rack_is_free(&self, seat: &Seat, from: u16, to: u16) -> bool {
        let brokers = &self.state.model.brokers;
        let rack = brokers[usize::from(to)].rack;
        seat.replicas()
            .iter()
            .all(|other| *other == from || brokers[usize::from(*other)].rack != rack)
    }

    /// Whether the move of a replica obeys the goals of racks and topics that bind now.
    pub(super) fn obeys_places(&self, partition: u32, seat: &Seat, from: u16, to: u16) -> bool {
        self.obeys(self.racks_bind, partition, seat, from, to)
    }

    fn obeys(&self, racks: bool, partition: u32, seat: &Seat, from: u16, to: u16) -> bool {
        if seat.place_of(to).is_some() || racks && !self.rack_is_free(seat, from, to) {
            return false;
        }
        let row = self.state.row(partition);
        if self.topics_bind {
            let (low, high) = self.topic_bands[row.topic as usize];
            if self.state.topic_count(row.topic, to) >= high
                || self.state.topic_count(row.topic, from) <= low
            {
                return false;
            }
        }
        seat.leader_broker() != Some(from) || self.may_unlead(row.topic, from)
    }

    /// Whether a replica may be moved for the sake of balance.
    pub(super) fn is_movable(&self, partition: u32, from: u16) -> bool {
        self.permissions.gives[usize::from(from)]
            && !self.state.model.topics[self.state.row(partition).topic as usize].excluded
    }

    /// The best destination in the bands that bind now, of all brokers.
    pub(super) fn best_destination(
        &self,
        partition: u32,
        seat: &Seat,
        from: u16,
        vector: &Vector,
    ) -> Option<u16> {
        if !self.may_lose(&self.allowed, from, vector) {
            return None;
        }
        let replica = Replica {
            partition,
            seat,
            from,
            vector,
        };
        self.destination(&self.allowed, self.racks_bind, &replica, usize::MAX)
            .map(|(_, to)| to)
    }

    /// The broker whose fullness rises least, of those that may take a replica; at most `enough`
    /// of them are compared. With it, where to look first for the next replica.
    pub(super) fn destination(
        &self,
        bands: &Bands,
        racks: bool,
        replica: &Replica<'_>,
        enough: usize,
    ) -> Option<(usize, u16)> {
        let Replica {
            partition,
            seat,
            from,
            vector,
        } = *replica;
        let leads = seat.leader_broker() == Some(from);
        let count = self.takers.len();
        let mut best: Option<(f64, u16)> = None;
        let (mut seen, mut step) = (0, 0);
        while step < count && seen < enough {
            let to = self.takers[(self.rotation + step) % count];
            step += 1;
            if leads && !self.permissions.leads[usize::from(to)]
                || !self.may_gain(bands, to, vector)
                || !self.obeys(racks, partition, seat, from, to)
            {
                continue;
            }
            if enough == 1 {
                return Some(((self.rotation + step) % count, to));
            }
            let rise = self.rise(to, vector);
            if best.is_none_or(|(least, _)| rise < least) {
                best = Some((rise, to));
            }
            seen += 1;
        }
        best.map(|(_, to)| ((self.rotation + step) % count.max(1), to))
    }

    /// By how much a vector makes a broker fuller, less what it was short of.
    #[inline]
    pub(super) fn rise(&self, broker: u16, vector: &Vector) -> f64 {
        let at = usize::from(broker);
        let (sums, low) = (&self.state.sums[at], &self.wished.low[at]);
        let after: Vector = std::array::from_fn(|dim| sums[dim] + vector[dim]);
        let mut rise = fullness(&after, &self.scale[at]) - self.fullness[at];
        for dim in 0..DIMS {
            if sums[dim] < low[dim] {
                let filled = after[dim].min(low[dim]) - sums[dim];
                rise -= NEED * filled * self.scale[at][dim];
            }
        }
        rise
    }
}
