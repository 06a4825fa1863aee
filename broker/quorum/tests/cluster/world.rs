//! Voters, time and the events between them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use kintsugi_quorum::{
    Command, Config, Engine, EntryId, Event, Limits, Message, Payload, Role, Snapshot,
};
use kintsugi_types::{ControllerId, DirectoryId, MetadataOffset, Time};

use super::disk::SimDisk;
use super::faults::Network;
use super::oracle::Oracle;
use super::{Plan, Reached, mix};

/// More steps than any run needs: the bound of its loop.
const STEPS_MAX: u64 = 2_000_000;

enum What {
    Deliver {
        from: ControllerId,
        to: ControllerId,
        message: Message,
    },
    WriteDone {
        at: ControllerId,
        life: u64,
    },
    Wake(ControllerId),
    Restart(ControllerId),
    Fault,
    Client,
    Operator,
}

pub struct Voter {
    pub config: Config,
    pub disk: SimDisk,
    pub engine: Option<Engine>,
    life: u64,
    /// The application: a digest of all applied entries, and the last of them.
    state: u64,
    pub applied: EntryId,
    frozen_until: Time,
}

pub struct World {
    pub rng: fastrand::Rng,
    pub network: Network,
    pub now: Time,
    queue: BTreeMap<(Time, u64), What>,
    sequence: u64,
    pub nodes: BTreeMap<ControllerId, Voter>,
    pub oracle: Oracle,
    /// Whether faults are still injected.
    pub faulty: bool,
    /// Whom the operator wants as voters; empty: it changes nothing.
    pub desired: BTreeSet<ControllerId>,
    pub disks_lost: i32,
    pub is_operator_hasty: bool,
    commands_proposed: u64,
    trace: u64,
}

pub fn directory(id: ControllerId) -> DirectoryId {
    DirectoryId(uuid::Uuid::from_u128(u128::from(id.0.unsigned_abs())))
}

/// Small enough that every limit is met within seconds.
fn tight_limits() -> Limits {
    Limits {
        append_entries_max: 4,
        append_bytes_max: 300,
        appends_in_flight_max: 3,
        persists_in_flight_max: 2,
        uncommitted_bytes_max: 2_000,
        entries_kept_behind_snapshot: 5,
        snapshot_after_entries: 25,
        snapshot_chunk_bytes: 20,
        ..Limits::default()
    }
}

impl World {
    pub fn new(plan: &Plan) -> Self {
        let ids = (1..=plan.voters).map(ControllerId);
        let known = |id| plan.seed.is_multiple_of(2).then(|| directory(id));
        let voters: BTreeMap<_, _> = ids.map(|id| (id, known(id))).collect();
        let mut world = Self {
            rng: fastrand::Rng::with_seed(plan.seed),
            network: Network::default(),
            now: Time::from_millis(1),
            queue: BTreeMap::new(),
            sequence: 0,
            nodes: BTreeMap::new(),
            oracle: Oracle::default(),
            faulty: true,
            desired: BTreeSet::new(),
            disks_lost: 0,
            is_operator_hasty: plan.is_operator_hasty,
            commands_proposed: 0,
            trace: plan.seed,
        };
        let formed = voters.clone();
        let all = (1..=plan.voters + plan.spares).map(ControllerId);
        for id in all {
            let mut config = Config::new(id, directory(id), formed.clone());
            config.limits = tight_limits();
            config.bugs = plan.bugs;
            let voter = Voter {
                config,
                disk: SimDisk::new(formed.contains_key(&id)),
                engine: None,
                life: 0,
                state: 0,
                applied: EntryId::default(),
                frozen_until: Time::ZERO,
            };
            world.nodes.insert(id, voter);
            world.schedule(0, What::Restart(id));
        }
        if plan.spares > 0 {
            world.desired = formed.into_keys().collect();
            world.schedule(1_000_000, What::Operator);
        }
        world.schedule(1_000_000, What::Fault);
        world.schedule(500_000, What::Client);
        world.change_weather();
        world
    }

    pub fn run_faulty(&mut self, plan: &Plan) -> Result<(), String> {
        self.run_until(Time::from_millis(plan.faulty_ms))
    }

    /// Stops the faults. Then one leader must serve, and all voters must apply all there is.
    pub fn heal(&mut self, plan: &Plan) -> Result<(), String> {
        self.faulty = false;
        self.network = Network::default();
        self.settle_on_a_size();
        let before = self.oracle.committed_end();
        self.run_until(self.now + Duration::from_millis(plan.heal_ms))?;
        let end = self.oracle.committed_end();
        self.check_members()?;
        let states: Vec<_> = self.members().map(|v| v.applied.index.0).collect();
        // Clients go on proposing, so the last entries may still be on their way.
        if end <= before + 10 || states.iter().any(|applied| applied + 50 < end) {
            return Err(format!(
                "liveness: {before} entries were committed when faults stopped, {end} now, applied {states:?}"
            ));
        }
        match self
            .nodes
            .values()
            .filter_map(|v| v.engine.as_ref())
            .filter(|e| e.is_ready_leader())
            .count()
        {
            1 => Ok(()),
            leaders => Err(format!("liveness: {leaders} leaders after healing")),
        }
    }

