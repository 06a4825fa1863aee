//! What must leave a broker leaves it: first the leadership, which copies nothing, then the data.

use crate::bands::Bands;
use crate::input::BrokerState;
use crate::load::Resource;
use crate::model::Seat;
use crate::profile::Goal;

use super::Search;

/// Brokers that are compared for each replica: there are many replicas, and what one choice
/// misses the next one fills.
const COMPARED: usize = 6;

/// What must leave.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leaving {
    /// Everything of these brokers.
    pub brokers: Vec<u16>,
    /// These partitions' replicas of one broker.
    pub replicas: Vec<(u16, u32)>,
}

impl Search<'_> {
    pub(super) fn evacuate(&mut self, leaving: &Leaving) {
        let hard = self.hard_bands();
        let disk = self.disk_band();
        let mut all: Vec<(u16, u32)> = leaving.replicas.clone();
        for broker in &leaving.brokers {
            all.extend(
                self.state
                    .members(*broker)
                    .map(|partition| (*broker, partition)),
            );
        }
        let racks_bound = self.racks_bind;
        for (broker, partition) in all {
            if self.moves_left < 2 {
                break;
            }
            self.leave(broker, partition, &hard, &disk);
        }
        self.racks_bind = racks_bound;
    }

    fn leave(&mut self, broker: u16, partition: u32, hard: &Bands, disk: &Bands) {
        let seat = self.state.seat(partition);
        if seat.leader_broker() == Some(broker)
            && let Some(to) = self.heir(partition, &seat, broker)
        {
            self.do_lead(partition, Some(broker), to);
        }
        let seat = self.state.seat(partition);
        if !self.has_source(&seat) {
            return;
        }
        let racks = self.profile.has(Goal::RackAware);
        self.racks_bind = racks;
        let wished = std::mem::replace(&mut self.wished, Bands::open(0));
        let levels = [
            (&wished, racks),
            (hard, racks),
            (hard, false),
            (disk, false),
        ];
        let leads = seat.leader_broker() == Some(broker);
        let vector = self.state.row(partition).replica(leads);
        let mut found = None;
        for (level, racks) in levels {
            self.racks_bind = racks;
            found = self.destination_within(level, partition, &seat, broker, &vector);
            if found.is_some() {
                break;
            }
        }
        self.wished = wished;
        if let Some(to) = found {
            self.do_move(partition, broker, to);
        }
    }

    fn destination_within(
        &mut self,
        bands: &Bands,
        partition: u32,
        seat: &Seat,
        from: u16,
        vector: &crate::dims::Vector,
    ) -> Option<u16> {
        let leads = seat.leader_broker() == Some(from);
        let count = self.takers.len();
        let mut best: Option<(f64, u16)> = None;
        let mut seen = 0;
        let first = self.rotation;
        for step in 0..count {
            let to = self.takers[(first + step) % count];
            if leads && !self.permissions.leads[usize::from(to)]
                || !self.may_gain(bands, to, vector)
                || !self.obeys_places(partition, seat, from, to)
            {
                continue;
            }
            let at = usize::from(to);
            let rise = super::fullness(
                &std::array::from_fn(|dim| self.state.sums[at][dim] + vector[dim]),
                &self.scale[at],
            ) - self.fullness[at];
            if best.is_none_or(|(least, _)| rise < least) {
                best = Some((rise, to));
            }
            seen += 1;
            self.rotation = (first + step + 1) % count;
            if seen == COMPARED {
                break;
            }
        }
        best.map(|(_, to)| to)
    }

    /// Who leads next when a broker must give a leadership up: a serving follower, the one that
    /// it burdens least.
    fn heir(&self, partition: u32, seat: &Seat, from: u16) -> Option<u16> {
        let vector = self.state.row(partition).leadership();
        let serving = |to: &u16| *to != from && !self.state.states[usize::from(*to)].must_empty();
        let heirs = seat.replicas().iter().copied().filter(serving);
        heirs
            .map(|to| {
                (
                    !self.permissions.leads[usize::from(to)],
                    self.rise(to, &vector),
                    to,
                )
            })
            .min_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)))
            .map(|(_, _, to)| to)
    }

    /// Whether a replica can be copied: its partition has a leader that serves.
    pub(super) fn has_source(&self, seat: &Seat) -> bool {
        let states = &self.state.states;
        seat.leader_broker()
            .is_some_and(|leader| states[usize::from(leader)] != BrokerState::Dead)
    }

    /// Bands of the hard goals alone.
    pub(super) fn hard_bands(&self) -> Bands {
        let mut bands = Bands::open(self.state.model.brokers.len());
        let goals = self.profile.layers().iter().flatten();
        for goal in goals.filter(|goal| goal.is_hard()) {
            bands.narrow(*goal, self.profile.thresholds(), &self.state);
        }
        bands
    }

    fn disk_band(&self) -> Bands {
        let mut bands = Bands::open(self.state.model.brokers.len());
        let goal = Goal::Capacity(Resource::Disk);
        bands.narrow(goal, self.profile.thresholds(), &self.state);
        bands
    }
}
