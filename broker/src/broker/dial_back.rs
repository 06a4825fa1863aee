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
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Resource, getrlimit};

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

/// Where the listener's descriptor lies: above 4,096 log files and as many connections as most
/// brokers have. The kernel's table of descriptors takes 8 bytes for each below it.
const CONTROL_DESCRIPTOR: i32 = 16_000;

/// How far below the process's limit of descriptors it stays.
const CONTROL_DESCRIPTOR_ROOM: i32 = 16;

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
        Ok(Self {
            listener: closed_first(listener),
        })
    }

    /// Begins to answer, for as long as the process lives.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn answer(self, answer: Bytes) -> std::io::Result<()> {
        thread::spawn("control-port", move || hold(&self.listener, &answer))
    }
}

/// Moves the listener to a descriptor above those of files and connections.
///
/// When a process is killed, Linux closes its descriptors after its last thread has ended, and in
/// the order from the highest to the lowest (since 4.3 `task_work_run` takes the last first). With
/// thousands of open log files that takes tens of milliseconds, in which a low control port would
/// still take connections of whoever wants to know whether the process lives.
fn closed_first(listener: TcpListener) -> TcpListener {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let limit = i32::try_from(limit).unwrap_or(i32::MAX);
    let lowest = CONTROL_DESCRIPTOR.min(limit.saturating_sub(CONTROL_DESCRIPTOR_ROOM));
    match fcntl_dupfd_cloexec(&listener, lowest) {
        Ok(descriptor) => TcpListener::from(descriptor),
        Err(cause) => {
            tracing::warn!(%cause, lowest, "failed to move the control port's descriptor");
            listener
        }
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
