//! Several engines in one place: messages are delivered when the test says so, to whom it says,
//! and a disk answers at once unless it is held.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use kintsugi_quorum::{
    Body, Command, Config, Engine, Entry, EntryId, Event, HardState, Limits, Message, Payload,
    Persist, PersistToken, Recovered, Role,
};
use kintsugi_types::{ControllerId, DirectoryId, MetadataOffset, Term, Time};

/// More messages than any case needs: the bound of its loops.
const MESSAGES_MAX: usize = 20_000;

pub struct Group {
    pub engines: BTreeMap<ControllerId, Engine>,
    pub now: Time,
    pub queue: VecDeque<(ControllerId, ControllerId, Message)>,
    /// What is sent to or from these is lost.
    pub cut: BTreeSet<ControllerId>,
    /// Whose disks do not answer.
    pub held: BTreeSet<ControllerId>,
    /// What they would answer.
    pub unanswered: Vec<(ControllerId, PersistToken)>,
    /// Everything that each applied.
    pub applied: BTreeMap<ControllerId, Vec<Entry>>,
    /// Everything that was sent.
    pub sent: Vec<(ControllerId, ControllerId, Body)>,
    /// Every write that was asked for.
    pub writes: Vec<(ControllerId, Persist)>,
    pub last_commands: Vec<Command>,
}

pub fn directory(id: ControllerId) -> DirectoryId {
    DirectoryId(uuid::Uuid::from_u128(u128::from(id.0.unsigned_abs())))
}

/// A log of these terms, from index 1.
pub fn log(terms: &[u64]) -> Vec<Entry> {
    let entry = |(at, term): (usize, &u64)| Entry {
        term: Term(*term),
        index: MetadataOffset(u64::try_from(at).unwrap() + 1),
        payload: Payload::Command(Bytes::from(format!("{term}/{at}"))),
    };
    terms.iter().enumerate().map(entry).collect()
}

impl Group {
    /// Voters 1 and up, each with a log of these terms; all know of the latest term.
    pub fn new(logs: &[&[u64]], limits: Limits) -> Self {
        let ids = (1..).map(ControllerId).take(logs.len());
        let voters: BTreeMap<_, _> = ids.map(|id| (id, Some(directory(id)))).collect();
        let mut group = Self {
            engines: BTreeMap::new(),
            now: Time::from_millis(10_000),
            queue: VecDeque::new(),
            cut: BTreeSet::new(),
            held: BTreeSet::new(),
            unanswered: Vec::new(),
            applied: BTreeMap::new(),
            sent: Vec::new(),
            writes: Vec::new(),
            last_commands: Vec::new(),
        };
        let latest = Term(logs.iter().copied().flatten().copied().max().unwrap_or(0));
        for (id, terms) in voters.keys().zip(logs) {
            let mut config = Config::new(*id, directory(*id), voters.clone());
            config.limits = limits;
            let hard_state = HardState {
                term: latest,
                ..HardState::default()
            };
            let recovered = Recovered {
                hard_state,
                entries: log(terms),
                ..Recovered::fresh(true)
            };
            let seed = u64::from(id.0.unsigned_abs());
            let engine = Engine::new(config, recovered, group.now, seed).unwrap();
            group.engines.insert(*id, engine);
        }
        group
    }

    /// Three voters with empty logs, of whom the first leads and all know it.
    pub fn led(limits: Limits) -> Self {
        let mut group = Self::new(&[&[], &[], &[]], limits);
        group.elect(ControllerId(1));
        group
    }

    pub fn engine(&self, id: i32) -> &Engine {
        &self.engines[&ControllerId(id)]
    }

    /// Gives an event to one engine and takes down what it asks for.
    pub fn give(&mut self, id: ControllerId, event: Event) {
        let mut out = Vec::new();
        let now = self.now;
        self.engines
            .get_mut(&id)
            .unwrap()
            .handle(now, event, &mut out);
        self.last_commands.clone_from(&out);
        let mut persisted = Vec::new();
        for command in out {
            match command {
                Command::Send { to, message } => {
                    self.sent.push((id, to, message.body.clone()));
                    self.queue.push_back((id, to, message));
                }
                Command::Persist(persist) => {
                    persisted.push(persist.token);
                    self.writes.push((id, persist));
                }
                Command::Apply(entries) => self.applied.entry(id).or_default().extend(entries),
                _ => {}
            }
        }
        for token in persisted {
            match self.held.contains(&id) {
                true => self.unanswered.push((id, token)),
                false => self.give(id, Event::Persisted { token }),
            }
        }
    }

    /// Delivers everything, and what follows from it.
    pub fn settle(&mut self) {
        for _ in 0..MESSAGES_MAX {
            let Some((from, to, message)) = self.queue.pop_front() else {
                return;
            };
            let is_lost = self.cut.contains(&from) || self.cut.contains(&to);
            if !is_lost && self.engines.contains_key(&to) {
                self.give(to, Event::Received { from, message });
            }
        }
        panic!("messages go on for ever");
    }

    /// Loses what is on its way to one.
    pub fn lose_to(&mut self, id: i32) {
        self.queue.retain(|(_, to, _)| *to != ControllerId(id));
    }

    /// Lets time pass, and every timer that is due by then.
    pub fn pass(&mut self, millis: u64) {
        let end = self.now + Duration::from_millis(millis);
        for _ in 0..MESSAGES_MAX {
            let next = self
                .engines
                .iter()
                .map(|(id, e)| (e.next_wake(), *id))
                .min();
            let Some((at, id)) = next.filter(|(at, _)| *at <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(at);
            self.give(id, Event::Tick);
            self.settle();
        }
        panic!("timers go on for ever");
    }

    /// Elects one, by telling it that a leader wants it to.
    pub fn elect(&mut self, id: ControllerId) {
        let term = self.engines[&id].term();
        let from = *self.engines.keys().find(|other| **other != id).unwrap();
        let message = Message {
            term,
            directory: directory(from),
            voting: true,
            body: Body::TimeoutNow,
        };
        self.give(id, Event::Received { from, message });
        self.settle();
    }

    pub fn propose(&mut self, id: i32, text: &str) {
        let commands = vec![Bytes::from(text.to_owned())];
        self.give(
            ControllerId(id),
            Event::Propose {
                commands,
                ticket: 1,
            },
        );
    }

    /// The leader's application takes a snapshot of everything that is committed.
    pub fn compact(&mut self, id: i32) {
        let engine = self.engine(id);
        let index = engine.commit_index();
        let term = engine.term_at(index).unwrap();
        let last = EntryId { term, index };
        let bytes = Bytes::from_static(b"everything");
        self.give(ControllerId(id), Event::SnapshotReady { last, bytes });
    }

    /// The indexes up to which each has committed.
    pub fn commits(&self) -> Vec<u64> {
        self.engines.values().map(|e| e.commit_index().0).collect()
    }

    pub fn leaders(&self) -> Vec<i32> {
        let leaders = self
            .engines
            .iter()
            .filter(|(_, e)| e.role() == Role::Leader);
        leaders.map(|(id, _)| id.0).collect()
    }
}
