//! The control port: says who holds it to whoever dials.
//!
//! It has a thread of its own and blocking sockets, so that it answers however busy the rest of
//! the process is, and its listener lives as long as the process: a refused connection means
//! that the process is gone.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use bytes::Bytes;

use crate::settings::Settings;
use crate::thread;
use crate::transport::{TransportError, bind_blocking};

/// How many answered connections are kept open; the oldest is closed for a new one. Controllers
/// and brokers close theirs at once.
const HELD_MAX: usize = 64;

/// How long the answer may take: it fits into the socket's buffer.
const WRITE_MAX: Duration = Duration::from_millis(50);

/// How long to wait after a failed accept, for want of descriptors for example.
const ACCEPT_WAIT: Duration = Duration::from_millis(10);

/// The port, open but not yet answered: whoever dials is accepted by the kernel and waits.
pub struct ControlPort {
    listener: TcpListener,
}

impl ControlPort {
    /// Opens the port.
    ///
    /// # Errors
    /// When it is taken.
    pub fn open(settings: &Settings) -> Result<Self, TransportError> {
        let listener = bind_blocking(&settings.endpoints.control)?;
        Ok(Self { listener })
    }

    /// Begins to answer, for as long as the process lives.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn answer(self, answer: Bytes) -> std::io::Result<()> {
        thread::spawn("control-port", move || hold(&self.listener, &answer))
    }
}

fn hold(listener: &TcpListener, answer: &Bytes) {
    let mut held: VecDeque<TcpStream> = VecDeque::new();
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                held.retain_mut(is_open);
                if held.len() >= HELD_MAX {
                    held.pop_front();
                }
                if greet(&stream, answer).is_ok() {
                    held.push_back(stream);
                }
            }
            Err(cause) => {
                tracing::warn!(%cause, "failed to accept a connection on the control port");
                std::thread::sleep(ACCEPT_WAIT);
            }
        }
    }
}

fn greet(mut stream: &TcpStream, answer: &[u8]) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(WRITE_MAX))?;
    stream.write_all(answer)?;
    stream.set_nonblocking(true)
}

fn is_open(stream: &mut TcpStream) -> bool {
    let mut byte = [0_u8; 1];
    matches!(stream.read(&mut byte), Err(cause) if cause.kind() == ErrorKind::WouldBlock)
}
