//! Listeners, and how many connections they take.

use std::net::ToSocketAddrs as _;
use std::sync::Arc;
use std::time::Duration;

use kintsugi_types::Endpoint;
use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::TransportError;

/// How long a connection is silent before its peer is asked whether it lives.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);

/// Between two such questions.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// How many go unanswered before the connection is reset.
const KEEPALIVE_COUNT: u32 = 3;

/// How many finished handshakes may wait to be accepted.
const BACKLOG: u32 = 1_024;

/// Opens a listener of the standard library. The port of a process that was just killed can be
/// taken again at once (SO_REUSEADDR).
///
/// # Errors
/// [`TransportError::Resolve`] or [`TransportError::Listen`].
pub fn bind_blocking(endpoint: &Endpoint) -> Result<std::net::TcpListener, TransportError> {
    let resolved = (endpoint.host.as_str(), endpoint.port).to_socket_addrs();
    let mut addresses = resolved.map_err(|source| TransportError::Resolve {
        endpoint: endpoint.clone(),
        source,
    })?;
    let address = addresses.next().ok_or_else(|| no_address(endpoint))?;
    // The standard library sets SO_REUSEADDR on Unix.
    std::net::TcpListener::bind(address).map_err(|source| TransportError::Listen {
        endpoint: endpoint.clone(),
        source,
    })
}

/// Opens a listener. The name's first address is taken.
///
/// # Errors
/// [`TransportError::Resolve`] or [`TransportError::Listen`].
pub async fn bind(endpoint: &Endpoint) -> Result<TcpListener, TransportError> {
    let failed = |source| TransportError::Listen {
        endpoint: endpoint.clone(),
        source,
    };
    let resolved = tokio::net::lookup_host((endpoint.host.as_str(), endpoint.port)).await;
    let mut addresses = resolved.map_err(|source| TransportError::Resolve {
        endpoint: endpoint.clone(),
        source,
    })?;
    let address = addresses.next().ok_or_else(|| no_address(endpoint))?;
    let socket = match address.is_ipv4() {
        true => tokio::net::TcpSocket::new_v4(),
        false => tokio::net::TcpSocket::new_v6(),
    }
    .map_err(failed)?;
    socket.set_reuseaddr(true).map_err(failed)?;
    socket.bind(address).map_err(failed)?;
    socket.listen(BACKLOG).map_err(failed)
}

fn no_address(endpoint: &Endpoint) -> TransportError {
    TransportError::Resolve {
        endpoint: endpoint.clone(),
        source: std::io::ErrorKind::NotFound.into(),
    }
}

/// Sets on a connection what every connection has.
pub fn prepare(stream: &TcpStream) {
    // A socket that does not take an option is broken; its next read or write says so.
    if let Err(cause) = stream.set_nodelay(true) {
        tracing::debug!(%cause, "failed to set TCP_NODELAY");
    }
    if let Err(cause) = keep_alive(stream) {
        tracing::debug!(%cause, "failed to set SO_KEEPALIVE");
    }
}

/// A peer whose machine lost power says nothing more: its connection ends within a minute, so
/// that it does not keep a slot.
fn keep_alive(stream: &TcpStream) -> rustix::io::Result<()> {
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(stream, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(stream, KEEPALIVE_COUNT)
}

/// A limit on connections.
#[derive(Clone, Debug)]
pub struct Slots {
    semaphore: Arc<Semaphore>,
    max: usize,
}

impl Slots {
    /// Room for `max` connections.
    pub fn new(max: usize) -> Self {
        let max = max.min(Semaphore::MAX_PERMITS);
        Self {
            semaphore: Arc::new(Semaphore::new(max)),
            max,
        }
    }

    /// A slot, held until it is dropped; `None` when all are taken.
    pub fn take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.semaphore).try_acquire_owned().ok()
    }

    /// A slot if fewer than `limit` are taken: for a limit that changes. One task alone may ask.
    pub fn take_below(&self, limit: usize) -> Option<OwnedSemaphorePermit> {
        let taken = self.max - self.semaphore.available_permits();
        (taken < limit).then(|| self.take()).flatten()
    }
}
