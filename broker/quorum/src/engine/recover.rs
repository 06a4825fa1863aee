//! From what the disk holds to a running voter.

use std::collections::{BTreeMap, BTreeSet};

use kintsugi_types::{MetadataOffset, Term, Time};

use super::{Engine, Role};
use crate::config::Config;
use crate::disk::Disk;
use crate::entry::{Entry, EntryId, Payload, Recovered};
use crate::error::EngineError;
use crate::log::Log;
use crate::membership::{Membership, Memberships};

impl Engine {
    /// Starts a voter from what its disk holds. The application starts from
    /// `recovered.snapshot`; entries after it are applied again once they are known to be
    /// committed. The first `MembersChanged` comes with the first change: who belongs to the quorum
    /// at a start is told by [`Engine::membership`].
    ///
    /// # Errors
    /// [`EngineError`] when the configuration contradicts itself or the log is broken.
    pub fn new(
        config: Config,
        recovered: Recovered,
        now: Time,
        seed: u64,
    ) -> Result<Self, EngineError> {
        config.validate()?;
        check_log(&recovered)?;
        let Recovered {
            hard_state,
            snapshot,
            entries,
            may_vote,
        } = recovered;
        let base = snapshot.as_ref().map_or_else(EntryId::default, |s| s.last);
        let end = entries.last().map(|e| e.index);
        let continues = continues_snapshot(base, &entries);
        let mut disk = Disk::holding(end.unwrap_or_default().max(base.index));
        let mut log = Log::after(base);
        if continues {
            for entry in entries.into_iter().filter(|e| e.index > base.index) {
                log.push(entry);
            }
        } else {
            // A crash came between writing a leader's snapshot and removing the log that it
            // replaces.
            disk.replaced(base.index);
        }
        let members = match &snapshot {
            Some(snapshot) => snapshot.membership.clone(),
            None => Membership::formed_by(&config.voters),
        };
        let mut memberships = Memberships::new(members, base.index);
        for entry in log.range(base.index.next(), log.last().index) {
            if let Payload::Membership(membership) = entry.payload {
                memberships.push(entry.index, membership);
            }
        }
        let term = hard_state.term;
        let mut engine = Self {
            rng: fastrand::Rng::with_seed(seed),
            may_vote: may_vote || config.ignores_directories(),
            hard_state,
            role: Role::Follower,
            leader: None,
            leader_contact: now,
            election_deadline: now,
            repeat_at: Time::NEVER,
            granted: BTreeSet::new(),
            refused: BTreeSet::new(),
            by_transfer: false,
            progress: BTreeMap::new(),
            transfer: None,
            first_of_term: MetadataOffset(0),
            uncommitted_bytes: 0,
            log,
            announced_members: memberships.version(),
            memberships,
            commit: base.index,
            snapshot,
            incoming: None,
            disk,
            announced: (Role::Follower, term, None),
            out: Vec::new(),
            config,
        };
        // Alone, there is nobody to wait for.
        if !engine.other_voters().is_empty() {
            engine.draw_election_deadline(now);
        }
        Ok(engine)
    }
}

fn check_log(recovered: &Recovered) -> Result<(), EngineError> {
    let mut last = EntryId::default();
    for (at, entry) in recovered.entries.iter().enumerate() {
        let follows = at == 0 || entry.index == last.index.next();
        if !follows || entry.term < last.term || entry.index == MetadataOffset(0) {
            return Err(EngineError::BrokenLog {
                after: last.index,
                found: entry.index,
                term: entry.term,
            });
        }
        last = entry.id();
    }
    let snapshot = recovered.snapshot.as_ref();
    let log = last.term.max(snapshot.map_or(Term(0), |s| s.last.term));
    let hard_state = recovered.hard_state.term;
    if log > hard_state {
        return Err(EngineError::TermBehindLog { hard_state, log });
    }
    let end_of_snapshot = snapshot.map_or(MetadataOffset(0), |s| s.last.index);
    match recovered.entries.first() {
        Some(first) if first.index > end_of_snapshot.next() => Err(EngineError::BrokenLog {
            after: end_of_snapshot,
            found: first.index,
            term: first.term,
        }),
        _ => Ok(()),
    }
}

/// Whether these entries and a snapshot that ends at `base` are of one log.
fn continues_snapshot(base: EntryId, entries: &[Entry]) -> bool {
    let begins_there = |first: &Entry| first.index == base.index.next();
    entries.first().is_none_or(begins_there) || entries.iter().any(|e| e.id() == base)
}
