//! The members of a Kafka quorum in a few lines: compare-and-set on directories, one change at a
//! time, and no change after which no majority would live.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::*;
use crate::fixtures::directory;
use crate::observe::Membership;
use crate::plan::VoterChange;

#[derive(Clone)]
pub struct QuorumModel {
    pub members: Membership,
    /// The directories of controllers that run.
    pub live: BTreeMap<Member, Uuid>,
}

impl QuorumModel {
    pub fn of(observed: &Observed) -> Self {
        let quorum = observed.quorum.clone().unwrap();
        Self {
            members: quorum.membership.unwrap(),
            live: quorum.directories,
        }
    }

    pub fn starts(&mut self, ready: impl Iterator<Item = Member>) {
        self.live = ready.map(|member| (member, directory(member))).collect();
        if self.is_active() {
            let live: Vec<Uuid> = self.live.values().copied().collect();
            let learners = std::mem::take(&mut self.members.learners);
            for (id, directory) in learners {
                let is_live = directory.is_some_and(|one| live.contains(&one));
                let into = match is_live {
                    true => &mut self.members.voters,
                    false => &mut self.members.learners,
                };
                into.insert(id, directory);
            }
        }
    }

    /// Live controllers that vote.
    pub fn voting(&self) -> Vec<i32> {
        voting(&self.members, &self.live)
    }

    pub fn is_active(&self) -> bool {
        self.voting().len() > self.members.voters.len() / 2
    }

    pub fn remove(&mut self, change: &VoterChange) -> Result<(), ()> {
        let mut next = self.members.clone();
        let known = next.voters.remove(&change.controller);
        let known = known.or_else(|| next.learners.remove(&change.controller));
        let would_live = voting(&next, &self.live).len() > next.voters.len() / 2;
        if known != Some(Some(change.directory)) || !self.is_active() || !would_live {
            return Err(());
        }
        self.members = next;
        Ok(())
    }

    pub fn add(&mut self, change: &VoterChange) -> Result<(), ()> {
        let known = self.members.voters.get(&change.controller);
        if !self.is_active() || known.is_some_and(|known| *known != Some(change.directory)) {
            return Err(());
        }
        if known.is_none() {
            let learners = &mut self.members.learners;
            learners.insert(change.controller, Some(change.directory));
        }
        Ok(())
    }
}

fn voting(members: &Membership, live: &BTreeMap<Member, Uuid>) -> Vec<i32> {
    let votes = |(member, directory): &(&Member, &Uuid)| {
        members.voters.get(&member.id) == Some(&Some(**directory))
    };
    live.iter()
        .filter(votes)
        .map(|(member, _)| member.id)
        .collect()
}
