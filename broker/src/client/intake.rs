//! Requests as they arrive on one connection, with the memory that they hold.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::Instant;

use super::requests::{ARRIVING_BYTES, Held, RequestMemory};
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::transport::{Arrival, FrameReader, TransportError};

/// What a connection has to bring or take while others wait for memory, in
/// `kintsugi.connection.stall.ms`. Kafka's clients move megabytes meanwhile.
pub const STALL_BYTES: usize = 16 * 1024;

/// How many such times a request may take to arrive while others wait for memory.
const STALL_PARTS: usize = 8;

/// A request's bytes and the memory they hold.
#[derive(Debug)]
pub struct Request {
    /// The frame without its length.
    pub frame: Bytes,
    /// Its memory, to be kept until it was served.
    pub memory: Option<Held>,
}

/// What an intake is left with.
#[derive(Debug)]
pub enum Taken {
    /// A whole request.
    Request(Request),
    /// Another deadline: a request began to arrive, or began or ended to wait for memory.
    Deadline,
    /// The end of the connection.
    End,
}

/// A wait for memory; kept over other waits so that it does not lose its place.
type Wait = Pin<Box<dyn Future<Output = Option<Held>> + Send>>;

/// Reads requests.
pub struct Intake {
    frames: FrameReader<OwnedReadHalf>,
    memory: RequestMemory,
    metrics: Metrics,
    arrival_max: Duration,
    stall_max: Duration,
    /// The request that is arriving: since when, without waits for memory, and its length.
    since: Option<Instant>,
    length: usize,
    held: Option<Held>,
    /// The wait for memory under way, and since when.
    wait: Option<(Wait, Instant)>,
    /// A small request that waits for memory as a whole.
    whole: Option<Bytes>,
    /// When it was last looked at how much has come, and how much had.
    looked: (Instant, usize),
}

impl Intake {
    /// Reads from `reader` what the settings allow.
    pub fn new(
        reader: OwnedReadHalf,
        memory: RequestMemory,
        settings: &Settings,
        metrics: Metrics,
    ) -> Self {
        Self {
            frames: FrameReader::new(reader, settings.size("socket.request.max.bytes")),
            memory,
            metrics,
            arrival_max: settings.millis("kintsugi.request.arrival.ms"),
            stall_max: settings.millis("kintsugi.connection.stall.ms"),
            since: None,
            length: 0,
            held: None,
            wait: None,
            whole: None,
            looked: (Instant::now(), 0),
        }
    }

    /// Whether a request is arriving.
    pub fn is_arriving(&self) -> bool {
        self.since.is_some()
    }

    /// When [`Self::overdue`] should be asked, if nothing arrives before. `None` while nothing is
    /// expected of the client.
    pub fn deadline(&self) -> Option<Instant> {
        let since = self.since?;
        match self.wait {
            Some(_) => None,
            None => Some((since + self.arrival_max).min(self.looked.0 + self.stall_max)),
        }
    }

    /// The limit that the request in arrival has passed, if any: it took too long, or it holds
    /// memory for which others wait and hardly anything of it comes.
    pub fn overdue(&mut self, now: Instant) -> Option<&'static str> {
        let since = self.since?;
        if self.wait.is_some() {
            return None;
        }
        if now >= since + self.arrival_max {
            return Some("kintsugi.request.arrival.ms");
        }
        if now >= self.looked.0 + self.stall_max {
            let come = self.frames.buffered();
            let brought = come.saturating_sub(self.looked.1);
            let least = STALL_BYTES.max(self.length / STALL_PARTS);
            if brought < least && self.held.is_some() && self.memory.is_short() {
                return Some("kintsugi.connection.stall.ms");
            }
            self.looked = (now, come);
        }
        None
    }

    /// The next request, or another deadline. May be dropped and begun again without losing bytes.
    ///
    /// # Errors
    /// When the connection breaks, or announces too much.
    pub async fn next(&mut self) -> Result<Taken, TransportError> {
        if self.wait.is_some() {
            return Ok(match self.waited().await {
                true => Taken::Deadline,
                false => Taken::End,
            });
        }
        if let Some(frame) = self.whole.take() {
            return Ok(self.arrived(frame));
        }
        if self.since.is_none() {
            let Some(length) = self.frames.length().await? else {
                return Ok(Taken::End);
            };
            let now = Instant::now();
            self.since = Some(now);
            self.length = length;
            self.looked = (now, self.frames.buffered());
            if self.frames.buffered() < length {
                return Ok(Taken::Deadline);
            }
        }
        loop {
            let room = match self.held {
                Some(_) => usize::MAX,
                None => ARRIVING_BYTES,
            };
            match self.frames.next_within(room).await? {
                Arrival::End => return Ok(Taken::End),
                Arrival::Frame(frame) if self.held.is_some() => return Ok(self.arrived(frame)),
                // Only what is larger than the room waits for memory before it is whole.
                Arrival::Frame(frame) => self.whole = Some(frame),
                Arrival::Needs => {}
            }
            self.held = self.memory.try_take(self.length);
            if self.held.is_none() {
                self.metrics.limit("queued.max.request.bytes");
                let wait = self.memory.clone().take(self.length);
                self.wait = Some((Box::pin(wait), Instant::now()));
                return Ok(Taken::Deadline);
            }
            if let Some(frame) = self.whole.take() {
                return Ok(self.arrived(frame));
            }
        }
    }

    /// Waits for the memory that was asked for; false if none will come.
    async fn waited(&mut self) -> bool {
        let Some((wait, began)) = &mut self.wait else {
            return true;
        };
        self.held = wait.await;
        let now = Instant::now();
        let waited = now - *began;
        self.since = self.since.map(|since| since + waited);
        self.looked = (now, self.frames.buffered());
        self.wait = None;
        self.held.is_some()
    }

    fn arrived(&mut self, frame: Bytes) -> Taken {
        self.since = None;
        Taken::Request(Request {
            frame,
            memory: self.held.take(),
        })
    }
}
