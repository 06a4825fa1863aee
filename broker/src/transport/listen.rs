//! Listeners, and how many connections they take.

use std::net::ToSocketAddrs as _;
use std::sync::Arc;

use kintsugi_types::Endpoint;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::TransportError;

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
    // A socket that does not take the option is broken; its next read or write says so.
    if let Err(cause) = stream.set_nodelay(true) {
        tracing::debug!(%cause, "failed to set TCP_NODELAY");
    }
}

/// A limit on connections.
#[derive(Clone, Debug)]
pub struct Slots {
    semaphore: Arc<Semaphore>,
}

impl Slots {
    /// Room for `max` connections.
    pub fn new(max: usize) -> Self {
        Self {
            semaphore: Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS))),
        }
    }

    /// A slot, held until it is dropped; `None` when all are taken.
    pub fn take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.semaphore).try_acquire_owned().ok()
    }

    /// How many slots are free.
    pub fn free(&self) -> usize {
        self.semaphore.available_permits()
    }
}
