//! Who should be a voter, and what an operator does about it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use kintsugi_quorum::{Engine, Event, Member, MemberChange, Membership};
use kintsugi_types::{ControllerId, DirectoryId};

use super::disk::SimDisk;
use super::world::{Voter, World, directory};

/// The sizes that a quorum is taken to.
const SIZES: [usize; 3] = [1, 3, 5];

impl World {
    /// Draws how many voters there should be, and which.
    pub fn want_another_size(&mut self) {
        if self.desired.is_empty() {
            return;
        }
        let mut ids = self.voters();
        self.rng.shuffle(&mut ids);
        // Of even sizes two majorities meet in more than one voter only by one change at a time.
        let sizes = if self.is_operator_hasty {
            [2, 3, 4]
        } else {
            SIZES
        };
        let size = sizes[self.rng.usize(0..sizes.len())];
        ids.truncate(size);
        self.desired = ids.into_iter().collect();
    }

    /// Once faults have stopped: the last wish stands, whatever it is.
    pub fn settle_on_a_size(&mut self) {
        self.want_another_size();
    }

    /// Wants something else and asks this very leader for it.
    pub fn hurry(&mut self, leader: ControllerId) -> Result<(), String> {
        if self.rng.u32(0..4) == 0 {
            self.want_another_size();
        }
        self.is_operator_hasty = false;
        let asked = self.ask(leader);
        self.is_operator_hasty = true;
        asked
    }

    /// Asks whoever seems to lead for the next change on the way to what is wanted.
    pub fn operate(&mut self) -> Result<(), String> {
        let Some(leader) = self.any_leader() else {
            return Ok(());
        };
        self.ask(leader)
    }

    fn ask(&mut self, leader: ControllerId) -> Result<(), String> {
        let is_removal_first = self.rng.bool();
        let engine = self.nodes[&leader].engine.as_ref().unwrap();
        let Some(change) = self.next_change(engine.membership(), is_removal_first) else {
            return Ok(());
        };
        self.oracle.reached.changes_under_a_cut += u64::from(!self.network.cut.is_empty());
        let ticket = 0;
        self.event(leader, Event::ChangeMembers { change, ticket })
    }

    /// Lost disks come first: each is one failure that the quorum bears already.
    fn next_change(&self, membership: &Membership, is_removal_first: bool) -> Option<MemberChange> {
        let voters = &membership.voters;
        let is_last = |id: &ControllerId| voters.len() == 1 && voters.contains_key(id);
        let recorded = |(id, member): (&ControllerId, &Member)| {
            (*id, member.directory.unwrap_or(directory(*id)))
        };
        let all: Vec<_> = voters
            .iter()
            .chain(&membership.learners)
            .map(recorded)
            .collect();
        let remove = |found: Option<&(ControllerId, DirectoryId)>| {
            let (id, directory) = *found?;
            Some(MemberChange::Remove { id, directory })
        };
        let lost = all
            .iter()
            .find(|(id, directory)| self.nodes[id].config.directory != *directory);
        let mut unwanted = all.iter().filter(|(id, _)| !self.desired.contains(id));
        let unwanted = remove(unwanted.find(|(id, _)| !is_last(id)));
        let mut missing = self
            .desired
            .iter()
            .filter(|id| membership.member(**id).is_none());
        let missing = missing.next().map(|id| MemberChange::Add {
            id: *id,
            directory: self.nodes[id].config.directory,
            endpoint: None,
        });
        let (first, second) = match is_removal_first {
            true => (unwanted, missing),
            false => (missing, unwanted),
        };
        remove(lost).or(first).or(second)
    }

    /// The configuration that certainly is in force, if there is one now: that of a leader of the
    /// latest term who has committed it.
    fn settled(&self) -> Option<&Membership> {
        let engines = || self.nodes.values().filter_map(|v| v.engine.as_ref());
        let latest = engines().map(Engine::term).max()?;
        let mut leaders = engines().filter(|e| e.term() == latest && e.is_ready_leader());
        let leader = leaders.next()?;
        leader
            .is_membership_committed()
            .then(|| leader.membership())
    }

    fn has_its_disk(&self, id: ControllerId, recorded: Option<DirectoryId>) -> bool {
        recorded.unwrap_or(directory(id)) == self.nodes[&id].config.directory
    }

    /// Loses a voter's disk, if every other voter of three or more has its own: with fewer, what
    /// was committed could be lost. It comes back with an empty directory.
    pub fn replace_disk(&mut self, id: ControllerId) -> Result<(), String> {
        let Some(members) = self.settled() else {
            return Ok(());
        };
        let mut voters = members.voters.iter();
        let is_whole = voters.all(|(id, member)| self.has_its_disk(*id, member.directory));
        let is_enough = members.voters.len() >= 3 && members.voters.contains_key(&id);
        // Without an operator a voter that lost its disk stays one less for good.
        let is_repaired = self.disks_lost == 0 || !self.desired.is_empty();
        let is_up = self.nodes[&id].engine.is_some();
        if !(is_whole && is_enough && is_repaired && is_up) {
            return Ok(());
        }
        self.disks_lost += 1;
        self.oracle.reached.disks_lost += 1;
        self.crash(id)?;
        let new = directory(ControllerId(id.0 + 100 * self.disks_lost));
        let voter = self.nodes.get_mut(&id).unwrap();
        voter.disk = SimDisk::new(false);
        voter.config.directory = new;
        Ok(())
    }

    /// Those who must have everything in the end.
    pub fn members(&self) -> impl Iterator<Item = &Voter> {
        let is_member = |id: &ControllerId| self.desired.is_empty() || self.desired.contains(id);
        let all = self.nodes.iter();
        all.filter(move |(id, _)| is_member(id)).map(|(_, v)| v)
    }

    fn describe(&self) -> String {
        let each = self.nodes.iter().map(|(id, voter)| {
            let Some(engine) = &voter.engine else {
                return format!("\n{id} is down");
            };
            format!(
                "\n{id} in {}: {:?} of term {}, leader {:?}, log to {:?}, commit {}, {:?}",
                voter.config.directory,
                engine.role(),
                engine.term(),
                engine.leader(),
                engine.last(),
                engine.commit_index(),
                engine.membership(),
            )
        });
        each.collect()
    }

    /// What was wanted has come.
    pub fn check_members(&self) -> Result<(), String> {
        if self.desired.is_empty() {
            return Ok(());
        }
        let settled = self.settled();
        let is_so = settled.is_some_and(|members| {
            let mut voters = members.voters.iter();
            members.voters.keys().eq(&self.desired)
                && members.learners.is_empty()
                && voters.all(|(id, member)| self.has_its_disk(*id, member.directory))
        });
        match is_so {
            true => Ok(()),
            false => Err(format!(
                "liveness: voters {:?} were wanted, there are {settled:?}; {}",
                self.desired,
                self.describe()
            )),
        }
    }
}
