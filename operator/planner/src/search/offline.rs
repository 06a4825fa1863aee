//! What must leave a broker leaves it: first the leadership, which copies nothing, then the data.

use crate::bands::Bands;
use crate::input::BrokerState;
use crate::load::Resource;
use crate::model::Seat;
use crate::profile::Goal;
use crate::state::WARMED;

use super::Search;
use super::destination::Replica;

/// Brokers that are compared for each replica.
const COMPARED: usize = 6;
/// Where more than this many leave for each broker that takes replicas, none is much to a broker.
const MANY: usize = 64;

/// What must leave.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leaving {
    /// Everything of these brokers.
    pub brokers: Vec<u16>,
    /// Of these brokers, until their disks hold no more than they may.
    pub disks: Vec<u16>,
}

impl Search<'_> {
    pub(super) fn evacuate(&mut self, leaving: &Leaving) {
        let hard = self.hard_bands();
        let disk = self.disk_band();
        // This is the first layer, and nothing comes to brokers that are left: they have what they had.
        let members = &self.state.model.members;
        let brokers = leaving.brokers.iter();
        let all = brokers
            .map(|broker| members[usize::from(*broker)].len())
            .sum();
        self.state.expect_changes(all);
        let compared = self.compared(all);
        for broker in &leaving.brokers {
            for some in members[usize::from(*broker)].chunks(WARMED) {
                self.state.warm(some.iter().copied());
                for partition in some {
                    if !self.may_do(2) {
                        return;
                    }
                    self.leave(*broker, *partition, [&hard, &disk], compared);
                }
            }
        }
    }

    /// How many brokers are compared for each of so many replicas. Where no broker is to have a least
    /// of anything, and what is uneven can be mended later, the first one in turn that may take a
    /// replica does: all then receive about as much, so that the copying is over soonest.
    fn compared(&self, leaving: usize) -> usize {
        let mut least = self.wished.low.iter().flatten();
        let any_will_do = self.permissions.balancing && least.all(|least| *least <= 0.0);
        if any_will_do && leaving > MANY * self.takers.len() {
            1
        } else {
            COMPARED
        }
    }

    fn leave(&mut self, broker: u16, partition: u32, [hard, disk]: [&Bands; 2], compared: usize) {
        let mut seat = self.state.seat(partition);
        if seat.leader_broker() == Some(broker)
            && let Some(to) = self.heir(partition, &seat, broker)
        {
            self.do_lead(partition, Some(broker), to);
            seat = self.state.seat(partition);
        }
        if !self.has_source(&seat) {
            return;
        }
        let racks = self.profile.has(Goal::RackAware);
        let leads = seat.leader_broker() == Some(broker);
        let vector = self.state.row(partition).replica(leads);
        let replica = Replica {
            partition,
            seat: &seat,
            from: broker,
            vector: &vector,
        };
        let levels = [
            (&self.wished, racks),
            (hard, racks),
            (hard, false),
            (disk, false),
        ];
        let found = levels
            .into_iter()
            .find_map(|(bands, racks)| self.destination(bands, racks, &replica, compared));
        if let Some((rotation, to)) = found {
            self.rotation = rotation;
            self.do_move(partition, broker, to);
        }
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
