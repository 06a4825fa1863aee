//! A controller: a voter of the metadata quorum, and the active controller while it leads.
//!
//! Guarantees: everything it tells a broker or client as decided is committed by the quorum.
//! Decisions are made one proposal at a time, each against everything decided before it. It acts
//! as the active controller only once an entry of its own term is committed, so that it knows
//! all that was decided before. Queues, links and deltas have the limits of [`ControllerLimits`].
//! Assumes that commands are carried out in order, and a `Persist` is answered only when durable.
//! Never waits; [`Controller::next_wake`] tells when it wants to be woken.

mod active;
mod config;
mod decide;
mod error;
mod link;
mod members;
mod push;
mod quorum_view;
mod request;
mod status;
mod store;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use kintsugi_metadata::{Delta, Image, MetadataRecord, snapshot};
use kintsugi_quorum as quorum;
use kintsugi_types::{ClusterId, ControllerId, Endpoint, ErrorCode, MetadataOffset, Time};

pub use config::{ControllerConfig, ControllerLimits};
pub use error::ControllerError;
pub use status::{BrokerStatus, PartitionCounts};
pub use store::{ControllerStore, OpenedVoter, StoreError, VoterIdentity};

use crate::message::controller::{Command, Event, LinkId};
use crate::message::link::{AdminAnswer, AdminRequest, Hello, ToBroker, ToController};
use active::Active;
use members::Changes;
use push::Tail;

/// One controller: event in, commands out.
#[derive(Debug)]
pub struct Controller {
    config: ControllerConfig,
    engine: quorum::Engine,
    rng: fastrand::Rng,
    image: Arc<Image>,
    /// The last entry in the image.
    applied: quorum::EntryId,
    tail: Tail,
    endpoints: BTreeMap<ControllerId, Endpoint>,
    changes: Changes,
    /// Set while this is the active controller.
    active: Option<Active>,
    next_ticket: u64,
    next_dial: u64,
    /// The last entry in the last snapshot that was offered to the quorum.
    snapshot_offered: MetadataOffset,
}

impl Controller {
    /// Opens a controller from what its journal holds.
    ///
    /// # Errors
    /// When the configuration contradicts itself, or what was recovered cannot be this
    /// controller's.
    pub fn open(
        config: ControllerConfig,
        recovered: quorum::Recovered,
        now: Time,
        seed: u64,
    ) -> Result<Self, ControllerError> {
        let (image, applied) = match &recovered.snapshot {
            None => (Image::default(), quorum::EntryId::default()),
            Some(snapshot) => (image_of(snapshot)?, snapshot.last),
        };
        check_cluster(&config, &image)?;
        let mut rng = fastrand::Rng::with_seed(seed);
        let engine = quorum::Engine::new(config.quorum.clone(), recovered, now, rng.u64(..))?;
        let mut controller = Self {
            changes: Changes::default(),
            endpoints: config.endpoints.clone(),
            config,
            engine,
            rng,
            image: Arc::new(image),
            applied,
            tail: Tail::default(),
            active: None,
            next_ticket: 1,
            snapshot_offered: MetadataOffset(0),
            next_dial: 1,
        };
        let membership = controller.engine.membership().clone();
        controller.learn_members(&membership);
        Ok(controller)
    }

    /// Takes one event in and appends what is to be done to `out`. `now` must not go back.
    pub fn handle(&mut self, now: Time, event: Event, out: &mut Vec<Command>) {
        if now >= self.engine.next_wake() {
            // A leader that slept must learn that it is none any more before it answers anybody.
            self.drive(now, quorum::Event::Tick, out);
        }
        match event {
            Event::Wake => self.drive(now, quorum::Event::Tick, out),
            Event::FromPeer { from, message } => {
                self.drive(now, quorum::Event::Received { from, message }, out);
            }
            Event::PeerLost { peer } => {
                self.drive(now, quorum::Event::LeaderLost { leader: peer }, out);
            }
            Event::Persisted { token } => {
                self.drive(now, quorum::Event::Persisted { token }, out);
            }
            Event::Stop => {
                self.drive(now, quorum::Event::TransferLeadership { to: None }, out);
            }
            Event::PeerMet { hello } => self.meet(hello),
            Event::LinkOpened {
                link,
                incarnation,
                cluster,
            } => self.link_opened(link, incarnation, &cluster, out),
            Event::LinkClosed { link } => {
                if let Some(active) = &mut self.active {
                    active.link_closed(now, link, out);
                }
            }
            Event::FromBroker {
                link,
                message:
                    ToController::Admin {
                        request_id,
                        request: AdminRequest::DescribeQuorum,
                    },
            } if self.active.is_some() => {
                let answer = AdminAnswer::Quorum(Box::new(self.quorum_view(now)));
                let message = ToBroker::AdminAnswer { request_id, answer };
                out.push(Command::ToBroker { link, message });
            }
            Event::FromBroker { link, message } => {
                if let Some(active) = &mut self.active {
                    active.hear(now, &self.config, &self.image, link, message, out);
                }
            }
            Event::Dialled { dial, outcome } => {
                if let Some(active) = &mut self.active {
                    active.dialled(now, dial, outcome, out);
                }
            }
            Event::ChangeMembers { token, change } => self.change_members(now, token, change, out),
            Event::Admin { token, request } => match &mut self.active {
                Some(active) => active.http_admin(&self.config, token, request, out),
                None => {
                    let answer = AdminAnswer::NotDecided(ErrorCode::NotController);
                    out.push(Command::Answer { token, answer });
                }
            },
        }
        if let Some(active) = &mut self.active {
            active.wake(now, &self.config, &self.image, out);
        }
        self.propose(now, out);
        if let Some(active) = &mut self.active {
            active.deliver(now, &self.config, &self.image, &self.tail, out);
        }
    }

