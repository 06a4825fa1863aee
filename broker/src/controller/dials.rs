//! Dialling brokers' control ports to learn whether they live.

use std::time::Duration;

use kintsugi_node::message::controller::DialOutcome;
use kintsugi_node::message::link::DialBackAnswer;
use kintsugi_types::Endpoint;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::transport::{FrameReader, GREETING_FRAME_BYTES_MAX, TransportError, Vigilance, dial};

/// How long a dial and its answer may take. A live broker answers in well under a millisecond;
/// 100 ms leaves room for a busy machine and keeps detection within its budget.
pub const DIAL_MAX: Duration = Duration::from_millis(100);

/// Who answers at a broker's control port.
///
/// Only a refused connection says that nothing listens there. A name without an address, a dead
/// network or silence say nothing about the process.
pub async fn look(endpoint: &Endpoint, vigilance: Vigilance) -> DialOutcome {
    let answered = async {
        let stream = dial(endpoint, DIAL_MAX, vigilance).await?;
        close_by_reset(&stream);
        let mut frames = FrameReader::new(stream, GREETING_FRAME_BYTES_MAX);
        frames.message::<DialBackAnswer>().await
    };
    match timeout(DIAL_MAX, answered).await {
        Ok(Ok(Some(answer))) => DialOutcome::Answered(answer.incarnation),
        Ok(Err(cause)) if is_refusal(&cause) => DialOutcome::Refused,
        Ok(Ok(None) | Err(_)) | Err(_) => DialOutcome::Silent,
    }
}

/// Dials are many and short: closed the usual way, each would hold a port of this host for a
/// minute. Nothing is lost by a reset, since nothing was sent.
fn close_by_reset(stream: &TcpStream) {
    if let Err(cause) = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO)) {
        tracing::debug!(%cause, "failed to set SO_LINGER");
    }
}

fn is_refusal(cause: &TransportError) -> bool {
    cause.is_refused()
}
