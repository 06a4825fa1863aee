//! One client's connection.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesOrdered;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep_until};

use super::output::write_pieces;
use crate::api::{self, Answering, Context};
use crate::broker::Gate;
use crate::transport::{FrameReader, TransportError};

/// How long a request may take to arrive once its length is known: what has come of it holds
/// memory that others wait for.
const ARRIVAL_MAX: Duration = Duration::from_secs(30);

/// How long requests are held while the broker is not ready. Its image usually arrives within
/// milliseconds of its registration; a client that is let go tries another broker.
const NOT_READY_MAX: Duration = Duration::from_secs(2);

/// A connection and its limits.
pub struct Connection {
    context: Arc<Context>,
    memory: Arc<Semaphore>,
    idle_max: Duration,
    requests_max: usize,
    /// The memory of the request that is arriving.
    arriving: Option<(OwnedSemaphorePermit, Instant)>,
    /// A request that came before the broker was ready.
    held: Option<(Request, Instant)>,
    last_active: Instant,
}

/// Waits until the broker serves clients.
async fn ready(gate: &mut watch::Receiver<Gate>) {
    // The sender lives as long as the process.
    drop(gate.wait_for(Gate::is_open).await);
}

/// Waits until the lease ran out again since it had `expiries` times.
async fn expired(gate: &mut watch::Receiver<Gate>, expiries: u64) {
    drop(gate.wait_for(|gate| gate.expiries != expiries).await);
}

/// A request's bytes and the memory they hold.
struct Request {
    frame: Bytes,
    memory: OwnedSemaphorePermit,
}

impl Connection {
    /// A connection that takes its requests' memory from `memory`.
    pub fn new(context: Arc<Context>, memory: Arc<Semaphore>) -> Self {
        let settings = &context.broker.settings;
        Self {
            idle_max: settings.millis("connections.max.idle.ms"),
            requests_max: settings.size("kintsugi.connection.requests.max"),
            context,
            memory,
            arriving: None,
            held: None,
            last_active: Instant::now(),
        }
    }

    /// Serves until either side has enough.
    pub async fn serve(mut self, stream: TcpStream) {
        let connections = self.context.broker.metrics.traffic.connections.clone();
        connections.inc();
        let mut gate = self.context.broker.gate.clone();
        let expiries = gate.borrow().expiries;
        tokio::select! {
            ended = self.answer_all(stream) => if let Err(cause) = ended {
                tracing::debug!(cause = crate::thread::chain(&cause), "connection of a client ended");
            },
            // Its lease ran out: what this broker last said may no longer be true.
            () = expired(&mut gate, expiries) => {}
        }
        connections.dec();
    }

    async fn answer_all(&mut self, stream: TcpStream) -> Result<(), TransportError> {
        let request_max = self
            .context
            .broker
            .settings
            .size("socket.request.max.bytes");
        let (reader, mut writer) = stream.into_split();
        let mut frames = FrameReader::new(reader, request_max);
        let mut in_flight: FuturesOrdered<Answering> = FuturesOrdered::new();
        let mut gate = self.context.broker.gate.clone();
        loop {
            let may_read = self.held.is_none() && in_flight.len() < self.requests_max;
            let deadline = self.deadline(in_flight.is_empty());
            tokio::select! {
                Some(answer) = in_flight.next() => {
                    if !self.write(&mut writer, answer).await? {
                        return Ok(());
                    }
                }
                request = self.next_request(&mut frames), if may_read => {
                    let Some(request) = request? else { return Ok(()) };
                    self.last_active = Instant::now();
                    if !self.begin(request, &mut in_flight) {
                        return Ok(());
                    }
                }
                () = ready(&mut gate), if self.held.is_some() => {
                    if let Some((request, _)) = self.held.take()
                        && !self.begin(request, &mut in_flight)
                    {
                        return Ok(());
                    }
                }
                () = sleep_until(deadline) => return Ok(()),
            }
        }
    }

    /// When the connection is given up unless something happens.
    fn deadline(&self, is_waiting_for_client: bool) -> Instant {
        if let Some((_, since)) = &self.held {
            return *since + NOT_READY_MAX;
        }
        if let Some((_, since)) = &self.arriving {
            return *since + ARRIVAL_MAX;
        }
        match is_waiting_for_client {
            true => self.last_active + self.idle_max,
            // The API's own limits end whatever is in flight.
            false => Instant::now() + self.idle_max,
        }
    }

    /// The next request. May be dropped and begun again without losing bytes.
    async fn next_request(
        &mut self,
        frames: &mut FrameReader<OwnedReadHalf>,
    ) -> Result<Option<Request>, TransportError> {
        let Some(length) = frames.length().await? else {
            return Ok(None);
        };
        if self.arriving.is_none() {
            let permits = u32::try_from(length).unwrap_or(u32::MAX).max(1);
            if self.memory.available_permits() < length {
                self.context
                    .broker
                    .metrics
                    .limit("queued.max.request.bytes");
            }
            let memory = Arc::clone(&self.memory).acquire_many_owned(permits).await;
            let Ok(memory) = memory else {
                return Ok(None);
            };
            self.arriving = Some((memory, Instant::now()));
        }
        let Some(frame) = frames.next().await? else {
            return Ok(None);
        };
        let memory = self.arriving.take().map(|(memory, _)| memory);
        Ok(memory.map(|memory| Request { frame, memory }))
    }

    /// Begins to serve a request, or holds it; false when the connection is to be closed.
    fn begin(&mut self, request: Request, in_flight: &mut FuturesOrdered<Answering>) -> bool {
        let is_open = self.context.broker.gate.borrow().is_open();
        if !is_open && !api::is_served_before_ready(&request.frame) {
            self.held = Some((request, Instant::now()));
            return true;
        }
        let metrics = &self.context.broker.metrics;
        metrics.traffic.bytes_in.inc_by(request.frame.len() as u64);
        let Some(answering) = api::begin(&self.context, request.frame) else {
            return false;
        };
        let waiting = metrics.traffic.requests_waiting.clone();
        waiting.inc();
        let memory = request.memory;
        in_flight.push_back(Box::pin(async move {
            let answer = answering.await;
            drop(memory);
            waiting.dec();
            answer
        }));
        true
    }

    /// Writes an answer; false when the connection is to be closed instead.
    async fn write(
        &mut self,
        writer: &mut OwnedWriteHalf,
        answer: api::Answer,
    ) -> Result<bool, TransportError> {
        self.last_active = Instant::now();
        let api::Answer::Frame { pieces, memory } = answer else {
            return Ok(!matches!(answer, api::Answer::Close));
        };
        let size_bytes: usize = pieces.iter().map(Bytes::len).sum();
        write_pieces(writer, pieces).await?;
        drop(memory);
        self.context
            .broker
            .metrics
            .traffic
            .bytes_out
            .inc_by(size_bytes as u64);
        self.last_active = Instant::now();
        Ok(true)
    }
}
