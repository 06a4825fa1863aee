//! Connections to the other voters: one each, dialled by whoever sends.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use kintsugi_node::message::controller::Event;
use kintsugi_node::message::link::Hello;
use kintsugi_quorum::Message;
use kintsugi_types::{ControllerId, Endpoint};
use tokio::io::AsyncReadExt as _;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use super::Input;
use crate::mailbox::Mailbox;
use crate::transport::{Backoff, Outgoing, TransportError, dial, encode, outgoing, write_all};

/// How many messages may wait for one voter; more are dropped.
const PEER_FRAMES_MAX: usize = 512;

/// How long a dial of a voter may take, name lookup included.
const PEER_DIAL_MAX: Duration = Duration::from_millis(500);

/// The first wait after a failed dial: well below the shortest election time-out.
const PEER_WAIT_FIRST: Duration = Duration::from_millis(20);

/// The longest wait after failed dials.
const PEER_WAIT_LONGEST: Duration = Duration::from_millis(500);

/// The senders to all other voters.
#[derive(Debug)]
pub struct Peers {
    peers: BTreeMap<ControllerId, Peer>,
}

#[derive(Debug)]
struct Peer {
    outgoing: Outgoing,
    learned: watch::Sender<Option<Endpoint>>,
}

impl Peers {
    /// Begins a sender to each of `voters`; each introduces itself with `hello`.
    pub fn start(
        runtime: &Handle,
        voters: impl Iterator<Item = (ControllerId, Endpoint)>,
        hello: &Bytes,
        events: &Mailbox<Input>,
    ) -> Self {
        let mut peers = BTreeMap::new();
        for (id, configured) in voters {
            let (outgoing, frames) = outgoing(PEER_FRAMES_MAX);
            let (learned, receiver) = watch::channel(None);
            let task = PeerTask {
                id,
                configured,
                learned: receiver,
                hello: hello.clone(),
                events: events.clone(),
            };
            runtime.spawn(task.run(frames));
            peers.insert(id, Peer { outgoing, learned });
        }
        Self { peers }
    }

    /// Sends to a voter, or drops the message when its queue is full.
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

    /// A voter told where it listens now.
    pub fn learn(&self, hello: &Hello) {
        if let Hello::Controller { id, endpoint, .. } = hello
            && let Some(peer) = self.peers.get(id)
        {
            peer.learned.send_replace(Some(endpoint.clone()));
        }
    }
}

struct PeerTask {
    id: ControllerId,
    configured: Endpoint,
    learned: watch::Receiver<Option<Endpoint>>,
    hello: Bytes,
    events: Mailbox<Input>,
}

impl PeerTask {
    async fn run(mut self, mut frames: mpsc::Receiver<Bytes>) {
        let mut backoff = Backoff::new(PEER_WAIT_FIRST, PEER_WAIT_LONGEST);
        let mut use_learned = false;
        while let Some(first) = frames.recv().await {
            use_learned = !use_learned;
            let learned = self.learned.borrow().clone().filter(|_| use_learned);
            let endpoint = learned.unwrap_or_else(|| self.configured.clone());
            match dial(&endpoint, PEER_DIAL_MAX).await {
                Ok(stream) => {
                    backoff.reset();
                    // The address that worked is tried first the next time.
                    use_learned = !use_learned;
                    let ended = self.exchange(stream, first, &mut frames).await;
                    tracing::info!(peer = %self.id, cause = ?ended.err(), "connection to controller ended");
                    self.events
                        .post(Input::Event(Event::PeerLost { peer: self.id }));
                }
                Err(cause) => {
                    tracing::debug!(peer = %self.id, %cause, "failed to dial controller");
                    self.pause(&mut backoff, &mut frames).await;
                }
            }
        }
    }

    /// Waits, and drops what comes meanwhile: it is stale by the time of the next dial.
    async fn pause(&mut self, backoff: &mut Backoff, frames: &mut mpsc::Receiver<Bytes>) {
        let wait = tokio::time::sleep(backoff.next_wait());
        tokio::pin!(wait);
        loop {
            tokio::select! {
                () = &mut wait => return,
                frame = frames.recv() => if frame.is_none() { return },
                changed = self.learned.changed() => if changed.is_ok() { return },
            }
        }
    }

    /// Sends until the connection breaks. The peer never answers on it, so whatever can be read
    /// is the end of it.
    async fn exchange(
        &self,
        stream: tokio::net::TcpStream,
        first: Bytes,
        frames: &mut mpsc::Receiver<Bytes>,
    ) -> Result<(), TransportError> {
        let (mut reader, writer) = stream.into_split();
        let (queue, queued) = outgoing(PEER_FRAMES_MAX);
        queue.offer(self.hello.clone());
        queue.offer(first);
        let writing = write_all(writer, queued);
        tokio::pin!(writing);
        let mut byte = [0_u8; 1];
        loop {
            tokio::select! {
                written = &mut writing => return written,
                read = reader.read(&mut byte) => { read?; return Ok(()) }
                frame = frames.recv() => match frame {
                    Some(frame) => { queue.offer(frame); }
                    None => return Ok(()),
                },
            }
        }
    }
}
