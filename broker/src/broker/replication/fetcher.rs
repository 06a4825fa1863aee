//! A shard's connections to leaders: one for each shard of each leader and each class of fetches.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kintsugi_node::message::broker::{self, Evidence};
use kintsugi_node::message::replication::{FetchClass, FetchRequest, FetchResponse};
use kintsugi_node::message::shard::Event;
use kintsugi_secret::handshake::Port;
use kintsugi_types::{BrokerId, Endpoint};
use prometheus::IntCounter;
use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::broker::{ControlInput, ShardInput};
use crate::mailbox::Mailbox;
use crate::transport::{
    FrameReader, REPLICATION_FRAME_BYTES_MAX, TransportError, Vigilance, dial, encode,
};
use crate::trust::Trust;

/// How long a dial of a leader may take.
const FETCH_DIAL_MAX: Duration = Duration::from_millis(300);

/// How long beyond `max_wait_ms` an answer may take: reading and sending megabytes on a busy
/// machine.
const FETCH_GRACE: Duration = Duration::from_secs(5);

/// A connection without a fetch for so long is closed.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// The connections of one shard.
pub struct Fetchers {
    runtime: Handle,
    shard: Mailbox<ShardInput>,
    control: Mailbox<ControlInput>,
    vigilance: Vigilance,
    trust: Trust,
    bytes_in: IntCounter,
    open: BTreeMap<(BrokerId, u16, FetchClass), Running>,
}

/// A connection's task.
struct Running {
    work: mpsc::Sender<(Endpoint, FetchRequest)>,
    /// Whether a fetch is in flight.
    is_busy: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Fetchers {
    /// None yet.
    pub fn new(
        runtime: Handle,
        shard: Mailbox<ShardInput>,
        control: Mailbox<ControlInput>,
        vigilance: Vigilance,
        trust: Trust,
        bytes_in: IntCounter,
    ) -> Self {
        Self {
            runtime,
            shard,
            control,
            vigilance,
            trust,
            bytes_in,
            open: BTreeMap::new(),
        }
    }

    /// Sends a fetch; its answer or failure goes to the shard's mailbox.
    pub fn fetch(&mut self, leader: BrokerId, endpoint: Endpoint, request: FetchRequest) {
        let key = (leader, request.leader_shard, request.class);
        let mut work = (endpoint, request);
        if let Some(running) = self.open.get(&key) {
            if !running.is_busy.swap(true, Ordering::AcqRel) {
                match running.work.try_send(work) {
                    Ok(()) => return,
                    // The task has just ended for want of work.
                    Err(full_or_closed) => work = full_or_closed.into_inner(),
                }
            }
            // What is in flight is replaced, and its connection closed.
            running.task.abort();
        }
        let (sender, receiver) = mpsc::channel(1);
        let is_busy = Arc::new(AtomicBool::new(true));
        let task = Fetcher {
            leader,
            leader_shard: key.1,
            class: key.2,
            shard: self.shard.clone(),
            control: self.control.clone(),
            vigilance: self.vigilance,
            trust: self.trust.clone(),
            bytes_in: self.bytes_in.clone(),
            is_busy: Arc::clone(&is_busy),
        };
        let task = self.runtime.spawn(task.run(work, receiver)).abort_handle();
        self.open.retain(|_, running| !running.work.is_closed());
        let running = Running {
            work: sender,
            is_busy,
            task,
        };
        self.open.insert(key, running);
    }
}

/// An open connection and whom it was dialled for.
struct Connection {
    endpoint: Endpoint,
    frames: FrameReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

struct Fetcher {
    leader: BrokerId,
    leader_shard: u16,
    class: FetchClass,
    shard: Mailbox<ShardInput>,
    control: Mailbox<ControlInput>,
    vigilance: Vigilance,
    trust: Trust,
    /// Of batches that leaders answered with.
    bytes_in: IntCounter,
    is_busy: Arc<AtomicBool>,
}

impl Fetcher {
    async fn run(
        self,
        first: (Endpoint, FetchRequest),
        mut work: mpsc::Receiver<(Endpoint, FetchRequest)>,
    ) {
        let mut connection = None;
        let mut next = Some(first);
        while let Some((endpoint, request)) = next.take() {
            let result = self.exchange(&mut connection, endpoint, &request).await;
            self.is_busy.store(false, Ordering::Release);
            match result {
                Ok(response) => {
                    let bytes: usize = response.partitions.iter().map(|p| p.batches.len()).sum();
                    self.bytes_in.inc_by(bytes as u64);
                    self.shard.post(ShardInput::Event(Event::ReplicaFetched {
                        leader: self.leader,
                        leader_shard: self.leader_shard,
                        response,
                    }));
                }
                Err(cause) => {
                    tracing::debug!(leader = %self.leader, cause = crate::thread::chain(&cause), "fetch from leader failed");
                    connection = None;
                    self.tell_evidence(&cause);
                    self.shard
                        .post(ShardInput::Event(Event::ReplicaFetchFailed {
                            leader: self.leader,
                            leader_shard: self.leader_shard,
                            class: self.class,
                        }));
                }
            }
            next = self.idle(&mut connection, &mut work).await;
        }
    }

