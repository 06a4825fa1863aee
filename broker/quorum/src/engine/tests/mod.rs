//! One engine, fed by hand; whole lists of commands are compared.

mod disk_order;
mod election;
mod identity;
mod members;
mod replication;
mod snapshot;
mod transfer;
mod voting;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use kintsugi_types::{ControllerId, DirectoryId, MetadataOffset, Term, Time};

use super::{Engine, Role};
use crate::command::{Command, Persist, PersistToken};
use crate::config::Config;
use crate::entry::{Entry, EntryId, HardState, Payload, Recovered, Snapshot};
use crate::event::Event;
use crate::membership::Membership;
use crate::message::{Body, Message};

const ONE: ControllerId = ControllerId(1);
const TWO: ControllerId = ControllerId(2);
const THREE: ControllerId = ControllerId(3);

fn directory(id: ControllerId) -> DirectoryId {
    DirectoryId(uuid::Uuid::from_u128(u128::from(id.0.unsigned_abs())))
}

/// The members that voter 1 of three is formed with.
fn members() -> Membership {
    Membership::formed_by(&config().voters)
}

/// Voter 1 of three whose directories are all known.
fn config() -> Config {
    let voters = [ONE, TWO, THREE].map(|id| (id, Some(directory(id))));
    Config::new(ONE, directory(ONE), BTreeMap::from(voters))
}

fn id(term: u64, index: u64) -> EntryId {
    EntryId {
        term: Term(term),
        index: MetadataOffset(index),
    }
}

fn entry(term: u64, index: u64) -> Entry {
    Entry {
        term: Term(term),
        index: MetadataOffset(index),
        payload: Payload::Command(Bytes::from_static(b"c")),
    }
}

fn noop(term: u64, index: u64) -> Entry {
    Entry {
        payload: Payload::Noop,
        ..entry(term, index)
    }
}

fn says(from: ControllerId, term: u64, body: Body) -> Message {
    Message {
        term: Term(term),
        directory: directory(from),
        voting: true,
        body,
    }
}

fn send(to: ControllerId, term: u64, body: Body) -> Command {
    let message = says(ONE, term, body);
    Command::Send { to, message }
}

fn hard_state(term: u64, voted_for: Option<ControllerId>) -> HardState {
    HardState {
        term: Term(term),
        voted_for,
        directories: BTreeMap::new(),
    }
}

fn persist_state(token: u64, term: u64, voted_for: Option<ControllerId>) -> Command {
    Command::Persist(Persist {
        token: PersistToken(token),
        hard_state: Some(hard_state(term, voted_for)),
        ..Persist::default()
    })
}

fn persist_entries(token: u64, entries: Vec<Entry>) -> Command {
    Command::Persist(Persist {
        token: PersistToken(token),
        entries,
        ..Persist::default()
    })
}

fn role(role: Role, term: u64, leader: Option<ControllerId>) -> Command {
    let term = Term(term);
    Command::RoleChanged { role, term, leader }
}

fn append(prev: EntryId, entries: Vec<Entry>, commit: u64) -> Body {
    Body::Append {
        prev,
        entries,
        commit: MetadataOffset(commit),
    }
}

fn accepted(matched: u64) -> Body {
    let matched = MetadataOffset(matched);
    Body::AppendAccepted { matched }
}

fn granted() -> Body {
    Body::VoteReply { granted: true }
}

/// An engine and its time.
struct Bench {
    engine: Engine,
    now: Time,
}

impl Bench {
    /// Voter 1 with this log, in the term of its last entry.
    fn with(config: Config, entries: Vec<Entry>) -> Self {
        let term = entries.last().map_or(0, |e| e.term.0);
        let recovered = Recovered {
            hard_state: hard_state(term, None),
            entries,
            ..Recovered::fresh(true)
        };
        let now = Time::from_millis(10_000);
        let engine = Engine::new(config, recovered, now, 7).unwrap();
        Self { engine, now }
    }

    fn new(entries: Vec<Entry>) -> Self {
        Self::with(config(), entries)
    }

    /// Voter 1 as leader of the term after its log's; its no-op is on its own disk, unanswered.
    fn leading(config: Config, entries: Vec<Entry>) -> Self {
        let mut bench = Self::with(config, entries);
        let term = bench.engine.term().0 + 1;
        bench.pass_to_wake();
        let for_term = Term(term);
        let yes = Body::PreVoteReply {
            for_term,
            granted: true,
        };
        bench.hear(TWO, term - 1, yes);
        bench.persisted(1);
        bench.hear(TWO, term, granted());
        assert_eq!(bench.engine.role(), Role::Leader);
        bench.persisted(2);
        bench
    }

    fn step(&mut self, event: Event) -> Vec<Command> {
        let mut out = Vec::new();
        self.engine.handle(self.now, event, &mut out);
        out
    }

    fn hear(&mut self, from: ControllerId, term: u64, body: Body) -> Vec<Command> {
        let message = says(from, term, body);
        self.step(Event::Received { from, message })
    }

    fn persisted(&mut self, token: u64) -> Vec<Command> {
        let token = PersistToken(token);
        self.step(Event::Persisted { token })
    }

    fn pass(&mut self, millis: u64) -> Vec<Command> {
        self.now = self.now + Duration::from_millis(millis);
        self.step(Event::Tick)
    }

    fn pass_to_wake(&mut self) -> Vec<Command> {
        self.now = self.engine.next_wake();
        self.step(Event::Tick)
    }

    fn propose(&mut self, ticket: u64) -> Vec<Command> {
        let commands = vec![Bytes::from_static(b"c")];
        self.step(Event::Propose { commands, ticket })
    }
}

/// What is sent, without what it is sent for.
fn sent(commands: &[Command]) -> Vec<(ControllerId, Body)> {
    let sends = commands.iter().filter_map(|command| match command {
        Command::Send { to, message } => Some((*to, message.body.clone())),
        _ => None,
    });
    sends.collect()
}
