//! One connection to one broker.

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use kafka_protocol::protocol::Request;
use kintsugi_types::Endpoint;
use kintsugi_wire::api::Api;
use kintsugi_wire::frame::ResponseFrame;
use kintsugi_wire::message::{MessageError, decode_response, encode_request};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::error::{ClientError, CloseReason};
use crate::io::{Outgoing, Pending, read_answers, write_requests};
use crate::limits::Limits;

/// A connection. Clones share it; requests of all of them are pipelined in the order in which they
/// are made. It closes when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Connection {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    endpoint: Endpoint,
    client_id: String,
    limits: Limits,
    next_correlation_id: AtomicI32,
    permits: Arc<Semaphore>,
    outgoing: mpsc::Sender<Outgoing>,
    closed: Arc<OnceLock<CloseReason>>,
    tasks: [AbortHandle; 2],
}

impl Drop for Shared {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Connection {
    /// Connects; a host name is resolved anew each time.
    ///
    /// # Errors
    /// [`ClientError::Connect`] or [`ClientError::TimedOut`].
    pub async fn connect(
        endpoint: &Endpoint,
        client_id: &str,
        limits: Limits,
    ) -> Result<Self, ClientError> {
        let address = (endpoint.host.as_str(), endpoint.port);
        let socket = timeout(limits.timeout, TcpStream::connect(address))
            .await
            .map_err(|_| ClientError::TimedOut {
                endpoint: endpoint.clone(),
                timeout: limits.timeout,
            })?
            .and_then(|socket| socket.set_nodelay(true).map(|()| socket))
            .map_err(|source| ClientError::Connect {
                endpoint: endpoint.clone(),
                source,
            })?;
        Ok(Self::over(socket, endpoint.clone(), client_id, limits))
    }

    fn over(socket: TcpStream, endpoint: Endpoint, client_id: &str, limits: Limits) -> Self {
        let in_flight_max = limits.in_flight_max.clamp(1, Semaphore::MAX_PERMITS);
        let (outgoing, outgoing_receiver) = mpsc::channel(in_flight_max);
        let (pending, pending_receiver) = mpsc::channel(in_flight_max);
        let (read_half, write_half) = socket.into_split();
        let permits = Arc::new(Semaphore::new(in_flight_max));
        let closed = Arc::new(OnceLock::new());

        let end = |closed: &Arc<OnceLock<CloseReason>>, permits: &Arc<Semaphore>| {
            let (closed, permits) = (Arc::clone(closed), Arc::clone(permits));
            move |reason: CloseReason| {
                // The first reason is the cause; what the other task then meets follows from it.
                let _ = closed.set(reason);
                permits.close();
            }
        };
        let end_of_writing = end(&closed, &permits);
        let end_of_reading = end(&closed, &permits);
        let reader = tokio::spawn(async move {
            let reason = read_answers(read_half, pending_receiver, limits.response_max_bytes);
            end_of_reading(reason.await);
        });
        let reader_abort = reader.abort_handle();
        let abort_with_writer = reader_abort.clone();
        let writer = tokio::spawn(async move {
            let reason = write_requests(write_half, outgoing_receiver, pending).await;
            end_of_writing(reason);
            // Ends the waits of all requests that are pending with the reader.
            abort_with_writer.abort();
        });
        Self {
            shared: Arc::new(Shared {
                endpoint,
                client_id: client_id.to_owned(),
                limits,
                next_correlation_id: AtomicI32::new(0),
                permits,
                outgoing,
                closed,
                tasks: [reader_abort, writer.abort_handle()],
            }),
        }
    }

    /// Whom this connection is to.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.shared.endpoint
    }

    /// Whether the connection has ended. A false may be outdated as soon as it is given.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.closed.get().is_some()
    }

    /// Sends one request in this version and waits for its answer.
    ///
    /// Requests go out in the order of the calls' first poll. If this is dropped early, the
    /// request may have been sent; its answer is thrown away.
    ///
    /// # Errors
    /// [`ClientError::TimedOut`], [`ClientError::Closed`] or [`ClientError::Message`].
    pub async fn request<R: Request>(
        &self,
        version: i16,
        request: &R,
    ) -> Result<R::Response, ClientError> {
        let shared = &*self.shared;
        let correlation_id = shared.next_correlation_id.fetch_add(1, Ordering::Relaxed);
        let frame = encode_request(version, correlation_id, &shared.client_id, request)
            .map_err(|source| self.message_error(source))?;
        let answer = timeout(shared.limits.timeout, self.exchange(correlation_id, frame))
            .await
            .map_err(|_| ClientError::TimedOut {
                endpoint: shared.endpoint.clone(),
                timeout: shared.limits.timeout,
            })??;
        read_answer::<R>(version, &answer).map_err(|source| self.message_error(source))
    }

    async fn exchange(&self, correlation_id: i32, frame: Bytes) -> Result<Bytes, ClientError> {
        let shared = &*self.shared;
        let permit = Arc::clone(&shared.permits).acquire_owned().await;
        let permit = permit.map_err(|_| self.closed_error())?;
        let (answer, receiver) = oneshot::channel();
        let outgoing = Outgoing {
            frame,
            pending: Pending {
                correlation_id,
                answer,
                _permit: permit,
            },
        };
        let sent = shared.outgoing.send(outgoing).await;
        sent.map_err(|_| self.closed_error())?;
        receiver.await.map_err(|_| self.closed_error())
    }

    fn closed_error(&self) -> ClientError {
        let reason = self.shared.closed.get().cloned();
        ClientError::Closed {
            endpoint: self.shared.endpoint.clone(),
            source: reason.unwrap_or(CloseReason::ByPeer),
        }
    }

    fn message_error(&self, source: MessageError) -> ClientError {
        ClientError::Message {
            endpoint: self.shared.endpoint.clone(),
            source,
        }
    }
}

fn read_answer<R: Request>(version: i16, frame: &Bytes) -> Result<R::Response, MessageError> {
    let api = Api::find(R::KEY).ok_or(MessageError::NotInTable {
        key: R::KEY,
        version,
    })?;
    let frame = ResponseFrame::parse(api, version, frame).map_err(MessageError::Header)?;
    decode_response::<R>(version, &frame.body)
}
