//! Kafka's primitive types, read with bounds and written to a buffer.
//!
//! Guarantees: a reader never reads past its end, and hands out slices that share the frame's
//! memory. Never allocates by a length that came over the wire.

mod decoding;
mod encoding;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use decoding::Decoding;
pub use encoding::Encoding;
pub use read::{LengthKind, Reader};
pub use write::Writer;

/// Why bytes could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The bytes end before the value does.
    #[error("failed to decode: {needed} bytes needed at byte {at}, {left} left")]
    Short {
        /// Where in the input.
        at: usize,
        /// How many bytes the value takes.
        needed: usize,
        /// How many bytes there are.
        left: usize,
    },
    /// A length is negative where null is not allowed, or below -1.
    #[error("failed to decode: length {length} at byte {at} is negative")]
    NegativeLength {
        /// Where in the input.
        at: usize,
        /// The length found.
        length: i64,
    },
    /// A varint is longer than its type allows.
    #[error("failed to decode: varint at byte {at} is too long")]
    VarintTooLong {
        /// Where in the input.
        at: usize,
    },
    /// An array claims more elements than the rest of the input could hold.
    #[error("failed to decode: array of {count} elements at byte {at}, {left} bytes left")]
    ArrayTooLong {
        /// Where in the input.
        at: usize,
        /// How many elements it claims.
        count: usize,
        /// How many bytes there are for them.
        left: usize,
    },
    /// A string is not UTF-8.
    #[error("failed to decode: string at byte {at} is not UTF-8")]
    NotUtf8 {
        /// Where in the input.
        at: usize,
    },
    /// Bytes remain after the last field.
    #[error("failed to decode: {left} bytes left after the last field, at byte {at}")]
    Trailing {
        /// Where the last field ended.
        at: usize,
        /// How many bytes follow it.
        left: usize,
    },
}
