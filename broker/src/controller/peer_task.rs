//! One connection to another controller: dial, send, drop, dial again.

use std::time::Duration;

use bytes::Bytes;
use kintsugi_node::message::controller::Event;
use kintsugi_secret::handshake::Port;
use kintsugi_types::{ControllerId, Endpoint};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};

use super::Input;
use super::peers::PEER_FRAMES_MAX;
use crate::mailbox::Mailbox;
use crate::transport::{Backoff, TransportError, Vigilance, dial, outgoing, write_all};
use crate::trust::Trust;

/// How long a dial of a controller may take, name lookup included.
const PEER_DIAL_MAX: Duration = Duration::from_millis(500);

/// The first wait after a failed dial: well below the shortest election time-out.
const PEER_WAIT_FIRST: Duration = Duration::from_millis(20);

/// The longest wait after failed dials.
const PEER_WAIT_LONGEST: Duration = Duration::from_millis(500);

/// What is known of where a controller listens.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Addresses {
    /// By the settings, or by the quorum's configuration.
    pub configured: Option<Endpoint>,
    /// By its own word.
    pub learned: Option<Endpoint>,
    /// Which process that was: drawn anew by each.
    pub process: Option<u64>,
}

/// The sender to one controller.
pub struct PeerTask {
    /// Whom it sends to.
    pub id: ControllerId,
    /// Where that one listens.
    pub addresses: watch::Receiver<Addresses>,
    /// What each connection begins with.
    pub hello: Bytes,
    /// Where a broken connection is told.
    pub events: Mailbox<Input>,
    /// The limits of the connection.
    pub vigilance: Vigilance,
    /// How it proves itself.
    pub trust: Trust,
}

/// How a connection ended.
enum End {
    /// It broke, or the other side closed it.
    Broken(Result<(), TransportError>),
    /// The process that it was dialled for is gone: another one introduced itself.
    Replaced,
    /// Nobody sends any more.
    Unneeded,
}

impl PeerTask {
    /// Runs until every sender is gone.
    pub async fn run(mut self, mut frames: mpsc::Receiver<Bytes>) {
        let mut backoff = Backoff::new(PEER_WAIT_FIRST, PEER_WAIT_LONGEST);
        let mut use_learned = false;
        while let Some(first) = frames.recv().await {
            use_learned = !use_learned;
            let known = self.addresses.borrow_and_update().clone();
            let preferred = match use_learned {
                true => known.learned.or(known.configured),
                false => known.configured.or(known.learned),
            };
            let Some(endpoint) = preferred else {
                continue;
            };
            match self.reach(&endpoint).await {
                Ok(stream) => {
                    backoff.reset();
                    // The address that worked is tried first the next time.
                    use_learned = !use_learned;
                    let end = self.exchange(stream, first, &mut frames, known.process);
                    match end.await {
                        End::Unneeded => return,
                        End::Replaced => {
                            tracing::info!(peer = %self.id, "dropped the connection to a controller: another process took its place");
                        }
                        End::Broken(cause) => {
                            tracing::info!(peer = %self.id, cause = ?cause.err(), "connection to controller ended");
                        }
                    }
                    let lost = Event::PeerLost { peer: self.id };
                    self.events.post(Input::Event(lost));
                }
                Err(cause) => {
                    tracing::debug!(peer = %self.id, %cause, "failed to dial controller");
                    self.pause(&mut backoff, &mut frames).await;
                }
            }
        }
    }

    async fn reach(&self, endpoint: &Endpoint) -> Result<TcpStream, TransportError> {
        let mut stream = dial(endpoint, PEER_DIAL_MAX, self.vigilance).await?;
        let port = Port::Controller;
        self.trust.prove(port, endpoint, &mut stream).await?;
        Ok(stream)
    }

    /// Waits, and drops what comes meanwhile: it is stale by the time of the next dial.
    async fn pause(&mut self, backoff: &mut Backoff, frames: &mut mpsc::Receiver<Bytes>) {
        let wait = tokio::time::sleep(backoff.next_wait());
        tokio::pin!(wait);
        loop {
            tokio::select! {
                () = &mut wait => return,
                frame = frames.recv() => if frame.is_none() { return },
                changed = self.addresses.changed() => if changed.is_ok() { return },
            }
        }
    }

