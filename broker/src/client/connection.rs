//! One client's connection.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesOrdered;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::intake::{Intake, Request, Taken};
use super::output::{Patience, write_pieces};
use super::requests::RequestMemory;
use crate::api::{self, Answering, Context};
use crate::broker::Gate;
use crate::transport::TransportError;

/// How long requests are held while the broker is not ready. Its image usually arrives within
/// milliseconds of its registration; a client that is let go tries another broker.
const NOT_READY_MAX: Duration = Duration::from_secs(2);

/// A connection and its limits.
pub struct Connection {
    context: Arc<Context>,
    memory: RequestMemory,
    idle_max: Duration,
    /// How long the first request may take to begin; `None` once it has.
    first_max: Option<Duration>,
    requests_max: usize,
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

impl Connection {
    /// A connection that takes its requests' memory from `memory`.
    pub fn new(context: Arc<Context>, memory: RequestMemory) -> Self {
        let settings = &context.broker.settings;
        Self {
            idle_max: settings.millis("connections.max.idle.ms"),
            first_max: Some(settings.millis("kintsugi.first.request.ms")),
            requests_max: settings.size("kintsugi.connection.requests.max"),
            context,
            memory,
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
                if let Some(limit) = cause.limit() {
                    self.context.broker.metrics.limit(limit);
                }
                tracing::debug!(cause = crate::thread::chain(&cause), "connection of a client ended");
            },
            // Its lease ran out: what this broker last said may no longer be true.
            () = expired(&mut gate, expiries) => {}
        }
        connections.dec();
    }

    async fn answer_all(&mut self, stream: TcpStream) -> Result<(), TransportError> {
        let (reader, mut writer) = stream.into_split();
        let broker = Arc::clone(&self.context.broker);
        let (memory, metrics) = (self.memory.clone(), broker.metrics.clone());
        let mut intake = Intake::new(reader, memory, &broker.settings, metrics);
        let mut in_flight: FuturesOrdered<Answering> = FuturesOrdered::new();
        let mut gate = self.context.broker.gate.clone();
        loop {
            let may_read = self.held.is_none() && in_flight.len() < self.requests_max;
            let (deadline, limit) = self.deadline(&intake, in_flight.is_empty());
            tokio::select! {
                Some(answer) = in_flight.next() => {
                    if !self.write(&mut writer, answer).await? {
                        return Ok(());
                    }
                }
                taken = intake.next(), if may_read => {
                    let request = match taken? {
                        Taken::Request(request) => request,
                        Taken::Deadline => continue,
                        Taken::End => return Ok(()),
                    };
                    self.last_active = Instant::now();
                    self.first_max = None;
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
                () = sleep_until(deadline) => {
                    let passed = match limit {
                        Some(limit) => Some(limit),
                        None => intake.overdue(Instant::now()),
                    };
                    if let Some(limit) = passed {
                        broker.metrics.limit(limit);
                        return Ok(());
                    }
                }
            }
        }
    }

    /// When the connection is given up unless something happens, and by which limit: without
    /// one, the request in arrival is to be looked at.
    fn deadline(&self, intake: &Intake, is_idle: bool) -> (Instant, Option<&'static str>) {
        if let Some((_, since)) = &self.held {
            return (*since + NOT_READY_MAX, Some("broker.not.ready"));
        }
        if let Some(arriving) = intake.deadline() {
            return (arriving, None);
        }
        if intake.is_arriving() {
            // It waits for memory: its turn comes by the limits of the others.
            return (Instant::now() + self.idle_max, None);
        }
        match self.first_max {
            Some(first_max) => (
                self.last_active + first_max,
                Some("kintsugi.first.request.ms"),
            ),
            None if is_idle => (
                self.last_active + self.idle_max,
                Some("connections.max.idle.ms"),
            ),
            // The API's own limits end whatever is in flight.
            None => (Instant::now() + self.idle_max, None),
        }
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
        if in_flight.len() + 1 == self.requests_max {
            metrics.limit("kintsugi.connection.requests.max");
        }
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
        let settings = &self.context.broker.settings;
        let patience = Patience {
            silent_max: settings.millis("kintsugi.write.stall.ms"),
            short_max: settings.millis("kintsugi.connection.stall.ms"),
        };
        let is_short = || self.memory.is_short() || self.context.has_short_memory();
        write_pieces(writer, pieces, patience, is_short).await?;
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
