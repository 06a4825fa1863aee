//! Bytes between processes: bounded frames over TCP, listeners and dials.
//!
//! Guarantees: no peer makes a reader allocate more than a small multiple of what it has sent, or
//! more than a named limit; every dial has a time limit and resolves its name anew; TCP_NODELAY
//! is set on every connection. Knows nothing of what frames mean.

mod backoff;
mod dial;
mod error;
mod frame;
mod listen;
mod outgoing;
mod vigilance;

pub use backoff::Backoff;
pub use dial::dial;
pub use error::TransportError;
pub use frame::{Arrival, FrameReader, encode, frame_of};
pub use listen::{Slots, bind, bind_blocking, prepare};
pub use outgoing::{Outgoing, outgoing, write_all};
pub use vigilance::Vigilance;

/// The largest frame on a control link or between controllers: a snapshot of the metadata, of
/// which 10,000 partitions take about 1 MB.
pub const CONTROL_FRAME_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The largest frame of the first message on a connection: a `Hello` or a `DialBackAnswer`.
pub const GREETING_FRAME_BYTES_MAX: usize = 4 * 1024;

/// The largest frame between two shards: the largest answer and one batch over it.
pub const REPLICATION_FRAME_BYTES_MAX: usize = 128 * 1024 * 1024;
