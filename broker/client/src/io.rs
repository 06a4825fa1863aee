//! The two tasks of a connection: one writes requests, one reads answers.

use bytes::{Bytes, BytesMut};
use kintsugi_wire::frame::{LENGTH_BYTES, ResponseFrame, frame_length};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::error::CloseReason;

/// How much of an answer is allocated before its bytes arrive.
const READ_CHUNK_BYTES: usize = 64 * 1024;

/// A request on its way.
pub(crate) struct Outgoing {
    pub(crate) frame: Bytes,
    pub(crate) pending: Pending,
}

/// A request that awaits its answer. Answers come in the order of the requests.
pub(crate) struct Pending {
    pub(crate) correlation_id: i32,
    /// Gone when nobody waits any more; the answer is then dropped on arrival.
    pub(crate) answer: oneshot::Sender<Bytes>,
    /// Given back when the answer came and not when its wait ended, so that a broker that stopped
    /// answering cannot be sent more than the limit.
    pub(crate) _permit: OwnedSemaphorePermit,
}

/// Writes requests until the connection breaks or nobody sends any more.
pub(crate) async fn write_requests(
    mut socket: OwnedWriteHalf,
    mut outgoing: mpsc::Receiver<Outgoing>,
    pending: mpsc::Sender<Pending>,
) -> CloseReason {
    while let Some(next) = outgoing.recv().await {
        // Before its bytes go out, so that the reader knows of it when the answer comes.
        if pending.send(next.pending).await.is_err() {
            return CloseReason::ByPeer;
        }
        if let Err(error) = socket.write_all(&next.frame).await {
            return CloseReason::Io(error.to_string());
        }
    }
    CloseReason::ByPeer
}

/// Reads answers until the connection breaks.
pub(crate) async fn read_answers(
    mut socket: OwnedReadHalf,
    mut pending: mpsc::Receiver<Pending>,
    response_max_bytes: usize,
) -> CloseReason {
    loop {
        let frame = match read_frame(&mut socket, response_max_bytes).await {
            Ok(frame) => frame,
            Err(reason) => return reason,
        };
        let Ok(next) = pending.try_recv() else {
            return CloseReason::Protocol("an answer to no request".to_owned());
        };
        match ResponseFrame::correlation_id(&frame) {
            Ok(id) if id == next.correlation_id => {}
            Ok(id) => {
                let expected = next.correlation_id;
                let text = format!("correlation id {id} where {expected} was due");
                return CloseReason::Protocol(text);
            }
            Err(error) => return CloseReason::Protocol(error.to_string()),
        }
        // An error means that nobody waits any more.
        let _ = next.answer.send(frame);
    }
}

async fn read_frame(
    socket: &mut OwnedReadHalf,
    response_max_bytes: usize,
) -> Result<Bytes, CloseReason> {
    let mut field = [0; LENGTH_BYTES];
    if let Err(error) = socket.read_exact(&mut field).await {
        return Err(match error.kind() {
            std::io::ErrorKind::UnexpectedEof => CloseReason::ByPeer,
            _ => CloseReason::Io(error.to_string()),
        });
    }
    let length = frame_length(field, response_max_bytes)
        .map_err(|error| CloseReason::Protocol(error.to_string()))?;
    let mut frame = BytesMut::with_capacity(length.min(READ_CHUNK_BYTES));
    let mut rest = socket.take(length as u64);
    while frame.len() < length {
        match rest.read_buf(&mut frame).await {
            Ok(0) => return Err(CloseReason::ByPeer),
            Ok(_) => {}
            Err(error) => return Err(CloseReason::Io(error.to_string())),
        }
    }
    Ok(frame.freeze())
}
