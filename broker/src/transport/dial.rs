//! Dialling another process.

use std::time::Duration;

use kintsugi_types::Endpoint;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{TransportError, Vigilance};

/// Connects to another process of the cluster within `limit`, name lookup included. Names are resolved anew each
/// time, because a pod comes back with another address.
///
/// # Errors
/// [`TransportError::Resolve`], [`TransportError::Connect`] (see
/// [`TransportError::is_refused`]) or [`TransportError::TimedOut`].
pub async fn dial(
    endpoint: &Endpoint,
    limit: Duration,
    vigilance: Vigilance,
) -> Result<TcpStream, TransportError> {
    match timeout(limit, connect(endpoint, vigilance)).await {
        Ok(result) => result,
        Err(_) => Err(TransportError::TimedOut {
            millis: limit.as_millis(),
        }),
    }
}

async fn connect(endpoint: &Endpoint, vigilance: Vigilance) -> Result<TcpStream, TransportError> {
    let resolved = tokio::net::lookup_host((endpoint.host.as_str(), endpoint.port)).await;
    let addresses = resolved.map_err(|source| TransportError::Resolve {
        endpoint: endpoint.clone(),
        source,
    })?;
    let mut failure = std::io::ErrorKind::NotFound.into();
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                vigilance.prepare(&stream);
                return Ok(stream);
            }
            Err(source) => failure = source,
        }
    }
    Err(TransportError::Connect {
        endpoint: endpoint.clone(),
        source: failure,
    })
}
