//! The controller listener: other voters and brokers connect here.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kintsugi_node::message::controller::{Event, LinkId};
use kintsugi_node::message::link::{Hello, ToController};
use kintsugi_quorum::Message;
use kintsugi_secret::handshake::Port;
use kintsugi_types::{ClusterId, ControllerId, Incarnation};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::Input;
use super::links::LINK_FRAMES_MAX;
use crate::mailbox::Mailbox;
use crate::transport::{
    CONTROL_FRAME_BYTES_MAX, FrameReader, GREETING_FRAME_BYTES_MAX, Slots, TransportError,
    Vigilance, outgoing, write_all,
};
use crate::trust::Trust;

/// The most connections of brokers and voters at a time.
const CONNECTIONS_MAX: usize = 1_024;

/// How long whoever connects may take to say who it is.
const HELLO_MAX: Duration = Duration::from_secs(5);

/// How long to wait after a failed accept, for want of descriptors for example.
const ACCEPT_WAIT: Duration = Duration::from_millis(50);

/// What every connection needs.
#[derive(Clone)]
pub struct Reception {
    /// The cluster that whoever connects must belong to.
    pub cluster: ClusterId,
    /// Where events go.
    pub events: Mailbox<Input>,
    /// The number of the next link.
    pub next_link: Arc<AtomicU64>,
    /// The limits of connections.
    pub vigilance: Vigilance,
    /// Whom it lets in.
    pub trust: Trust,
    /// The latest connection of each controller, by a number that counts up.
    pub latest: Arc<Mutex<BTreeMap<ControllerId, u64>>>,
}

/// Accepts connections until the process ends.
pub async fn run(listener: TcpListener, reception: Reception) {
    let slots = Slots::new(CONNECTIONS_MAX);
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(cause) => {
                tracing::warn!(%cause, "failed to accept a connection on the controller listener");
                tokio::time::sleep(ACCEPT_WAIT).await;
                continue;
            }
        };
        let Some(slot) = slots.take() else {
            tracing::warn!(
                max = CONNECTIONS_MAX,
                "refused a connection on the controller listener: all slots are taken"
            );
            continue;
        };
        reception.vigilance.prepare(&stream);
        let reception = reception.clone();
        tokio::spawn(async move {
            if let Err(cause) = reception.receive(stream, peer).await {
                tracing::debug!(%peer, %cause, "connection on the controller listener ended");
            }
            drop(slot);
        });
    }
}

impl Reception {
    async fn receive(&self, stream: TcpStream, peer: SocketAddr) -> Result<(), TransportError> {
        let (reader, mut writer) = stream.into_split();
        let mut frames = FrameReader::new(reader, GREETING_FRAME_BYTES_MAX);
        let (port, trust) = (Port::Controller, &self.trust);
        trust.admit(port, peer, &mut frames, &mut writer).await?;
        let greeting = timeout(HELLO_MAX, frames.message::<Hello>()).await;
        let Ok(greeting) = greeting else {
            return Ok(());
        };
        let Some(hello) = greeting? else {
            return Ok(());
        };
        frames.set_length_max(CONTROL_FRAME_BYTES_MAX);
        match hello {
            Hello::Controller { ref cluster, .. } if *cluster != self.cluster => {
                tracing::warn!(theirs = %cluster, ours = %self.cluster, "refused a controller of another cluster");
                Ok(())
            }
            Hello::Controller { id, .. } => {
                let number = self.next_link.fetch_add(1, Ordering::Relaxed);
                self.latest().insert(id, number);
                self.events.post(Input::Event(Event::PeerMet { hello }));
                let ended = self.hear_peer(id, &mut frames).await;
                // The end of a connection that was replaced says nothing of the peer's life.
                let is_latest = self.latest().get(&id) == Some(&number);
                if is_latest {
                    self.latest().remove(&id);
                    self.events.post(Input::Event(Event::PeerLost { peer: id }));
                }
                ended
            }
            // A broker of another cluster is told so by the controller, and ends.
            Hello::Broker {
                incarnation,
                cluster,
            } => {
                self.serve_broker(incarnation, cluster, frames, writer)
                    .await
            }
        }
    }

    fn latest(&self) -> MutexGuard<'_, BTreeMap<ControllerId, u64>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn hear_peer<R: tokio::io::AsyncRead + Unpin>(
        &self,
        from: ControllerId,
        frames: &mut FrameReader<R>,
    ) -> Result<(), TransportError> {
        while let Some(message) = frames.message::<Message>().await? {
            let event = Event::FromPeer { from, message };
            self.events.post_when_room(Input::Event(event)).await;
        }
        Ok(())
    }

    async fn serve_broker(
        &self,
        incarnation: Incarnation,
        cluster: ClusterId,
        mut frames: FrameReader<tokio::net::tcp::OwnedReadHalf>,
        writer: tokio::net::tcp::OwnedWriteHalf,
    ) -> Result<(), TransportError> {
        let link = LinkId(self.next_link.fetch_add(1, Ordering::Relaxed));
        let (queue, queued) = outgoing(LINK_FRAMES_MAX);
        self.events.post(Input::LinkOpened {
            link,
            incarnation,
            cluster,
            outgoing: queue,
        });
        let hearing = async {
            while let Some(message) = frames.message::<ToController>().await? {
                let event = Event::FromBroker { link, message };
                self.events.post_when_room(Input::Event(event)).await;
            }
            Ok(())
        };
        // Either end of it is the end of the link: the writer ends when the controller lets go.
        let ended = tokio::select! {
            heard = hearing => heard,
            written = write_all(writer, queued) => written,
        };
        self.events.post(Input::Event(Event::LinkClosed { link }));
        ended
    }
}
