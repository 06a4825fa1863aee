//! Frames: a 4-byte big-endian length and that many bytes.

use bytes::{Buf, BufMut as _, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::TransportError;

const LENGTH_BYTES: usize = 4;

/// How much is read at a time while little of a frame has come yet.
const CHUNK_BYTES: usize = 16 * 1024;

/// How much room a connection has that waits for a frame: most requests fit.
const IDLE_CHUNK_BYTES: usize = 1024;

/// What came of a frame that may take only so much memory.
#[derive(Debug, PartialEq, Eq)]
pub enum Arrival {
    /// All of it, without its length.
    Frame(Bytes),
    /// As much as there is room for.
    Needs,
    /// The peer closed between frames.
    End,
}

/// Reads frames. Every wait may be dropped and begun again without losing bytes.
#[derive(Debug)]
pub struct FrameReader<R> {
    inner: R,
    buffer: BytesMut,
    length_max: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// A reader that refuses frames of more than `length_max` bytes.
    pub fn new(inner: R, length_max: usize) -> Self {
        Self {
            inner,
            buffer: BytesMut::new(),
            length_max,
        }
    }

    /// Takes longer (or only shorter) frames from now on.
    pub fn set_length_max(&mut self, length_max: usize) {
        self.length_max = length_max;
    }

    /// The length of the next frame, not yet taken; `None` when the peer closed between frames.
    ///
    /// # Errors
    /// [`TransportError::TooLong`], or [`TransportError::Io`].
    pub async fn length(&mut self) -> Result<Option<usize>, TransportError> {
        while self.buffer.len() < LENGTH_BYTES {
            if !self.fill(IDLE_CHUNK_BYTES, IDLE_CHUNK_BYTES).await? {
                return match self.buffer.is_empty() {
                    true => Ok(None),
                    false => Err(closed()),
                };
            }
        }
        let length = (&self.buffer[..LENGTH_BYTES]).get_u32() as usize;
        match length <= self.length_max {
            true => Ok(Some(length)),
            false => Err(TransportError::TooLong {
                length,
                max: self.length_max,
            }),
        }
    }

    /// The next frame without its length; `None` when the peer closed between frames.
    ///
    /// # Errors
    /// [`TransportError::TooLong`], or [`TransportError::Io`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, TransportError> {
        let Some(length) = self.length().await? else {
            return Ok(None);
        };
        let whole = LENGTH_BYTES + length;
        while self.buffer.len() < whole {
            if !self.fill(whole, CHUNK_BYTES).await? {
                return Err(closed());
            }
        }
        self.buffer.advance(LENGTH_BYTES);
        let frame = self.buffer.split_to(length).freeze();
        if self.buffer.is_empty() {
            // The frame keeps the memory; an idle connection keeps none.
            self.buffer = BytesMut::new();
        }
        Ok(Some(frame))
    }

    /// The next frame, of which at most `room` bytes are read before more room is asked for. What
    /// other frames brought along may lie in memory beyond it.
    ///
    /// # Errors
    /// Those of [`Self::next`].
    pub async fn next_within(&mut self, room: usize) -> Result<Arrival, TransportError> {
        let Some(length) = self.length().await? else {
            return Ok(Arrival::End);
        };
        let whole = LENGTH_BYTES + length;
        while self.buffer.len() < whole {
            if self.buffer.len() >= room {
                return Ok(Arrival::Needs);
            }
            if !self.fill(whole.min(room), CHUNK_BYTES).await? {
                return Err(closed());
            }
        }
        Ok(match self.next().await? {
            Some(frame) => Arrival::Frame(frame),
            None => Arrival::End,
        })
    }

    /// How many bytes have come that were not taken yet.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// The next frame, decoded.
    ///
    /// # Errors
    /// Those of [`Self::next`], or [`TransportError::Malformed`].
    pub async fn message<T: DeserializeOwned>(&mut self) -> Result<Option<T>, TransportError> {
        match self.next().await? {
            Some(frame) => Ok(Some(postcard::from_bytes(&frame)?)),
            None => Ok(None),
        }
    }

    /// Reads once; false at the end. Memory doubles with what has come, so that a forged length
    /// costs its sender as much as it costs us.
    async fn fill(&mut self, whole: usize, chunk: usize) -> Result<bool, TransportError> {
        let missing = whole.saturating_sub(self.buffer.len());
        let step = missing.min(self.buffer.len().max(chunk));
        let step = step.max(LENGTH_BYTES);
        self.buffer.reserve(step);
        // What the allocator gave beyond it is left alone.
        let read = self
            .inner
            .read_buf(&mut (&mut self.buffer).limit(step))
            .await?;
        Ok(read > 0)
    }
}

