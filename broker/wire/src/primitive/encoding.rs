//! Writing strings, byte fields and arrays of a message.

use bytes::{BufMut, BytesMut};

use super::Writer;

/// Strings, byte fields and arrays in one of the protocol's two encodings: with fixed lengths, or
/// compact (KIP-482). Anything above `i32::MAX` could not be framed, so the frame is refused.
#[derive(Debug)]
pub struct Encoding<'a> {
    /// Where the bytes go.
    pub out: &'a mut BytesMut,
    /// Whether lengths are compact and structures end with tagged fields.
    pub is_flexible: bool,
}

impl Encoding<'_> {
    /// The element count of an array.
    pub fn array(&mut self, count: usize) {
        self.wide_length(Some(count));
    }

    /// The length of a byte field.
    pub fn wide_length(&mut self, length: Option<usize>) {
        if self.is_flexible {
            self.compact_length(length);
        } else {
            let length = length.map_or(-1, |length| i32::try_from(length).unwrap_or(i32::MAX));
            self.out.put_i32(length);
        }
    }

    /// A string; without compact lengths one of more than `i16::MAX` bytes is cut there.
    pub fn string(&mut self, text: Option<&str>) {
        let Some(text) = text else {
            if self.is_flexible {
                self.compact_length(None);
            } else {
                self.out.put_i16(-1);
            }
            return;
        };
        if self.is_flexible {
            self.compact_length(Some(text.len()));
            self.out.put_slice(text.as_bytes());
            return;
        }
        let end = text.floor_char_boundary(i16::MAX as usize);
        self.out.put_i16(i16::try_from(end).unwrap_or(i16::MAX));
        self.out.put_slice(&text.as_bytes()[..end]);
    }

    /// The count of tagged fields, where there is a section for them.
    pub fn tagged_fields(&mut self, count: u32) {
        if self.is_flexible {
            self.out.put_unsigned_varint(count);
        }
    }

    fn compact_length(&mut self, length: Option<usize>) {
        let length = length.map_or(0, |length| {
            u32::try_from(length)
                .unwrap_or(u32::MAX - 1)
                .saturating_add(1)
        });
        self.out.put_unsigned_varint(length);
    }
}
