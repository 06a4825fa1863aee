//! The controller's thread: events in, commands carried out.

use std::collections::BTreeMap;

use kintsugi_node::controller::Controller as Node;
use kintsugi_node::message::controller::{Command, Event, LinkId};
use kintsugi_node::message::link::{AdminAnswer, AdminRequest};
use kintsugi_quorum::{ChangeError, Member, MemberChange, Membership, Persist};
use kintsugi_types::{ClusterId, ControllerId, Incarnation};
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};

use super::dials;
use super::links::Links;
use super::observed;
use super::peers::Peers;
use super::status::ControllerStatus;
use crate::clock::Clock;
use crate::exit::{Ending, Exit};
use crate::mailbox::{Letter, Letters, Mailbox};
use crate::progress::Progress;
use crate::thread::wait_until;
use crate::transport::Vigilance;

/// The most requests over HTTP that may wait for their answer.
const ADMIN_WAITING_MAX: usize = 256;

/// How many events are handled between two looks at the clock.
const BATCH_MAX: usize = 256;

/// What reaches the controller's thread.
#[derive(Debug)]
pub enum Input {
    /// An event as it is.
    Event(Event),
    /// A broker dialled.
    LinkOpened {
        /// The new link.
        link: LinkId,
        /// Who.
        incarnation: Incarnation,
        /// The cluster that it says it belongs to.
        cluster: ClusterId,
        /// Where to send what the broker is told.
        outgoing: crate::transport::Outgoing,
    },
    /// A request over HTTP.
    Admin {
        /// The request.
        request: AdminRequest,
        /// Where the answer goes.
        reply: oneshot::Sender<AdminAnswer>,
    },
    /// A request over HTTP to change the quorum's members.
    ChangeMembers {
        /// The change.
        change: MemberChange,
        /// Where the answer goes.
        reply: oneshot::Sender<Result<(), ChangeError>>,
    },
    /// The process was asked to stop: hand leadership over.
    Stop,
}

/// The controller's thread and what it works with.
pub struct Controller {
    /// The state machine.
    pub node: Node,
    /// The clock of the process.
    pub clock: Clock,
    /// Where sockets are served.
    pub runtime: Handle,
    /// How the process ends.
    pub exit: Exit,
    /// Its own mailbox, for what its tasks find.
    pub events: Mailbox<Input>,
    /// The journal's mailbox.
    pub journal: Mailbox<Persist>,
    /// The other voters.
    pub peers: Peers,
    /// The limits of connections.
    pub vigilance: Vigilance,
    /// Where its state is told.
    pub status: watch::Sender<ControllerStatus>,
    /// Its signs of life.
    pub progress: Progress,
    /// Brokers' links.
    pub links: Links,
    /// Requests that wait.
    pub waiting: BTreeMap<u64, oneshot::Sender<AdminAnswer>>,
    /// Changes of members that wait.
    pub changes: BTreeMap<u64, oneshot::Sender<Result<(), ChangeError>>>,
    /// The number of the next request.
    pub next_token: u64,
}

impl Controller {
    /// Runs until every sender is gone.
    pub fn run(mut self, letters: &Letters<Input>) {
        let mut commands = Vec::new();
        loop {
            let now = self.clock.now();
            self.progress.mark(now);
            if self.node.next_wake() <= now {
                self.handle(Event::Wake, &mut commands);
            }
            match letters.wait(wait_until(self.node.next_wake(), &self.clock)) {
                Letter::Event(input) => self.take(input, &mut commands),
                Letter::Nothing => {}
                Letter::Closed => return,
            }
            for _ in 1..BATCH_MAX {
                match letters.take() {
                    Some(input) => self.take(input, &mut commands),
                    None => break,
                }
            }
            self.tell_status();
        }
    }

    /// Tells its state to whoever reads it, if it changed.
    fn tell_status(&mut self) {
        let status = ControllerStatus::of(&self.node);
        self.status.send_if_modified(|told| {
            let is_new = !told.is_same(&status);
            if is_new {
                if told.leader != status.leader || told.is_active != status.is_active {
                    tracing::info!(
                        term = %status.term,
                        role = status.role,
                        leader = ?status.leader.map(|id| id.0),
                        is_active = status.is_active,
                        "the quorum's leadership changed"
                    );
                }
                *told = status;
            }
            is_new
        });
    }