fn closed() -> TransportError {
    TransportError::Io(std::io::ErrorKind::UnexpectedEof.into())
}

/// Encodes one message as a frame with its length.
///
/// # Errors
/// [`TransportError::TooLong`] above what a length can carry, or [`TransportError::Malformed`].
pub fn encode<T: Serialize>(message: &T) -> Result<Bytes, TransportError> {
    let mut frame = postcard::to_extend(message, vec![0_u8; LENGTH_BYTES])?;
    let length = frame.len() - LENGTH_BYTES;
    let max = u32::MAX as usize;
    let field = u32::try_from(length).map_err(|_| TransportError::TooLong { length, max })?;
    frame[..LENGTH_BYTES].copy_from_slice(&field.to_be_bytes());
    Ok(frame.into())
}

/// Bytes as a frame with its length.
///
/// # Errors
/// [`TransportError::TooLong`] above what a length can carry.
pub fn frame_of(bytes: &[u8]) -> Result<Bytes, TransportError> {
    let (length, max) = (bytes.len(), u32::MAX as usize);
    let field = u32::try_from(length).map_err(|_| TransportError::TooLong { length, max })?;
    Ok([&field.to_be_bytes(), bytes].concat().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_are_read_whole_however_they_are_cut() {
        let (mut near, far) = tokio::io::duplex(3);
        let message = "x".repeat(40_000);
        let frame = encode(&message).unwrap();
        let writer = tokio::spawn(async move {
            for _ in 0..2 {
                tokio::io::AsyncWriteExt::write_all(&mut near, &frame)
                    .await
                    .unwrap();
            }
        });
        let mut reader = FrameReader::new(far, 50_000);
        for _ in 0..2 {
            let read: Option<String> = reader.message().await.unwrap();
            assert_eq!(read.as_deref(), Some(message.as_str()));
        }
        assert!(reader.next().await.unwrap().is_none());
        writer.await.unwrap();
    }

    #[tokio::test]
    async fn a_frame_takes_room_as_it_comes_and_not_as_it_is_announced() {
        let frame = encode(&"x".repeat(40_000)).unwrap();
        let mut reader = FrameReader::new(&frame[..], 50_000_000);
        for room in [16_384, 32_768] {
            assert_eq!(reader.next_within(room).await.unwrap(), Arrival::Needs);
            assert_eq!(reader.buffered(), room);
        }
        assert_eq!(
            reader.next_within(frame.len()).await.unwrap(),
            Arrival::Frame(frame.slice(LENGTH_BYTES..))
        );
        assert_eq!(reader.next_within(1).await.unwrap(), Arrival::End);
    }

    #[tokio::test]
    async fn a_frame_over_the_limit_is_refused_by_its_length_alone() {
        let bytes: &[u8] = &[0xff, 0xff, 0xff, 0xff];
        let mut reader = FrameReader::new(bytes, 10);
        let error = reader.next().await.unwrap_err();
        assert!(
            matches!(error, TransportError::TooLong { length, max: 10 } if length == u32::MAX as usize)
        );
    }

    #[tokio::test]
    async fn a_frame_that_is_cut_off_is_an_error_not_an_end() {
        let bytes: &[u8] = &[0, 0, 0, 9, 1];
        let mut reader = FrameReader::new(bytes, 10);
        assert!(reader.next().await.is_err());
    }
}