    pub fn run_until(&mut self, end: Time) -> Result<(), String> {
        for _ in 0..STEPS_MAX {
            let Some(((at, sequence), what)) = self.queue.pop_first() else {
                return Ok(());
            };
            if at > end {
                self.queue.insert((at, sequence), what);
                self.now = end;
                return Ok(());
            }
            self.now = at;
            self.trace = mix(self.trace, at.0);
            self.happen(what)?;
        }
        Err("the run takes more steps than its bound".to_owned())
    }

    fn schedule(&mut self, after_micros: u64, what: What) {
        self.sequence += 1;
        let at = self.now + Duration::from_micros(after_micros);
        self.queue.insert((at, self.sequence), what);
    }

    fn happen(&mut self, what: What) -> Result<(), String> {
        let target = match &what {
            What::Deliver { to, .. } => Some(*to),
            What::WriteDone { at, .. } | What::Wake(at) => Some(*at),
            _ => None,
        };
        let frozen_until = target
            .and_then(|id| self.nodes.get(&id))
            .map(|v| v.frozen_until);
        if let Some(until) = frozen_until.filter(|until| *until > self.now) {
            let wait = u64::try_from(until.since(self.now).as_micros()).unwrap();
            self.schedule(wait, what);
            return Ok(());
        }
        match what {
            What::Deliver { from, to, message } => {
                if self.network.cut.contains(&(from, to)) {
                    return Ok(());
                }
                self.event(to, Event::Received { from, message })
            }
            What::WriteDone { at, life } => {
                let voter = self.nodes.get_mut(&at).unwrap();
                let is_alive = voter.life == life && voter.engine.is_some();
                match is_alive.then(|| voter.disk.finish_one()).flatten() {
                    Some(token) => self.event(at, Event::Persisted { token }),
                    None => Ok(()),
                }
            }
            What::Wake(id) => {
                let engine = self.nodes[&id].engine.as_ref();
                if engine.is_some_and(|e| e.next_wake() <= self.now) {
                    return self.event(id, Event::Tick);
                }
                Ok(())
            }
            What::Restart(id) => self.restart(id),
            What::Fault => {
                if self.faulty {
                    self.inject()?;
                }
                let wait = self.rng.u64(20_000..600_000);
                self.schedule(wait, What::Fault);
                Ok(())
            }
            What::Client => self.propose(),
            What::Operator => {
                let wait = self.rng.u64(20_000..300_000);
                self.schedule(wait, What::Operator);
                self.operate()
            }
        }
    }

    fn propose(&mut self) -> Result<(), String> {
        let wait = self.rng.u64(1_000..40_000);
        self.schedule(wait, What::Client);
        let to = self.any_leader().unwrap_or_else(|| self.any_voter());
        let count = self.rng.usize(1..4);
        let commands = (0..count).map(|_| {
            self.commands_proposed += 1;
            Bytes::from(self.commands_proposed.to_string().into_bytes())
        });
        let commands = commands.collect();
        let ticket = self.commands_proposed;
        self.event(to, Event::Propose { commands, ticket })
    }

    /// Gives an event to a voter, checks what it does, and does it.
    pub fn event(&mut self, id: ControllerId, event: Event) -> Result<(), String> {
        let now = self.now;
        let voter = self.nodes.get_mut(&id).unwrap();
        let Some(mut engine) = voter.engine.take() else {
            return Ok(());
        };
        let (life, commit) = (voter.life, engine.commit_index());
        let mut out = Vec::new();
        engine.handle(now, event, &mut out);
        if engine.commit_index() < commit {
            return Err(format!("{id}: the commit index went back from {commit}"));
        }
        for command in &out {
            self.oracle.command(id, &engine, command)?;
        }
        self.oracle.role(id, life, &engine)?;
        let is_new_leader = engine.role() == Role::Leader && !engine.is_ready_leader();
        let snapshot_due = engine.needs_snapshot() && self.rng.u32(0..4) == 0;
        let next_wake = engine.next_wake();
        let commit = engine.commit_index();
        self.nodes.get_mut(&id).unwrap().engine = Some(engine);
        self.trace = mix(self.trace, u64::try_from(out.len()).unwrap());
        for command in out {
            self.carry_out(id, life, command)?;
        }
        let voter = &self.nodes[&id];
        let (applied, state) = (voter.applied, voter.state);
        self.oracle.state(id, applied, state)?;
        if applied.index != commit {
            return Err(format!("{id}: committed {commit}, applied {:?}", applied));
        }
        if next_wake != Time::NEVER {
            let wait = next_wake.since(now).as_micros();
            self.schedule(u64::try_from(wait).unwrap(), What::Wake(id));
        }
        if is_new_leader && self.is_operator_hasty && self.faulty {
            return self.hurry(id);
        }
        if snapshot_due {
            let last = applied;
            let bytes = Bytes::from(format!("{state:060}").into_bytes());
            return self.event(id, Event::SnapshotReady { last, bytes });
        }
        Ok(())
    }

