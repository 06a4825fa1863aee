//! Raft's invariants on the metadata quorum, in all lives of all voters.
//!
//! Source: Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm" (2014),
//! figure 3: election safety, log matching, leader completeness, state machine safety; and §5.2's
//! rule of one vote a term, which the others rest on.

use std::collections::BTreeMap;

use kintsugi_node::message::controller::Command;
use kintsugi_quorum::{Body, Engine, Entry, EntryId, Message, Payload, Role};
use kintsugi_types::{ControllerId, MetadataOffset, Term};

use super::raft_promises::Promises;

type Check = Result<(), String>;

/// What has been seen.
#[derive(Default)]
pub(crate) struct Raft {
    /// Which life of which voter led a term.
    leaders: BTreeMap<Term, (ControllerId, u64)>,
    votes: BTreeMap<(ControllerId, Term), ControllerId>,
    /// Each entry that was ever in a log, with the term of the one before it.
    entries: BTreeMap<EntryId, (Payload, Option<Term>)>,
    /// The term of each committed entry, and the term of who first said so.
    committed: BTreeMap<MetadataOffset, (Term, Term)>,
    /// Up to where each voter's commits were looked at.
    looked: BTreeMap<ControllerId, MetadataOffset>,
    promises: Promises,
    pub(crate) elections: u64,
    violation: Option<String>,
}

impl Raft {
    pub(super) fn violation(&self) -> Option<&str> {
        self.violation.as_deref()
    }

    /// A voter began a new life.
    pub(crate) fn started(&mut self, id: ControllerId, engine: &Engine) {
        self.looked.insert(id, engine.commit_index());
        let result = self.promises.check_kept(id, engine);
        self.note(result);
    }

    /// A voter's disk is lost, and with it all that it promised.
    pub(crate) fn disk_lost(&mut self, id: ControllerId) {
        self.promises.forget(id);
        self.votes.retain(|(voter, _), _| *voter != id);
    }

    /// A voter handled an event, which gave these commands.
    pub(crate) fn observe(
        &mut self,
        id: ControllerId,
        life: u64,
        engine: &Engine,
        commands: &[Command],
    ) {
        self.promises.observe(id, engine, commands);
        let result = self.check(id, life, engine, commands);
        self.note(result);
    }

    fn note(&mut self, result: Check) {
        if let Err(what) = result {
            self.violation.get_or_insert(what);
        }
    }

    fn check(
        &mut self,
        id: ControllerId,
        life: u64,
        engine: &Engine,
        commands: &[Command],
    ) -> Check {
        for command in commands {
            match command {
                Command::ToPeer { to, message } => self.sent(id, *to, message)?,
                Command::Persist(persist) => {
                    for entry in &persist.entries {
                        self.logged(engine, entry)?;
                    }
                }
                _ => {}
            }
        }
        self.commits(id, engine)?;
        self.role(id, life, engine)
    }

    /// At most one vote a voter a term, whatever crashed between.
    fn sent(&mut self, id: ControllerId, to: ControllerId, message: &Message) -> Check {
        let choice = match message.body {
            Body::Vote { .. } => id,
            Body::VoteReply { granted: true } => to,
            _ => return Ok(()),
        };
        let first = *self.votes.entry((id, message.term)).or_insert(choice);
        if first == choice {
            return Ok(());
        }
        let term = message.term;
        Err(format!(
            "one vote a term: {id} voted in term {term} for {first} and for {choice}"
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
        Err(format!("log matching: {:?} stands twice", entry.id()))
    }

    /// State machine safety: the same index is the same entry for everybody.
    fn commits(&mut self, id: ControllerId, engine: &Engine) -> Check {
        let looked = self.looked.entry(id).or_default();
        let from = looked.0 + 1;
        *looked = engine.commit_index();
        for index in (from..=looked.0).map(MetadataOffset) {
            let Some(term) = engine.term_at(index) else {
                continue;
            };
            let new = (term, engine.term());
            let known = self.committed.entry(index).or_insert(new);
            known.1 = known.1.min(engine.term());
            if known.0 != term {
                return Err(format!(
                    "state machine safety: {id} commits term {term} at {index}, where term {} was committed",
                    known.0
                ));
            }
        }
        Ok(())
    }

    /// Election safety and leader completeness.
    fn role(&mut self, id: ControllerId, life: u64, engine: &Engine) -> Check {
        if engine.role() != Role::Leader {
            return Ok(());
        }
        let (term, who) = (engine.term(), (id, life));
        match self.leaders.get(&term) {
            Some(first) if *first == who => return Ok(()),
            Some(first) => {
                return Err(format!(
                    "election safety: in term {term} both {} and {id} lead",
                    first.0
                ));
            }
            None => self.leaders.insert(term, who),
        };
        self.elections += 1;
        let snapshot_end = engine.snapshot_end().index;
        for (index, (entry_term, seen_in)) in self.committed.range(snapshot_end.next()..) {
            if *seen_in < term && engine.term_at(*index) != Some(*entry_term) {
                return Err(format!(
                    "leader completeness: {id} leads term {term} without the committed entry {index}"
                ));
            }
        }
        Ok(())
    }
}
