//! Changing who belongs to the quorum: one member at a time (§4.1), by way of learners (§4.2.1).
//!
//! Guarantees: no change before an entry of the leader's own term is committed, and none before
//! the last one is; a controller becomes a voter only once its disk holds nearly everything; no
//! change is begun whose new majority was not heard from lately.

use kintsugi_types::{ControllerId, DirectoryId, Time};

use super::{Engine, Role};
use crate::command::Command;
use crate::config::VOTERS_MAX;
use crate::entry::{EntryId, Payload};
use crate::error::ChangeError;
use crate::membership::{Member, MemberChange, Membership};
use crate::message::Body;
use crate::progress::Progress;

/// By how many committed entries a learner may lag when it becomes a voter: under load it always
/// lags by what is on its way.
const PROMOTION_LAG_MAX: u64 = 64;

/// The longest host name, in bytes (RFC 1035).
const HOST_BYTES_MAX: usize = 255;

impl Engine {
    pub(super) fn change_members(&mut self, now: Time, change: &MemberChange, ticket: u64) {
        match self.admit_change(now, change) {
            Ok(next) => {
                let at = self.append_membership(now, next);
                self.out.push(Command::ChangeAccepted { ticket, at });
            }
            Err(reason) => self.out.push(Command::ChangeRefused { ticket, reason }),
        }
    }

    /// The configuration that a change leads to.
    fn admit_change(&self, now: Time, change: &MemberChange) -> Result<Membership, ChangeError> {
        if self.role != Role::Leader {
            let leader = self.leader;
            return Err(ChangeError::NotLeader { leader });
        }
        if self.transfer.is_some() || !self.may_change_members() {
            return Err(ChangeError::NotYet);
        }
        let mut next = self.membership().clone();
        match change {
            MemberChange::Add {
                id,
                directory,
                endpoint,
            } => {
                if endpoint
                    .as_ref()
                    .is_some_and(|e| e.host.len() > HOST_BYTES_MAX)
                {
                    return Err(ChangeError::HostTooLong {
                        max: HOST_BYTES_MAX,
                    });
                }
                let member = Member {
                    directory: Some(*directory),
                    endpoint: endpoint.clone(),
                };
                admit_learner(&mut next, *id, *directory, member)?;
            }
            MemberChange::Remove { id, directory } => {
                let known = self.directory_of(*id);
                admit_removal(&mut next, *id, *directory, known)?;
            }
        }
        if !self.config.changes_early() {
            self.check_live(now, &next)?;
        }
        Ok(next)
    }

    /// Whether a change may follow: an entry of the own term is committed, so that no other
    /// leader's change can be (Ongaro, raft-dev, "bug in single-server membership changes",
    /// 2015), and so is the last change.
    fn may_change_members(&self) -> bool {
        let is_own_committed = self.commit >= self.first_of_term;
        (is_own_committed || self.config.changes_early())
            && self.memberships.current_index() <= self.commit
    }

    /// Whether a majority of that configuration was heard from lately.
    fn check_live(&self, now: Time, next: &Membership) -> Result<(), ChangeError> {
        let is_live = |(id, member): (&ControllerId, &Member)| {
            if *id == self.config.id {
                return self.is_voter();
            }
            self.progress.get(id).is_some_and(|progress| {
                let is_it = match member.directory {
                    Some(directory) => progress.directory == Some(directory),
                    None => progress.voting,
                };
                is_it && now < progress.contact + self.config.election_max()
            })
        };
        let live = next.voters.iter().filter(|m| is_live(*m)).count();
        let needed = next.majority();
        if live < needed {
            return Err(ChangeError::WouldLoseQuorum { live, needed });
        }
        Ok(())
    }

    fn append_membership(&mut self, now: Time, next: Membership) -> EntryId {
        let index = self.append_own(Payload::Membership(next.clone()));
        self.memberships.push(index, next);
        self.follow_membership(now);
        self.send_all(now);
        self.advance_commit();
        let term = self.hard_state.term;
        EntryId { term, index }
    }