    fn carry_out(&mut self, id: ControllerId, life: u64, command: Command) -> Result<(), String> {
        match command {
            Command::Send { to, message } => self.send(id, to, &message),
            Command::Persist(persist) => {
                let is_slow = self.rng.u32(0..100) < self.network.slow_write_percent;
                let micros = self
                    .rng
                    .u64(if is_slow { 20_000..700_000 } else { 100..5_000 });
                let done = self.now + Duration::from_micros(micros);
                let voter = self.nodes.get_mut(&id).unwrap();
                let done = voter.disk.write(persist, done);
                let wait = u64::try_from(done.since(self.now).as_micros()).unwrap();
                self.schedule(wait, What::WriteDone { at: id, life });
            }
            Command::Apply(entries) => {
                let voter = self.nodes.get_mut(&id).unwrap();
                for entry in entries {
                    if entry.index != voter.applied.index.next() {
                        return Err(format!("{id}: applies {entry:?} after {:?}", voter.applied));
                    }
                    voter.applied = entry.id();
                    voter.state = mix(voter.state, entry.index.0);
                    if let Payload::Command(bytes) = &entry.payload {
                        let words = bytes.iter().map(|b| u64::from(*b));
                        voter.state = words.fold(voter.state, mix);
                    }
                    self.trace = mix(self.trace, voter.state);
                }
            }
            Command::InstallSnapshot(snapshot) => {
                self.nodes.get_mut(&id).unwrap().install(&snapshot);
            }
            _ => {}
        }
        Ok(())
    }

    fn send(&mut self, from: ControllerId, to: ControllerId, message: &Message) {
        if self.rng.u32(0..100) < self.network.lost_percent {
            return;
        }
        let is_doubled = self.rng.u32(0..100) < self.network.doubled_percent;
        for _ in 0..1 + u32::from(is_doubled) {
            let is_late = self.rng.u32(0..100) < self.network.late_percent;
            let micros = self.rng.u64(if is_late {
                5_000..2_000_000
            } else {
                100..3_000
            });
            let message = message.clone();
            self.schedule(micros, What::Deliver { from, to, message });
        }
    }

    pub fn crash(&mut self, id: ControllerId) -> Result<(), String> {
        let voter = self.nodes.get_mut(&id).unwrap();
        if voter.engine.take().is_none() {
            return Ok(());
        }
        self.oracle.reached.crashes += 1;
        voter.life += 1;
        voter.disk.crash(&mut self.rng);
        let micros = if self.rng.bool() {
            100..20_000
        } else {
            20_000..3_000_000
        };
        let wait = self.rng.u64(micros);
        self.schedule(wait, What::Restart(id));
        for peer in self.voters() {
            // Most peers see the connection break.
            if peer != id && self.rng.u32(0..3) > 0 {
                self.event(peer, Event::LeaderLost { leader: id })?;
            }
        }
        Ok(())
    }

    fn restart(&mut self, id: ControllerId) -> Result<(), String> {
        let seed = self.rng.u64(..);
        let voter = self.nodes.get_mut(&id).unwrap();
        let recovered = voter.disk.crash(&mut self.rng);
        (voter.state, voter.applied) = (0, EntryId::default());
        if let Some(snapshot) = &recovered.snapshot {
            let snapshot = snapshot.clone();
            voter.install(&snapshot);
        }
        let engine = Engine::new(voter.config.clone(), recovered, self.now, seed);
        voter.engine = Some(engine.map_err(|error| format!("{id} restarts: {error}"))?);
        self.event(id, Event::Tick)
    }

    pub fn freeze(&mut self, id: ControllerId, millis: u64) {
        let until = self.now + Duration::from_millis(millis);
        self.nodes.get_mut(&id).unwrap().frozen_until = until;
    }

    pub fn voters(&self) -> Vec<ControllerId> {
        self.nodes.keys().copied().collect()
    }

    pub fn any_voter(&mut self) -> ControllerId {
        let voters = self.voters();
        voters[self.rng.usize(0..voters.len())]
    }

    pub fn any_leader(&mut self) -> Option<ControllerId> {
        let is_leader = |v: &Voter| v.engine.as_ref().is_some_and(|e| e.role() == Role::Leader);
        let mut leaders = self.nodes.iter().filter(|(_, v)| is_leader(v));
        leaders.next_back().map(|(id, _)| *id)
    }

    pub fn reached(&self) -> Reached {
        Reached {
            commits: self.oracle.committed_end(),
            ..self.oracle.reached
        }
    }

    pub fn trace(&self) -> u64 {
        self.trace
    }
}

impl Voter {
    fn install(&mut self, snapshot: &Snapshot) {
        let text = std::str::from_utf8(&snapshot.bytes).unwrap();
        self.state = text.parse().unwrap();
        self.applied = snapshot.last;
        assert_ne!(self.applied.index, MetadataOffset(0));
    }
}