    fn take(&mut self, input: Input, commands: &mut Vec<Command>) {
        match input {
            Input::Event(event) => {
                if let Event::PeerMet { hello } = &event {
                    self.peers.learn(hello);
                }
                if let Event::LinkClosed { link } = &event {
                    self.links.remove(*link);
                }
                self.handle(event, commands);
            }
            Input::LinkOpened {
                link,
                incarnation,
                cluster,
                outgoing,
            } => {
                self.links.insert(link, outgoing);
                let event = Event::LinkOpened {
                    link,
                    incarnation,
                    cluster,
                };
                self.handle(event, commands);
            }
            Input::Admin { request, reply } => {
                self.waiting.retain(|_, reply| !reply.is_closed());
                if self.waiting.len() >= ADMIN_WAITING_MAX {
                    // The asker sees its channel closed and answers "try again".
                    return;
                }
                let token = self.next_token;
                self.next_token += 1;
                self.waiting.insert(token, reply);
                self.handle(Event::Admin { token, request }, commands);
            }
            Input::ChangeMembers { change, reply } => {
                self.changes.retain(|_, reply| !reply.is_closed());
                if self.changes.len() >= ADMIN_WAITING_MAX {
                    return;
                }
                let token = self.next_token;
                self.next_token += 1;
                self.changes.insert(token, reply);
                self.handle(Event::ChangeMembers { token, change }, commands);
            }
            Input::Stop => self.handle(Event::Stop, commands),
        }
    }

    /// Is connected to every member of the quorum.
    pub fn connect_peers(&mut self) {
        for (id, endpoint) in self.node.peers() {
            self.peers.configure(id, &endpoint);
        }
    }

    fn handle(&mut self, event: Event, commands: &mut Vec<Command>) {
        self.node.handle(self.clock.now(), event, commands);
        for command in commands.drain(..) {
            self.carry_out(command);
        }
    }

    fn carry_out(&mut self, command: Command) {
        match command {
            Command::ToPeer { to, message } => self.peers.send(to, &message),
            Command::Persist(persist) => self.journal.post(persist),
            Command::ToBroker { link, message } => {
                if !self.links.send(link, &message) {
                    tracing::warn!(
                        link = link.0,
                        "closed a broker's link: it takes nothing any more"
                    );
                    self.links.remove(link);
                }
            }
            Command::CloseLink { link } => self.links.remove(link),
            Command::Dial { dial, endpoint } => {
                let events = self.events.clone();
                let vigilance = self.vigilance;
                self.runtime.spawn(async move {
                    let outcome = dials::look(&endpoint, vigilance).await;
                    tracing::debug!(%endpoint, ?outcome, "dialled a broker");
                    events.post(Input::Event(Event::Dialled { dial, outcome }));
                });
            }
            Command::Answer { token, answer } => {
                if let Some(reply) = self.waiting.remove(&token) {
                    // Whoever asked may have gone.
                    drop(reply.send(answer));
                }
            }
            Command::ChangeAnswer { token, answer } => {
                if let Some(reply) = self.changes.remove(&token) {
                    drop(reply.send(answer));
                }
            }
            Command::PeersChanged => {
                self.connect_peers();
                tracing::info!(members = %describe(self.node.membership()), "the quorum's members changed");
            }
            Command::Observed(observation) => observed::log(observation),
            Command::Fatal { reason } => self.exit.fatal(Ending::Refused, &reason),
        }
    }
}

/// Voters and learners, for a person.
fn describe(membership: &Membership) -> String {
    let names = |ids: &BTreeMap<ControllerId, Member>| {
        let each = ids.keys().map(ToString::to_string);
        each.collect::<Vec<_>>().join(",")
    };
    let (voters, learners) = (names(&membership.voters), names(&membership.learners));
    format!("voters {voters}; learners {learners}")
}
