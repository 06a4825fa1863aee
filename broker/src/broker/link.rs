//! The link to the active controller: dialled by the broker, one at a time.

use std::time::Duration;

use bytes::Bytes;
use kintsugi_node::message::broker::Event;
use kintsugi_node::message::link::{ToBroker, ToController};
use kintsugi_secret::handshake::Port;
use kintsugi_types::Endpoint;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::ControlInput;
use crate::mailbox::Mailbox;
use crate::transport::{
    CONTROL_FRAME_BYTES_MAX, FrameReader, Outgoing, TransportError, Vigilance, dial, encode,
    outgoing, write_all,
};
use crate::trust::Trust;

/// How long a dial of a controller may take, name lookup included.
const LINK_DIAL_MAX: Duration = Duration::from_millis(500);

/// How many messages may wait for the controller. A link that takes none of them is no link.
const LINK_FRAMES_MAX: usize = 1_024;

/// The present link, if there is one. A link that was replaced says nothing any more.
pub struct Links {
    runtime: Handle,
    events: Mailbox<ControlInput>,
    hello: Bytes,
    vigilance: Vigilance,
    trust: Trust,
    number: u64,
    present: Option<(Outgoing, AbortHandle)>,
}

impl Links {
    /// No link yet; each begins with the frame `hello`.
    pub fn new(
        runtime: Handle,
        events: Mailbox<ControlInput>,
        hello: Bytes,
        vigilance: Vigilance,
        trust: Trust,
    ) -> Self {
        Self {
            runtime,
            events,
            hello,
            vigilance,
            trust,
            number: 0,
            present: None,
        }
    }

    /// The limits of connections.
    pub const fn vigilance(&self) -> Vigilance {
        self.vigilance
    }

    /// Whether what comes from this link counts.
    pub fn is_present(&self, number: u64) -> bool {
        self.number == number && self.present.is_some()
    }

    /// Closes the present link and dials.
    pub fn dial(&mut self, endpoint: Endpoint) {
        self.close();
        self.number += 1;
        let (outgoing, frames) = outgoing(LINK_FRAMES_MAX);
        outgoing.offer(self.hello.clone());
        let task = LinkTask {
            number: self.number,
            events: self.events.clone(),
            vigilance: self.vigilance,
            trust: self.trust.clone(),
        };
        let running = self.runtime.spawn(task.run(endpoint, frames));
        self.present = Some((outgoing, running.abort_handle()));
    }

    /// Closes the present link, if there is one.
    pub fn close(&mut self) {
        if let Some((_, task)) = self.present.take() {
            task.abort();
        }
    }

    /// Sends on the present link; what cannot be sent ends it.
    pub fn send(&mut self, message: &ToController) {
        let Some((outgoing, _)) = &self.present else {
            return;
        };
        let is_sent = match encode(message) {
            Ok(frame) => outgoing.offer(frame),
            Err(cause) => {
                tracing::error!(%cause, "failed to encode a message to the controller");
                false
            }
        };
        if !is_sent {
            self.post(Event::LinkClosed);
        }
    }

    fn post(&self, event: Event) {
        self.events.post(ControlInput::Link {
            number: self.number,
            event,
        });
    }
}

struct LinkTask {
    number: u64,
    events: Mailbox<ControlInput>,
    vigilance: Vigilance,
    trust: Trust,
}

impl LinkTask {
    async fn run(self, endpoint: Endpoint, frames: mpsc::Receiver<Bytes>) {
        if let Err(cause) = self.exchange(&endpoint, frames).await {
            tracing::info!(%endpoint, cause = crate::thread::chain(&cause), "link to controller ended");
        }
        self.post(Event::LinkClosed);
    }

    async fn exchange(
        &self,
        endpoint: &Endpoint,
        frames: mpsc::Receiver<Bytes>,
    ) -> Result<(), TransportError> {
        let mut stream = dial(endpoint, LINK_DIAL_MAX, self.vigilance).await?;
        // A controller that is slow to prove itself is as silent as one that is slow to answer.
        self.post(Event::LinkOpened);
        let port = Port::Controller;
        self.trust.prove(port, endpoint, &mut stream).await?;
        let (reader, writer) = stream.into_split();
        let mut incoming = FrameReader::new(reader, CONTROL_FRAME_BYTES_MAX);
        let hearing = async {
            while let Some(message) = incoming.message::<ToBroker>().await? {
                self.events.room().await;
                self.post(Event::FromController(message));
            }
            Ok(())
        };
        tokio::select! {
            heard = hearing => heard,
            written = write_all(writer, frames) => written,
        }
    }

    fn post(&self, event: Event) {
        self.events.post(ControlInput::Link {
            number: self.number,
            event,
        });
    }
}
