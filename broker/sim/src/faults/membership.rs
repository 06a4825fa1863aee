//! The quorum's members change: it grows to five and shrinks to three, and a voter whose disk is
//! lost is removed and added again with its new directory, as the operator does.

use std::time::Duration;

use kintsugi_quorum::{MemberChange, Membership, Role};
use kintsugi_storage::MemoryFileSystem;
use kintsugi_types::{ControllerId, Generation};

use super::Fault;
use crate::happening::{Happening, Input};
use crate::place::{CONTROLLERS, Node, controller_id, controller_index};
use crate::site::{ANY_LIFE, Site, Standing};
use crate::world::World;

/// How many voters there are when it has not grown.
const USUAL: usize = 3;

impl World {
    /// Whether the quorum is as it is meant to be.
    pub(crate) fn is_quorum_settled(&self) -> bool {
        self.members_wanted.is_none()
    }

    /// Whether a controller is being removed from the quorum.
    pub(super) fn is_leaving(&self, node: Node) -> bool {
        let wanted = self.members_wanted.as_ref();
        match node {
            Node::Controller(index) => wanted.is_some_and(|wanted| !wanted.contains(&index)),
            _ => false,
        }
    }

    /// The quorum grows, or shrinks.
    pub(super) fn resize_quorum(&mut self) -> bool {
        if !self.is_quorum_settled() {
            return false;
        }
        let in_force = |site: &&Site<_>| site.standing == Standing::InForce;
        let present = self.controllers.iter().filter(in_force).count();
        self.want_so_many(if present <= USUAL { CONTROLLERS } else { USUAL });
        true
    }

    /// Any `count` controllers; the first ones, if it is as many as there may be.
    fn want_so_many(&mut self, count: usize) {
        let mut wanted: Vec<usize> = (0..self.controllers.len()).collect();
        if count < CONTROLLERS {
            self.fabric.rng.shuffle(&mut wanted);
        }
        wanted.truncate(count);
        self.want(wanted);
    }

    /// A controller's disk is lost; it comes back on an empty one, of the next generation.
    pub(super) fn lose_controllers_disk(&mut self, index: usize) -> bool {
        if !self.is_quorum_settled() || self.controllers[index].standing != Standing::InForce {
            return false;
        }
        let in_force = |index: &usize| self.controllers[*index].standing == Standing::InForce;
        let wanted: Vec<usize> = (0..self.controllers.len()).filter(in_force).collect();
        self.fabric.counts.disk_losses += 1;
        self.wipe(index);
        self.restart_later(Node::Controller(index), 50..3_000);
        self.want(wanted);
        true
    }

    /// The process of a controller ends, and its disk is replaced by an empty one.
    fn wipe(&mut self, index: usize) {
        self.kill(Node::Controller(index));
        let seed = self.fabric.rng.u64(..);
        let site = &mut self.controllers[index];
        site.fs = MemoryFileSystem::new(seed);
        site.generation = Generation(site.generation.0 + 1);
        self.fabric.oracles.raft.disk_lost(controller_id(index));
    }

    fn want(&mut self, wanted: Vec<usize>) {
        for index in &wanted {
            let site = &mut self.controllers[*index];
            if site.standing != Standing::InForce {
                site.standing = Standing::InForce;
                self.restart_later(Node::Controller(*index), 20..500);
            }
        }
        if self.members_wanted.replace(wanted).is_none() {
            self.change_members_later();
        }
    }

    fn change_members_later(&mut self) {
        let delay = Duration::from_millis(self.fabric.rng.u64(100..800));
        self.fabric
            .after(delay, Happening::Fault(Fault::ChangeMembers));
    }

    /// Asks whoever takes itself for the leader for the next change towards what is wanted.
    pub(super) fn change_members(&mut self) {
        let Some(wanted) = self.members_wanted.clone() else {
            return;
        };
        let Some(leader) = self.active_controller() else {
            return self.change_members_later();
        };
        let process = self.controllers[leader].process.as_ref();
        let members = process.map(|process| process.node().engine().membership().clone());
        let members = members.unwrap_or_default();
        match self.next_change(&members, &wanted) {
            Some(change) => {
                let input = Input::ChangeMembers(change);
                self.arrive(Node::Controller(leader), ANY_LIFE, input);
                self.change_members_later();
            }
            None if self.is_as_wanted(&members, &wanted) => {
                self.members_wanted = None;
                for index in 0..self.controllers.len() {
                    let is_left = self.controllers[index].standing == Standing::InForce;
                    if is_left && !wanted.contains(&index) {
                        self.wipe(index);
                        self.controllers[index].standing = Standing::Unused;
                    }
                }
            }
            None => self.change_members_later(),
        }
    }

    /// The operator asks who was just elected at once: a leader must refuse what comes before an entry
    /// of its own term is committed.
    pub(super) fn ask_new_leader(&mut self, index: usize) {
        let Some(process) = self.controllers[index].process.as_ref() else {
            return;
        };
        let engine = process.node().engine();
        if engine.role() != Role::Leader {
            return;
        }
        let members = engine.membership().clone();
        let changes_mind = self.scenario.splits_leaders && self.is_troubled;
        if changes_mind && self.fabric.rng.u8(..8) != 0 {
            // Majorities after two leaders' changes have no common voter only where each removes another
            // one of an even number.
            let is_even = members.voters.len() > USUAL;
            self.want_so_many(if is_even { USUAL } else { USUAL + 1 });
        }
        let Some(wanted) = self.members_wanted.clone() else {
            return;
        };
        if let Some(change) = self.next_change(&members, &wanted) {
            let input = Input::ChangeMembers(change);
            self.arrive(Node::Controller(index), ANY_LIFE, input);
        }
    }

    fn next_change(&self, members: &Membership, wanted: &[usize]) -> Option<MemberChange> {
        let directory_of = |id: ControllerId| {
            let site = self.controllers.get(controller_index(id))?;
            site.process.as_ref().map(|process| process.directory())
        };
        let all = || members.voters.iter().chain(&members.learners);
        let remove = |id: &ControllerId, directory| MemberChange::Remove { id: *id, directory };
        // Whose disk is another one now votes no more, and its id has to be free.
        let lost = all().find_map(|(id, member)| {
            let (recorded, now) = (member.directory?, directory_of(*id)?);
            (recorded != now).then(|| remove(id, recorded))
        });
        // Those who come are added before the others go, so that there are always enough.
        let added = || {
            let absent = wanted.iter().map(|index| controller_id(*index));
            let mut absent = absent.filter(|id| members.member(*id).is_none());
            let (id, directory) = absent.find_map(|id| Some((id, directory_of(id)?)))?;
            Some(MemberChange::Add {
                id,
                directory,
                endpoint: Some(Node::Controller(controller_index(id)).endpoint()),
            })
        };
        let removed = || {
            let is_wanted = |id: &ControllerId| wanted.contains(&controller_index(*id));
            let mut unwanted = all().filter(|(id, _)| !is_wanted(id));
            unwanted.find_map(|(id, member)| Some(remove(id, member.directory?)))
        };
        lost.or_else(added).or_else(removed)
    }

    fn is_as_wanted(&self, members: &Membership, wanted: &[usize]) -> bool {
        let is_wanted = |index: &usize| {
            let voter = members.voters.get(&controller_id(*index));
            let process = self.controllers[*index].process.as_ref();
            let directory = process.map(|process| process.directory());
            voter.is_some_and(|voter| directory.is_some() && voter.directory == directory)
        };
        members.learners.is_empty()
            && members.voters.len() == wanted.len()
            && wanted.iter().all(is_wanted)
    }
}
