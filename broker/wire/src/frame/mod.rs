//! Frames: a length of four bytes, then a request or response with its header.
//!
//! Guarantees: a length is checked against a limit before anything of that size is allocated, and
//! a header of any bytes is parsed or refused without a panic.

mod request;
mod response;
#[cfg(test)]
mod tests;

pub use request::{HeaderError, RequestHeader};
pub(crate) use request::{encode_request_header, finish_frame};
pub use response::ResponseFrame;

/// The default of `socket.request.max.bytes`: 8 MiB.
///
/// Kafka's is 100 MiB, which a few forged or unlucky connections would turn into the end of a
/// 256 MiB pod. Clients send at most 1 MiB in a request by default (`max.request.size`), and
/// `message.max.bytes` allows 1 MiB a batch; whoever raises those raises this.
pub const SOCKET_REQUEST_MAX_BYTES_DEFAULT: usize = 8 * 1024 * 1024;

/// The bytes of a frame's length field.
pub const LENGTH_BYTES: usize = 4;

/// Why a frame's length is not acceptable. The connection cannot be used any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Negative.
    #[error("failed to read frame: its length {0} is negative")]
    Negative(i32),
    /// Above the limit.
    #[error(
        "failed to read frame: {size_bytes} bytes, at most {max_bytes} are taken (socket.request.max.bytes)"
    )]
    TooLarge {
        /// What the frame claims.
        size_bytes: usize,
        /// The limit.
        max_bytes: usize,
    },
    /// What is to be sent does not fit into a frame.
    #[error("failed to write frame: {0} bytes do not fit into a frame")]
    Overflow(usize),
}

/// The length of a frame from its length field, at most `max_bytes`.
///
/// # Errors
/// [`FrameError::Negative`] or [`FrameError::TooLarge`].
pub fn frame_length(field: [u8; LENGTH_BYTES], max_bytes: usize) -> Result<usize, FrameError> {
    let length = i32::from_be_bytes(field);
    let size_bytes = usize::try_from(length).map_err(|_| FrameError::Negative(length))?;
    if size_bytes > max_bytes {
        return Err(FrameError::TooLarge {
            size_bytes,
            max_bytes,
        });
    }
    Ok(size_bytes)
}
