//! Writing primitive values.

use bytes::{BufMut, BytesMut};

/// Kafka's primitive types, appended to a buffer. Lengths above what a type can carry are cut
/// nowhere: callers bound what they encode, and a frame is at most `i32::MAX` bytes.
pub trait Writer: BufMut {
    /// UNSIGNED_VARINT.
    fn put_unsigned_varint(&mut self, value: u32) {
        self.put_varint_bits(u64::from(value));
    }

    /// VARINT: zigzag, 32 bits.
    fn put_varint(&mut self, value: i32) {
        self.put_unsigned_varint(((value << 1) ^ (value >> 31)).cast_unsigned());
    }

    /// VARLONG: zigzag, 64 bits.
    fn put_varlong(&mut self, value: i64) {
        self.put_varint_bits(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    /// The seven-bit groups of a number, low first.
    fn put_varint_bits(&mut self, value: u64) {
        let mut rest = value;
        while rest >= 0x80 {
            self.put_u8((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        self.put_u8(rest as u8);
    }
}

impl Writer for BytesMut {}
impl Writer for Vec<u8> {}
