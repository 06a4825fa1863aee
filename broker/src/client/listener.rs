//! Accepting clients.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use super::addresses::Addresses;
use super::connection::Connection;
use super::memory::AnswerMemory;
use super::requests::RequestMemory;
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
    let memory = RequestMemory::new(settings.size("queued.max.request.bytes"));
    let addresses = Addresses::default();
    let per_address = settings.size("max.connections.per.ip");
    let answers = AnswerMemory::new(settings.size("kintsugi.fetch.memory.bytes"));
    let listings = AnswerMemory::new(settings.size("kintsugi.answer.memory.bytes"));
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
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
        let Some(counted) = addresses.count_below(per_address, peer.ip()) else {
            broker.metrics.limit("max.connections.per.ip");
            continue;
        };
        prepare(&stream);
        let context = Arc::new(Context {
            broker: Arc::clone(&broker),
            answers: answers.clone(),
            listings: listings.clone(),
            peer: Some(peer),
        });
        let connection = Connection::new(context, memory.clone());
        tokio::spawn(async move {
            connection.serve(stream).await;
            drop((slot, counted));
        });
    }
}