    /// When [`Event::Wake`] is due, if nothing else happens before.
    #[must_use]
    pub fn next_wake(&self) -> Time {
        let active = self.active.as_ref().map_or(Time::NEVER, Active::next_wake);
        self.engine.next_wake().min(active)
    }

    /// Runs one event through the quorum, and does what it asks for.
    fn drive(&mut self, now: Time, event: quorum::Event, out: &mut Vec<Command>) {
        let mut asked = Vec::new();
        self.engine.handle(now, event, &mut asked);
        for command in asked {
            self.obey(now, command, out);
        }
        let is_active = self.active.is_some();
        if self.engine.is_ready_leader() && !is_active {
            let active = Active::begin(now, &self.config, &self.image, self.next_dial, out);
            self.active = Some(active);
        }
        // A snapshot that the quorum did not take is not offered again at once.
        let since = self.applied.index.0.saturating_sub(self.snapshot_offered.0);
        if since > 0 && self.engine.needs_snapshot() {
            self.take_snapshot(now, out);
        }
    }

    fn obey(&mut self, now: Time, command: quorum::Command, out: &mut Vec<Command>) {
        match command {
            quorum::Command::Send { to, message } => out.push(Command::ToPeer { to, message }),
            quorum::Command::Persist(persist) => out.push(Command::Persist(persist)),
            quorum::Command::Apply(entries) => {
                for entry in entries {
                    self.apply(now, &entry, out);
                }
            }
            quorum::Command::InstallSnapshot(snapshot) => match image_of(&snapshot) {
                Ok(image) => {
                    self.image = Arc::new(image);
                    self.applied = snapshot.last;
                    self.tail.clear();
                    self.changes.forget(out);
                }
                Err(error) => fatal(&error, out),
            },
            quorum::Command::RoleChanged { role, leader, .. } => {
                if role != quorum::Role::Leader {
                    self.step_down(leader, out);
                }
            }
            quorum::Command::MembersChanged(membership) => {
                self.learn_members(&membership);
                out.push(Command::PeersChanged);
            }
            quorum::Command::ChangeAccepted { ticket, at } => self.changes.accepted(ticket, at),
            quorum::Command::ChangeRefused { ticket, reason } => out.push(Command::ChangeAnswer {
                token: ticket,
                answer: Err(reason),
            }),
            quorum::Command::ProposalAccepted { term, last, .. } => {
                if let Some(active) = &mut self.active {
                    active.accepted(quorum::EntryId { term, index: last });
                }
            }
            quorum::Command::ProposalDropped { .. } => {
                if let Some(active) = &mut self.active {
                    active.dropped(now);
                }
            }
        }
    }

    /// Applies one committed entry, and tells those who waited for it.
    fn apply(&mut self, now: Time, entry: &quorum::Entry, out: &mut Vec<Command>) {
        let records: Vec<MetadataRecord> = match &entry.payload {
            quorum::Payload::Noop | quorum::Payload::Membership(_) => Vec::new(),
            quorum::Payload::Command(bytes) => match postcard::from_bytes(bytes) {
                Ok(records) => records,
                Err(error) => {
                    let reason = format!(
                        "failed to read metadata entry {}: {error}; it is damaged, or newer than this program",
                        entry.index
                    );
                    out.push(Command::Fatal { reason });
                    return;
                }
            },
        };
        let new_leaders = active::new_leaders(&self.image, &records);
        let departures = active::departures(&self.image, &records);
        if self.active.is_some() {
            out.extend(departures.iter().copied().map(Command::Observed));
        }
        let image = Arc::make_mut(&mut self.image);
        image.apply(entry.index, &records, &mut Delta::default());
        self.applied = entry.id();
        self.changes.applied(entry, out);
        self.tail.push(&self.config.limits, entry.index, records);
        if let Err(error) = check_cluster(&self.config, &self.image) {
            fatal(&error, out);
        }
        if let Some(active) = &mut self.active {
            active.applied(now, &self.config, entry.id(), &new_leaders, departures);
        }
    }

