//! What a voter told another one, it still knows after any crash: its term, its vote, and the
//! entries that it acknowledged.
//!
//! Source: Ongaro and Ousterhout (2014), figure 2: currentTerm, votedFor and log[] are "updated on
//! stable storage before responding". Forgetting one is the cause of two leaders in a term and of
//! lost commits, and is seen at the restart itself, long before it does harm.

use std::collections::BTreeMap;

use kintsugi_node::message::controller::Command;
use kintsugi_quorum::{Body, Engine, EntryId, Message};
use kintsugi_types::{ControllerId, Term};

/// What one voter told others.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    /// The latest term that it promised something in.
    term: Term,
    /// Whom it voted for in that term.
    vote: Option<ControllerId>,
    /// The last entry that it acknowledged and was not told to remove since.
    acknowledged: Option<EntryId>,
}

/// What all voters told others, over all their lives.
#[derive(Default)]
pub(super) struct Promises {
    told: BTreeMap<ControllerId, Told>,
}

impl Promises {
    /// A voter handled an event, which gave these commands.
    pub(super) fn observe(&mut self, id: ControllerId, engine: &Engine, commands: &[Command]) {
        let told = self.told.entry(id).or_default();
        for command in commands {
            match command {
                Command::ToPeer { to, message } => told.sent(id, *to, engine, message),
                Command::Persist(persist) => {
                    let from = persist.truncate_from;
                    let is_kept = |last: &EntryId| persist.entries.iter().any(|e| e.id() == *last);
                    let is_removed = |last: &EntryId| {
                        from.is_some_and(|from| from <= last.index) && !is_kept(last)
                    };
                    if told.acknowledged.as_ref().is_some_and(is_removed) {
                        told.acknowledged = None;
                    }
                }
                _ => {}
            }
        }
    }

    /// A voter's disk is lost.
    pub(super) fn forget(&mut self, id: ControllerId) {
        self.told.remove(&id);
    }

    /// A voter starts with what its disk held.
    pub(super) fn check_kept(&self, id: ControllerId, engine: &Engine) -> Result<(), String> {
        let Some(told) = self.told.get(&id) else {
            return Ok(());
        };
        let (term, vote) = (engine.term(), engine.voted_for());
        if term < told.term {
            return Err(format!(
                "a promise forgotten: {id} starts in term {term}, though it sent {} in term {}",
                told.vote
                    .map_or_else(|| "answers".to_owned(), |to| format!("its vote for {to}")),
                told.term
            ));
        }
        if term == told.term && told.vote.is_some() && vote != told.vote {
            return Err(format!(
                "a promise forgotten: {id} voted in term {term} for {:?}, and starts with a vote for {vote:?}",
                told.vote
            ));
        }
        let Some(entry) = told.acknowledged else {
            return Ok(());
        };
        let is_other = |found: Term| found != entry.term;
        if engine.last().index < entry.index || engine.term_at(entry.index).is_some_and(is_other) {
            return Err(format!(
                "a promise forgotten: {id} acknowledged {entry:?}, and starts with a log that ends at {:?}",
                engine.last()
            ));
        }
        Ok(())
    }
}

impl Told {
    fn sent(&mut self, id: ControllerId, to: ControllerId, engine: &Engine, message: &Message) {
        let vote = match message.body {
            Body::Vote { .. } => Some(id),
            Body::VoteReply { granted: true } => Some(to),
            Body::AppendAccepted { .. } => None,
            _ => return,
        };
        if message.term > self.term {
            (self.term, self.vote) = (message.term, vote);
        } else if message.term == self.term {
            self.vote = self.vote.or(vote);
        }
        // An answer that waited for the disk into a later term may speak of entries that are
        // removed by then; within a term a leader never takes entries back.
        let (Body::AppendAccepted { matched }, true) =
            (&message.body, message.term == engine.term())
        else {
            return;
        };
        let is_longer = self.acknowledged.is_none_or(|last| last.index <= *matched);
        if let Some(term) = engine.term_at(*matched).filter(|_| is_longer) {
            let index = *matched;
            self.acknowledged = Some(EntryId { term, index });
        }
    }
}
