//! The replication listener: followers fetch here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kintsugi_node::message::broker::{self, Evidence};
use kintsugi_node::message::replication::{FetchRequest, FetchResponse};
use kintsugi_node::message::shard::{Event, Token};
use kintsugi_secret::handshake::Port;
use kintsugi_types::BrokerId;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::broker::{BrokerHandle, ControlInput, Reply, ShardInput};
use crate::transport::{
    FrameReader, GREETING_FRAME_BYTES_MAX, Slots, TransportError, Vigilance, encode,
};
use crate::trust::Trust;

/// The most connections of followers: a few shards each of a few hundred brokers.
const CONNECTIONS_MAX: usize = 4_096;

/// The largest request of a follower: all positions of 100,000 partitions.
const REQUEST_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How long a follower may take to take an answer.
const WRITE_MAX: Duration = Duration::from_secs(30);

/// How long to wait after a failed accept, for want of descriptors for example.
const ACCEPT_WAIT: Duration = Duration::from_millis(50);

/// Accepts followers until the process ends.
pub async fn serve(listener: TcpListener, broker: Arc<BrokerHandle>, trust: Trust) {
    let slots = Slots::new(CONNECTIONS_MAX);
    let vigilance = Vigilance::of(&broker.settings);
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(cause) => {
                tracing::warn!(%cause, "failed to accept a follower");
                tokio::time::sleep(ACCEPT_WAIT).await;
                continue;
            }
        };
        let Some(slot) = slots.take() else {
            broker.metrics.limit("replication.connections");
            continue;
        };
        vigilance.prepare(&stream);
        let follower = Follower {
            broker: Arc::clone(&broker),
            trust: trust.clone(),
            peer,
            id: None,
        };
        tokio::spawn(async move {
            follower.serve(stream).await;
            drop(slot);
        });
    }
}

struct Follower {
    broker: Arc<BrokerHandle>,
    trust: Trust,
    peer: SocketAddr,
    id: Option<BrokerId>,
}

impl Follower {
    async fn serve(mut self, stream: TcpStream) {
        if let Err(cause) = self.answer_all(stream).await {
            tracing::debug!(follower = ?self.id, cause = crate::thread::chain(&cause), "connection of a follower ended");
        }
        if let Some(broker) = self.id {
            let event = broker::Event::PeerConnection {
                broker,
                evidence: Evidence::Reset,
            };
            self.broker.control.post(ControlInput::Event(event));
        }
    }

    async fn answer_all(&mut self, stream: TcpStream) -> Result<(), TransportError> {
        let (reader, mut writer) = stream.into_split();
        let mut frames = FrameReader::new(reader, GREETING_FRAME_BYTES_MAX);
        let (port, peer) = (Port::Replication, self.peer);
        let admitted = self.trust.admit(port, peer, &mut frames, &mut writer);
        admitted.await?;
        frames.set_length_max(REQUEST_BYTES_MAX);
        while let Some(request) = frames.message::<FetchRequest>().await? {
            self.id = Some(request.follower);
            let shard = request.leader_shard;
            let token = self.broker.token();
            let Some(answer) = self.ask(token, request) else {
                return Ok(());
            };
            let response = tokio::select! {
                answer = answer => answer,
                // One fetch is in flight at a time, so whatever can be read is the end.
                ended = frames.next() => {
                    self.broker.cancel(shard, token);
                    return ended.map(|_| ());
                }
            };
            let Ok(response) = response else {
                return Ok(());
            };
            let frame = encode(&response)?;
            let batches_bytes: usize = response.partitions.iter().map(|p| p.batches.len()).sum();
            match timeout(WRITE_MAX, writer.write_all(&frame)).await {
                Ok(written) => {
                    written?;
                    let traffic = &self.broker.metrics.traffic;
                    traffic.replication_bytes_out.inc_by(batches_bytes as u64);
                }
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    fn ask(&self, token: Token, request: FetchRequest) -> Option<oneshot::Receiver<FetchResponse>> {
        let mailbox = self.broker.shards.get(usize::from(request.leader_shard))?;
        let (reply, answer) = oneshot::channel();
        mailbox.post(ShardInput::Ask {
            token,
            event: Event::ReplicaFetch { token, request },
            reply: Reply::Replica(reply),
        });
        Some(answer)
    }
}
