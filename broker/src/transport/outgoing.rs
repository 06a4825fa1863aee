//! A bounded queue of frames in front of a socket.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::TransportError;

/// How long a peer may take no bytes before it counts as gone.
const WRITE_STALL_MAX: Duration = Duration::from_secs(10);

/// How many bytes of small frames are joined into one write.
const JOINED_BYTES_MAX: usize = 64 * 1024;

/// The sending end of a queue of frames.
#[derive(Clone, Debug)]
pub struct Outgoing {
    frames: mpsc::Sender<Bytes>,
}

impl Outgoing {
    /// Queues a frame; false when the queue is full or its socket is gone.
    pub fn offer(&self, frame: Bytes) -> bool {
        self.frames.try_send(frame).is_ok()
    }
}

/// A queue of at most `frames_max` frames, and its receiving end for [`write_all`].
pub fn outgoing(frames_max: usize) -> (Outgoing, mpsc::Receiver<Bytes>) {
    let (frames, receiver) = mpsc::channel(frames_max);
    (Outgoing { frames }, receiver)
}

/// Writes what is queued until every sender is gone. Small frames that wait together go out
/// together.
///
/// # Errors
/// [`TransportError::Io`], or [`TransportError::TimedOut`] when the peer takes nothing.
pub async fn write_all<W: AsyncWrite + Unpin>(
    mut writer: W,
    mut frames: mpsc::Receiver<Bytes>,
) -> Result<(), TransportError> {
    while let Some(first) = frames.recv().await {
        let mut joined = first;
        if let Ok(second) = frames.try_recv() {
            let mut buffer = BytesMut::from(&joined[..]);
            buffer.extend_from_slice(&second);
            while buffer.len() < JOINED_BYTES_MAX
                && let Ok(next) = frames.try_recv()
            {
                buffer.extend_from_slice(&next);
            }
            joined = buffer.freeze();
        }
        write_frame(&mut writer, &joined).await?;
    }
    // The peer is told that nothing more comes.
    writer.shutdown().await?;
    Ok(())
}

async fn write_frame<W: AsyncWrite + Unpin>(
    writer: &mut W,
    mut bytes: &[u8],
) -> Result<(), TransportError> {
    while !bytes.is_empty() {
        let written = match timeout(WRITE_STALL_MAX, writer.write(bytes)).await {
            Ok(written) => written?,
            Err(_) => {
                return Err(TransportError::TimedOut {
                    millis: WRITE_STALL_MAX.as_millis(),
                });
            }
        };
        if written == 0 {
            return Err(TransportError::Io(std::io::ErrorKind::WriteZero.into()));
        }
        bytes = &bytes[written..];
    }
    Ok(())
}
