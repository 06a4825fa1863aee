//! Reading strings, byte fields and arrays of a message.

use bytes::Bytes;
use kafka_protocol::protocol::StrBytes;

use super::{CodecError, LengthKind, Reader};
use crate::schema::TAGGED_FIELDS_MAX;

/// Fields in one of the protocol's two encodings: with fixed lengths, or compact (KIP-482).
#[derive(Debug)]
pub struct Decoding<'a> {
    /// Where the bytes come from.
    pub reader: Reader<'a>,
    /// Whether lengths are compact and structures end with tagged fields.
    pub is_flexible: bool,
}

impl Decoding<'_> {
    /// The element count of an array; null is taken for none.
    ///
    /// # Errors
    /// [`CodecError`], as of what is read.
    pub fn array(&mut self, element_bytes_min: usize) -> Result<usize, CodecError> {
        Ok(self.nullable_array(element_bytes_min)?.unwrap_or(0))
    }

    /// The element count of an array that may be null.
    ///
    /// # Errors
    /// [`CodecError`], as of what is read.
    pub fn nullable_array(
        &mut self,
        element_bytes_min: usize,
    ) -> Result<Option<usize>, CodecError> {
        let kind = self.wide();
        self.reader.array_length(kind, element_bytes_min)
    }

    /// A byte field, sharing the frame's memory.
    ///
    /// # Errors
    /// [`CodecError`], as of what is read.
    pub fn bytes(&mut self) -> Result<Option<Bytes>, CodecError> {
        let length = self.reader.length(self.wide())?;
        length.map(|length| self.reader.slice(length)).transpose()
    }

    /// A string, sharing the frame's memory.
    ///
    /// # Errors
    /// [`CodecError`], as of what is read.
    pub fn nullable_string(&mut self) -> Result<Option<StrBytes>, CodecError> {
        let kind = if self.is_flexible {
            LengthKind::Compact
        } else {
            LengthKind::Int16
        };
        let Some(length) = self.reader.length(kind)? else {
            return Ok(None);
        };
        let at = self.reader.position();
        let text = StrBytes::from_utf8(self.reader.slice(length)?);
        text.map(Some).map_err(|_| CodecError::NotUtf8 { at })
    }

    /// A string that may not be null.
    ///
    /// # Errors
    /// [`CodecError`], as of what is read.
    pub fn string(&mut self) -> Result<StrBytes, CodecError> {
        let at = self.reader.position();
        let text = self.nullable_string()?;
        text.ok_or(CodecError::NegativeLength { at, length: -1 })
    }

    /// Passes over a tagged-field section, where there is one.
    ///
    /// # Errors
    /// [`CodecError`], as of what is read.
    pub fn tagged_fields(&mut self) -> Result<(), CodecError> {
        if self.is_flexible {
            self.reader.skip_tagged_fields(TAGGED_FIELDS_MAX)?;
        }
        Ok(())
    }

    fn wide(&self) -> LengthKind {
        if self.is_flexible {
            LengthKind::Compact
        } else {
            LengthKind::Int32
        }
    }
}