    /// Proposes what waits, unless a proposal is in flight.
    fn propose(&mut self, now: Time, out: &mut Vec<Command>) {
        let Some(active) = &mut self.active else {
            return;
        };
        let commands = active.next_proposal(now, &self.config, &self.image, &mut self.rng);
        if commands.is_empty() {
            return;
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.drive(now, quorum::Event::Propose { commands, ticket }, out);
    }

    fn take_snapshot(&mut self, now: Time, out: &mut Vec<Command>) {
        self.snapshot_offered = self.applied.index;
        match postcard::to_stdvec(&snapshot::records_of(&self.image)) {
            Ok(bytes) => {
                let mut asked = Vec::new();
                let event = quorum::Event::SnapshotReady {
                    last: self.applied,
                    bytes: bytes.into(),
                };
                self.engine.handle(now, event, &mut asked);
                for command in asked {
                    self.obey(now, command, out);
                }
            }
            Err(error) => out.push(Command::Fatal {
                reason: format!("failed to write the metadata snapshot: {error}"),
            }),
        }
    }

    fn meet(&mut self, hello: Hello) {
        if let Hello::Controller {
            id,
            cluster,
            endpoint,
            ..
        } = hello
            && cluster == self.config.cluster
        {
            self.learn_endpoint(id, endpoint);
        }
    }

    fn change_members(
        &mut self,
        now: Time,
        token: u64,
        change: quorum::MemberChange,
        out: &mut Vec<Command>,
    ) {
        if self.changes.is_full() {
            let answer = Err(quorum::ChangeError::NotYet);
            return out.push(Command::ChangeAnswer { token, answer });
        }
        let ticket = token;
        self.drive(now, quorum::Event::ChangeMembers { change, ticket }, out);
    }

    fn link_opened(
        &mut self,
        link: LinkId,
        incarnation: kintsugi_types::Incarnation,
        cluster: &ClusterId,
        out: &mut Vec<Command>,
    ) {
        if *cluster != self.config.cluster {
            let reason = format!(
                "refused {incarnation}: it belongs to cluster {cluster}, this controller to {}",
                self.config.cluster
            );
            let fatal = true;
            let message = ToBroker::Refused { reason, fatal };
            out.push(Command::ToBroker { link, message });
            out.push(Command::CloseLink { link });
            return;
        }
        match &mut self.active {
            Some(active) => active.link_opened(&self.config, link, incarnation, out),
            None => {
                let leader = self.known_leader(self.engine.leader());
                dismiss(link, leader, out);
            }
        }
    }

    fn step_down(&mut self, leader: Option<ControllerId>, out: &mut Vec<Command>) {
        let Some(active) = self.active.take() else {
            return;
        };
        let leader = self.known_leader(leader);
        self.next_dial = active.end(&leader, out);
    }

    /// The leader and where it listens, if it is another one.
    fn known_leader(&self, leader: Option<ControllerId>) -> Option<(ControllerId, Endpoint)> {
        let id = leader.filter(|id| *id != self.config.quorum.id)?;
        Some((id, self.endpoints.get(&id)?.clone()))
    }
}

fn image_of(snapshot: &quorum::Snapshot) -> Result<Image, ControllerError> {
    let offset = snapshot.last.index;
    let records: Vec<MetadataRecord> = postcard::from_bytes(&snapshot.bytes)
        .map_err(|source| ControllerError::Snapshot { offset, source })?;
    Ok(snapshot::restore(offset, &records))
}

fn check_cluster(config: &ControllerConfig, image: &Image) -> Result<(), ControllerError> {
    match &image.cluster {
        Some(found) if *found != config.cluster => Err(ControllerError::OtherCluster {
            found: found.clone(),
            configured: config.cluster.clone(),
        }),
        _ => Ok(()),
    }
}

fn fatal(error: &ControllerError, out: &mut Vec<Command>) {
    let reason = error.to_string();
    out.push(Command::Fatal { reason });
}

/// Sends a broker to the active controller.
fn dismiss(link: LinkId, leader: Option<(ControllerId, Endpoint)>, out: &mut Vec<Command>) {
    let message = ToBroker::NotActive { leader };
    out.push(Command::ToBroker { link, message });
    out.push(Command::CloseLink { link });
}
