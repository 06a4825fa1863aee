//! A listener whose connections are few, and each of which has an end.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

/// The most connections at a time: probes, a few scrapers, the operator.
const CONNECTIONS_MAX: usize = 64;

/// How long a connection may last, so that a silent one does not keep its slot.
const LIFE_MAX: Duration = Duration::from_secs(60);

/// How long to wait after a failed accept.
const ACCEPT_WAIT: Duration = Duration::from_millis(50);

/// The listener.
pub struct Limited {
    inner: TcpListener,
    slots: Arc<Semaphore>,
}

impl Limited {
    /// Limits a listener.
    pub fn new(inner: TcpListener) -> Self {
        Self {
            inner,
            slots: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        }
    }
}

impl axum::serve::Listener for Limited {
    type Io = Mortal;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.inner.accept().await {
                Ok((stream, address)) => {
                    // With every slot taken the newcomer is closed at once.
                    if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
                        let mortal = Mortal {
                            stream,
                            end: Box::pin(tokio::time::sleep(LIFE_MAX)),
                            _slot: slot,
                        };
                        return (mortal, address);
                    }
                }
                Err(_) => tokio::time::sleep(ACCEPT_WAIT).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.inner.local_addr()
    }
}

/// A connection that ends after [`LIFE_MAX`].
pub struct Mortal {
    stream: TcpStream,
    end: Pin<Box<Sleep>>,
    _slot: OwnedSemaphorePermit,
}

impl Mortal {
    fn poll_end(&mut self, context: &mut Context<'_>) -> Option<io::Error> {
        let is_over = self.end.as_mut().poll(context).is_ready();
        is_over.then(|| io::ErrorKind::TimedOut.into())
    }
}

impl AsyncRead for Mortal {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.poll_end(context) {
            Some(over) => Poll::Ready(Err(over)),
            None => Pin::new(&mut self.stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Mortal {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.poll_end(context) {
            Some(over) => Poll::Ready(Err(over)),
            None => Pin::new(&mut self.stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
