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

/// How many answered connections are kept open; the oldest is closed for a new one. Controllers
/// and brokers close theirs at once.
const HELD_MAX: usize = 64;

/// How long the answer may take: it fits into the socket's buffer.
const WRITE_MAX: Duration = Duration::from_millis(50);

/// How long to wait after a failed accept, for want of descriptors for example.
const ACCEPT_WAIT: Duration = Duration::from_millis(10);

/// Answers each connection with `answer` for as long as the process lives.
pub fn hold(listener: &TcpListener, answer: &Bytes) {
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
