//! Connections to other controllers: one each, dialled by whoever sends.
//!
//! Guarantees: at most [`PEERS_MAX`] of them; each tries the address that its controller told
//! last and the configured one in turn; one to a process that was replaced is dropped as soon as
//! the new process introduces itself, however long the old one's silence would take to notice.

use std::collections::BTreeMap;

use bytes::Bytes;
use kintsugi_node::message::link::Hello;
use kintsugi_quorum::Message;
use kintsugi_types::{ControllerId, Endpoint};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::Input;
use super::peer_task::{Addresses, PeerTask};
use crate::mailbox::Mailbox;
use crate::transport::{Outgoing, Vigilance, encode, outgoing};
use crate::trust::Trust;

/// The most other controllers: all voters and learners, and some that were or will be.
const PEERS_MAX: usize = 64;

/// How many messages may wait for one controller; more are dropped.
pub const PEER_FRAMES_MAX: usize = 512;

/// The senders to all other controllers.
#[derive(Debug)]
pub struct Peers {
    id: ControllerId,
    runtime: Handle,
    /// What each connection begins with.
    hello: Bytes,
    events: Mailbox<Input>,
    vigilance: Vigilance,
    trust: Trust,
    peers: BTreeMap<ControllerId, Peer>,
}

#[derive(Debug)]
struct Peer {
    outgoing: Outgoing,
    addresses: watch::Sender<Addresses>,
}

impl Peers {
    /// No peer yet; this one is `id` and introduces itself with `hello`.
    pub const fn new(
        id: ControllerId,
        runtime: Handle,
        hello: Bytes,
        events: Mailbox<Input>,
        vigilance: Vigilance,
        trust: Trust,
    ) -> Self {
        Self {
            id,
            runtime,
            hello,
            events,
            vigilance,
            trust,
            peers: BTreeMap::new(),
        }
    }

    /// Where a controller listens, by the configuration or by the quorum.
    pub fn configure(&mut self, id: ControllerId, endpoint: &Endpoint) {
        self.update(id, |addresses| {
            addresses.configured = Some(endpoint.clone());
        });
    }

    /// A controller told where it listens now, and which process it is.
    pub fn learn(&mut self, hello: &Hello) {
        if let Hello::Controller {
            id,
            endpoint,
            process,
            ..
        } = hello
        {
            self.update(*id, |addresses| {
                addresses.learned = Some(endpoint.clone());
                addresses.process = Some(*process);
            });
        }
    }

    /// Sends to a controller, or drops the message when its queue is full.
    pub fn send(&self, to: ControllerId, message: &Message) {
        let Some(peer) = self.peers.get(&to) else {
            return;
        };
        match encode(message) {
            Ok(frame) => {
                peer.outgoing.offer(frame);
            }
            Err(cause) => tracing::error!(%cause, "failed to encode a message to a controller"),
        }
    }

    fn update(&mut self, id: ControllerId, change: impl FnOnce(&mut Addresses)) {
        if id == self.id {
            return;
        }
        if let Some(peer) = self.peers.get(&id) {
            peer.addresses.send_if_modified(|addresses| {
                let before = addresses.clone();
                change(addresses);
                *addresses != before
            });
            return;
        }
        if self.peers.len() >= PEERS_MAX {
            tracing::warn!(peer = %id, max = PEERS_MAX, "ignored a controller: there are too many");
            return;
        }
        let mut addresses = Addresses::default();
        change(&mut addresses);
        let (outgoing, frames) = outgoing(PEER_FRAMES_MAX);
        let (sender, receiver) = watch::channel(addresses);
        let task = PeerTask {
            id,
            addresses: receiver,
            hello: self.hello.clone(),
            events: self.events.clone(),
            vigilance: self.vigilance,
            trust: self.trust.clone(),
        };
        self.runtime.spawn(task.run(frames));
        let peer = Peer {
            outgoing,
            addresses: sender,
        };
        self.peers.insert(id, peer);
    }
}
