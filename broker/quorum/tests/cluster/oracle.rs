//! Raft's invariants, checked on what engines do.

use std::collections::BTreeMap;

use kintsugi_quorum::{Body, Command, Engine, Entry, EntryId, Membership, Message, Payload, Role};
use kintsugi_types::{ControllerId, DirectoryId, MetadataOffset, Term};

use super::Reached;

type Check = Result<(), String>;

/// A committed entry as it was first seen.
struct Committed {
    entry: Entry,
    /// The term of the engine that first applied it: not before the one it was committed in.
    seen_in: Term,
}

/// What has been seen in all lives of all voters.
#[derive(Default)]
pub struct Oracle {
    /// Which life of which voter led a term.
    leaders: BTreeMap<Term, (ControllerId, u64)>,
    votes: BTreeMap<(ControllerId, DirectoryId, Term), ControllerId>,
    /// Each entry that was ever in a log, with the term of the one before it.
    entries: BTreeMap<EntryId, (Payload, Option<Term>)>,
    committed: BTreeMap<MetadataOffset, Committed>,
    /// The application's state after each index.
    states: BTreeMap<MetadataOffset, u64>,
    pub reached: Reached,
}

impl Oracle {
    /// Checks one command of a voter, after the call that gave it.
    pub fn command(&mut self, id: ControllerId, engine: &Engine, command: &Command) -> Check {
        match command {
            Command::Send { to, message } => self.sent(id, *to, message),
            Command::Persist(persist) => {
                self.reached.truncations += u64::from(persist.truncate_from.is_some());
                for entry in &persist.entries {
                    self.logged(engine, entry)?;
                }
                Ok(())
            }
            Command::Apply(entries) => {
                for entry in entries {
                    self.applied(id, engine.term(), entry)?;
                }
                Ok(())
            }
            Command::InstallSnapshot(snapshot) => {
                self.reached.installs += 1;
                self.reached.learner_installs += u64::from(!engine.is_voter());
                match self.committed.get(&snapshot.last.index) {
                    Some(known) if known.entry.id() == snapshot.last => Ok(()),
                    _ => Err(format!(
                        "{id} installs a snapshot of an uncommitted entry: {:?}",
                        snapshot.last
                    )),
                }
            }
            _ => Ok(()),
        }
    }

    /// At most one vote a voter a term, whatever crashed between.
    fn sent(&mut self, id: ControllerId, to: ControllerId, message: &Message) -> Check {
        let choice = match message.body {
            Body::Vote { .. } => id,
            Body::VoteReply { granted: true } => to,
            _ => return Ok(()),
        };
        let first = *self
            .votes
            .entry((id, message.directory, message.term))
            .or_insert(choice);
        if first == choice {
            return Ok(());
        }
        Err(format!(
            "vote safety: {id} voted in term {} for {first} and for {choice}",
            message.term
        ))
    }

    /// Log matching: index and term tell the entry and the one before it.
    fn logged(&mut self, engine: &Engine, entry: &Entry) -> Check {
        let before = MetadataOffset(entry.index.0 - 1);
        let seen = (entry.payload.clone(), engine.term_at(before));
        let known = self.entries.entry(entry.id()).or_insert(seen.clone());
        known.1 = known.1.or(seen.1);
        if known.0 == seen.0 && (seen.1.is_none() || known.1 == seen.1) {
            return Ok(());
        }
        Err(format!(
            "log matching: {:?} stands twice: {known:?} and {seen:?}",
            entry.id()
        ))
    }

    /// Single-server changes: of two configurations that follow each other, at most one voter is
    /// in only one of them.
    fn changed(&mut self, entry: &Entry) -> Check {
        let Payload::Membership(new) = &entry.payload else {
            return Ok(());
        };
        self.reached.member_changes += 1;
        let before = self.committed.range(..entry.index).rev();
        let mut before = before.filter_map(|(_, committed)| match &committed.entry.payload {
            Payload::Membership(membership) => Some(membership),
            _ => None,
        });
        let Some(before) = before.next() else {
            return Ok(());
        };
        let is_only_in = |a: &Membership, b: &Membership| {
            let ids = a.voters.keys().filter(|id| !b.voters.contains_key(id));
            ids.count()
        };
        if is_only_in(before, new) + is_only_in(new, before) <= 1 {
            return Ok(());
        }
        Err(format!("single changes: {before:?} is followed by {new:?}"))
    }

    /// State machine safety: nobody applies another entry at the same index.
    fn applied(&mut self, id: ControllerId, term: Term, entry: &Entry) -> Check {
        let new = Committed {
            entry: entry.clone(),
            seen_in: term,
        };
        if !self.committed.contains_key(&entry.index) {
            self.changed(entry)?;
        }
        let known = self.committed.entry(entry.index).or_insert(new);
        known.seen_in = known.seen_in.min(term);
        if known.entry == *entry {
            return Ok(());
        }
        Err(format!(
            "state machine safety: {id} applies {entry:?} where {:?} was applied",
            known.entry
        ))
    }

    /// The same log gives the same state, also by way of snapshots.
    pub fn state(&mut self, id: ControllerId, applied: EntryId, state: u64) -> Check {
        let first = *self.states.entry(applied.index).or_insert(state);
        if first == state {
            return Ok(());
        }
        Err(format!("{id}: another state than others after {applied:?}"))
    }

    /// Election safety and leader completeness.
    pub fn role(&mut self, id: ControllerId, life: u64, engine: &Engine) -> Check {
        if engine.role() != Role::Leader {
            return Ok(());
        }
        let term = engine.term();
        if let Some(first) = self.leaders.get(&term) {
            if *first == (id, life) {
                return Ok(());
            }
            return Err(format!(
                "election safety: in term {term} both {first:?} and {:?} lead",
                (id, life)
            ));
        }
        self.leaders.insert(term, (id, life));
        self.reached.leaders += 1;
        let snapshot_end = engine.snapshot_end().index;
        for (index, committed) in &self.committed {
            let has = engine.term_at(*index) == Some(committed.entry.term);
            if committed.seen_in < term && !has && *index > snapshot_end {
                return Err(format!(
                    "leader completeness: {id} leads term {term} without {:?}",
                    committed.entry
                ));
            }
        }
        Ok(())
    }

    /// The highest index that anybody applied.
    pub fn committed_end(&self) -> u64 {
        self.committed.keys().next_back().map_or(0, |index| index.0)
    }
}
