//! Accepting clients.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::connection::Connection;
use super::memory::AnswerMemory;
use crate::api::Context;
use crate::broker::BrokerHandle;
use crate::transport::{Slots, prepare};

/// How long to wait after a failed accept, for want of descriptors for example.
const ACCEPT_WAIT: Duration = Duration::from_millis(50);

/// The most that `max.connections` may be.
const CONNECTIONS_MAX: usize = 100_000;

/// Accepts clients until the process ends.
pub async fn serve(listener: TcpListener, broker: Arc<BrokerHandle>) {
    let settings = Arc::clone(&broker.settings);
    let slots = Slots::new(CONNECTIONS_MAX);
    // A request that is legal by itself has to fit into what all requests may take.
    let queued_bytes = settings
        .size("queued.max.request.bytes")
        .max(settings.size("socket.request.max.bytes"));
    let memory = Arc::new(Semaphore::new(queued_bytes.min(Semaphore::MAX_PERMITS)));
    let answers = AnswerMemory::new(settings.size("kintsugi.fetch.memory.bytes"));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(cause) => {
                tracing::warn!(%cause, "failed to accept a client");
                tokio::time::sleep(ACCEPT_WAIT).await;
                continue;
            }
        };
        let Some(slot) = slots.take_below(broker.size("max.connections")) else {
            broker.metrics.limit("max.connections");
            continue;
        };
        prepare(&stream);
        let context = Arc::new(Context {
            broker: Arc::clone(&broker),
            answers: answers.clone(),
            peer: stream.peer_addr().ok(),
        });
        let connection = Connection::new(context, Arc::clone(&memory));
        tokio::spawn(async move {
            connection.serve(stream).await;
            drop(slot);
        });
    }
}