    /// Waits for the next fetch, and notices when the connection breaks meanwhile.
    async fn idle(
        &self,
        connection: &mut Option<Connection>,
        work: &mut mpsc::Receiver<(Endpoint, FetchRequest)>,
    ) -> Option<(Endpoint, FetchRequest)> {
        if let Some(open) = connection {
            let broken = tokio::select! {
                next = timeout(IDLE_MAX, work.recv()) => return next.ok().flatten(),
                broken = open.frames.next() => broken,
            };
            *connection = None;
            let cause = broken.err().unwrap_or_else(ended);
            self.tell_evidence(&cause);
        }
        timeout(IDLE_MAX, work.recv()).await.ok().flatten()
    }

    async fn exchange(
        &self,
        connection: &mut Option<Connection>,
        endpoint: Endpoint,
        request: &FetchRequest,
    ) -> Result<FetchResponse, TransportError> {
        let frame = encode(request)?;
        let reusable = connection.take().filter(|open| open.endpoint == endpoint);
        let open = match reusable {
            Some(open) => open,
            None => self.connect(endpoint).await?,
        };
        let open = connection.insert(open);
        let limit = Duration::from_millis(request.max_wait_ms.into()) + FETCH_GRACE;
        let answered = timeout(limit, async {
            open.writer.write_all(&frame).await?;
            open.frames.message::<FetchResponse>().await
        });
        match answered.await {
            Ok(answer) => answer?.ok_or_else(ended),
            Err(_) => Err(TransportError::TimedOut {
                millis: limit.as_millis(),
            }),
        }
    }

    async fn connect(&self, endpoint: Endpoint) -> Result<Connection, TransportError> {
        let mut stream = dial(&endpoint, FETCH_DIAL_MAX, self.vigilance).await?;
        let port = Port::Replication;
        self.trust.prove(port, &endpoint, &mut stream).await?;
        let (reader, writer) = stream.into_split();
        Ok(Connection {
            endpoint,
            frames: FrameReader::new(reader, REPLICATION_FRAME_BYTES_MAX),
            writer,
        })
    }

    /// Says what a broken connection tells of the leader. Silence tells nothing.
    fn tell_evidence(&self, cause: &TransportError) {
        let evidence = match cause {
            _ if cause.is_refused() => Evidence::Refused,
            TransportError::Io(_) => Evidence::Reset,
            _ => return,
        };
        self.control
            .post(ControlInput::Event(broker::Event::PeerConnection {
                broker: self.leader,
                evidence,
            }));
    }
}

fn ended() -> TransportError {
    TransportError::Io(std::io::ErrorKind::UnexpectedEof.into())
}