    /// Brings what the leader knows of followers in line with the configuration.
    pub(super) fn follow_membership(&mut self, now: Time) {
        let next = self.log.last().index.next();
        let peers = self.peers();
        let membership = self.memberships.current();
        self.progress.retain(|id, _| peers.contains(id));
        for id in peers {
            let progress = self.progress.entry(id);
            let progress = progress.or_insert_with(|| Progress::new(next, now));
            progress.voting = match membership.voters.get(&id).map(|m| m.directory) {
                None => false,
                Some(None) => progress.voting,
                Some(recorded) => progress.directory.is_none() || progress.directory == recorded,
            };
        }
    }

    /// What a leader does of itself once the last change is committed.
    pub(super) fn tend_members(&mut self, now: Time) {
        let is_free = self.role == Role::Leader && self.transfer.is_none();
        if !is_free || !self.is_ready_leader() || !self.may_change_members() {
            return;
        }
        if !self.is_voter() {
            return self.leave(now);
        }
        let next = self.with_directories().or_else(|| self.with_promotion(now));
        if let Some(next) = next.filter(|next| self.check_live(now, next).is_ok()) {
            self.append_membership(now, next);
        }
    }

    /// A leader whose own removal is committed lets the best of the others lead.
    fn leave(&mut self, now: Time) {
        if let Some(to) = self.best_successor(now) {
            self.send(to, Body::TimeoutNow);
        }
        self.become_follower(now, self.hard_state.term);
    }

    /// The configuration with directories that were learned since the quorum was formed.
    fn with_directories(&self) -> Option<Membership> {
        let current = self.membership();
        if current.voters.values().all(|m| m.directory.is_some()) {
            return None;
        }
        let mut next = current.clone();
        for (id, member) in &mut next.voters {
            member.directory = member.directory.or_else(|| self.directory_of(*id));
        }
        (next != *current).then_some(next)
    }

    /// The configuration with one learner more among the voters, if one has caught up.
    fn with_promotion(&self, now: Time) -> Option<Membership> {
        let enough = self.commit.0.saturating_sub(PROMOTION_LAG_MAX);
        // It must know of itself, or it would not vote.
        let enough = enough.max(self.memberships.current_index().0);
        let current = self.membership();
        let has_caught_up = |(id, member): &(&ControllerId, &Member)| {
            self.progress.get(id).is_some_and(|progress| {
                progress.directory == member.directory
                    && progress.matched.0 >= enough
                    && now < progress.contact + self.config.election_min()
            })
        };
        let id = *current.learners.iter().find(has_caught_up)?.0;
        let mut next = current.clone();
        let member = next.learners.remove(&id)?;
        next.voters.insert(id, member);
        Some(next)
    }

    /// The configuration in force.
    #[must_use]
    pub fn membership(&self) -> &Membership {
        self.memberships.current()
    }

    /// Whether the configuration in force is committed.
    #[must_use]
    pub fn is_membership_committed(&self) -> bool {
        self.memberships.current_index() <= self.commit
    }
}

fn admit_learner(
    next: &mut Membership,
    id: ControllerId,
    directory: DirectoryId,
    member: Member,
) -> Result<(), ChangeError> {
    match next.voters.get(&id).map(|voter| voter.directory) {
        Some(Some(known)) if known == directory => return Err(ChangeError::AlreadyMember { id }),
        Some(known) => return Err(ChangeError::OtherDirectory { id, known }),
        None => {}
    }
    if next.names(id, directory) {
        return Err(ChangeError::AlreadyMember { id });
    }
    next.learners.insert(id, member);
    let count = next.voters.len() + next.learners.len();
    if count > VOTERS_MAX {
        return Err(ChangeError::TooMany { max: VOTERS_MAX });
    }
    Ok(())
}

fn admit_removal(
    next: &mut Membership,
    id: ControllerId,
    directory: DirectoryId,
    known: Option<DirectoryId>,
) -> Result<(), ChangeError> {
    let Some(member) = next.member(id) else {
        return Err(ChangeError::NotAMember { id });
    };
    // A voter that was never heard of since the quorum was formed has no directory to name.
    let known = member.directory.or(known);
    if known.is_some_and(|known| known != directory) {
        return Err(ChangeError::OtherDirectory { id, known });
    }
    next.learners.remove(&id);
    next.voters.remove(&id);
    if next.voters.is_empty() {
        return Err(ChangeError::LastVoter { id });
    }
    Ok(())
}