    /// Sends until the connection ends. The peer never answers on it, so whatever can be read is
    /// the end of it.
    async fn exchange(
        &mut self,
        stream: TcpStream,
        first: Bytes,
        frames: &mut mpsc::Receiver<Bytes>,
        mut process: Option<u64>,
    ) -> End {
        let (mut reader, writer) = stream.into_split();
        let (queue, queued) = outgoing(PEER_FRAMES_MAX);
        queue.offer(self.hello.clone());
        queue.offer(first);
        let writing = write_all(writer, queued);
        tokio::pin!(writing);
        let mut byte = [0_u8; 1];
        loop {
            tokio::select! {
                written = &mut writing => return End::Broken(written),
                read = reader.read(&mut byte) => return End::Broken(read.map(drop).map_err(Into::into)),
                frame = frames.recv() => match frame {
                    Some(frame) => { queue.offer(frame); }
                    None => return End::Unneeded,
                },
                changed = self.addresses.changed() => {
                    let now = self.addresses.borrow_and_update().process;
                    if changed.is_err() {
                        return End::Unneeded;
                    }
                    if process.is_some() && now != process {
                        return End::Replaced;
                    }
                    // Whoever introduces itself first after the dial is whom it reached.
                    process = now;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use kintsugi_node::message::link::Hello;
    use kintsugi_quorum::Message;
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::super::peers::Peers;
    use super::*;
    use crate::mailbox::mailbox;
    use crate::transport::{FrameReader, GREETING_FRAME_BYTES_MAX, encode};

    const PATIENCE: Duration = Duration::from_secs(5);

    fn hello(process: u64, endpoint: Endpoint) -> Hello {
        Hello::Controller {
            id: ControllerId(2),
            directory: kintsugi_types::DirectoryId(uuid::Uuid::from_u128(2)),
            cluster: "AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap(),
            endpoint,
            process,
        }
    }

    fn peers(listener: &TcpListener) -> (Peers, Endpoint, crate::mailbox::Letters<Input>) {
        let endpoint = Endpoint {
            host: "127.0.0.1".to_owned(),
            port: listener.local_addr().unwrap().port(),
        };
        let vigilance = Vigilance {
            unacknowledged: Duration::from_millis(1_500),
            keepalive: Duration::from_secs(1),
        };
        let (events, letters) = mailbox();
        let mine = encode(&hello(9, endpoint.clone())).unwrap();
        let (id, trust) = (ControllerId(1), Trust::of_everybody());
        let mut peers = Peers::new(id, Handle::current(), mine, events, vigilance, trust);
        peers.configure(ControllerId(2), &endpoint);
        (peers, endpoint, letters)
    }

    use tokio::runtime::Handle;

    fn message() -> Message {
        Message {
            term: kintsugi_types::Term(1),
            directory: kintsugi_types::DirectoryId(uuid::Uuid::from_u128(1)),
            voting: true,
            body: kintsugi_quorum::Body::HeartbeatReply,
        }
    }

    async fn accept(listener: &TcpListener) -> TcpStream {
        timeout(PATIENCE, listener.accept())
            .await
            .unwrap()
            .unwrap()
            .0
    }

    #[tokio::test]
    async fn a_connection_to_a_silent_process_is_dropped_when_the_next_one_introduces_itself() {
        // It accepts and never says or closes anything: like a machine that lost its power.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (mut peers, endpoint, _letters) = peers(&silent);
        peers.learn(&hello(1, endpoint.clone()));
        peers.send(ControllerId(2), &message());
        let first = accept(&silent).await;
        let mut frames = FrameReader::new(first, GREETING_FRAME_BYTES_MAX);
        for _ in 0..2 {
            assert!(
                timeout(PATIENCE, frames.next())
                    .await
                    .unwrap()
                    .unwrap()
                    .is_some()
            );
        }
        // The same process again changes nothing; another one does.
        peers.learn(&hello(1, endpoint.clone()));
        peers.learn(&hello(2, endpoint));
        let end = timeout(PATIENCE, frames.next()).await.unwrap();
        assert!(
            matches!(end, Ok(None) | Err(_)),
            "the connection is dropped"
        );
        peers.send(ControllerId(2), &message());
        let second = accept(&silent).await;
        let mut frames = FrameReader::new(second, GREETING_FRAME_BYTES_MAX);
        let greeting = timeout(PATIENCE, frames.message::<Hello>()).await.unwrap();
        assert!(greeting.unwrap().is_some());
    }
}
