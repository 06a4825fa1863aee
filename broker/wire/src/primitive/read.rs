//! Reading primitive values with bounds.

use bytes::Bytes;

use super::CodecError;

/// A cursor over a frame. What it hands out shares the frame's memory, so a small slice that is
/// to outlive its request should be copied.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a Bytes,
    at: usize,
}

macro_rules! fixed_width {
    ($($(#[$doc:meta])* $name:ident -> $type:ty;)*) => {
        $($(#[$doc])*
        /// # Errors
        /// [`CodecError::Short`] when the bytes end first.
        pub fn $name(&mut self) -> Result<$type, CodecError> {
            let mut raw = [0_u8; size_of::<$type>()];
            raw.copy_from_slice(self.take(size_of::<$type>())?);
            Ok(<$type>::from_be_bytes(raw))
        })*
    };
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a Bytes) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes were read.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], CodecError> {
        let left = self.left();
        if length > left {
            return Err(CodecError::Short {
                at: self.at,
                needed: length,
                left,
            });
        }
        let start = self.at;
        self.at += length;
        Ok(&self.bytes[start..self.at])
    }

    /// Passes over `length` bytes.
    ///
    /// # Errors
    /// [`CodecError::Short`] when there are fewer.
    pub fn skip(&mut self, length: usize) -> Result<(), CodecError> {
        self.take(length).map(|_| ())
    }

    /// The next `length` bytes, sharing the frame's memory.
    ///
    /// # Errors
    /// [`CodecError::Short`] when there are fewer.
    pub fn slice(&mut self, length: usize) -> Result<Bytes, CodecError> {
        let start = self.at;
        self.take(length)?;
        Ok(self.bytes.slice(start..self.at))
    }

    /// The next `length` bytes as text.
    ///
    /// # Errors
    /// [`CodecError::Short`], or [`CodecError::NotUtf8`].
    pub fn text(&mut self, length: usize) -> Result<&'a str, CodecError> {
        let at = self.at;
        std::str::from_utf8(self.take(length)?).map_err(|_| CodecError::NotUtf8 { at })
    }

    fixed_width! {
        /// INT8.
        i8 -> i8;
        /// INT16.
        i16 -> i16;
        /// INT32.
        i32 -> i32;
        /// INT64.
        i64 -> i64;
        /// UINT32.
        u32 -> u32;
        /// UUID, as a number.
        u128 -> u128;
    }

    /// UNSIGNED_VARINT: at most five bytes.
    ///
    /// # Errors
    /// [`CodecError::Short`], or [`CodecError::VarintTooLong`] above 32 bits.
    pub fn unsigned_varint(&mut self) -> Result<u32, CodecError> {
        let at = self.at;
        let wide = self.varint_bits(5)?;
        u32::try_from(wide).map_err(|_| CodecError::VarintTooLong { at })
    }

    /// VARINT: a zigzag integer of 32 bits, at most five bytes.
    ///
    /// # Errors
    /// [`CodecError::Short`], or [`CodecError::VarintTooLong`] above 32 bits.
    pub fn varint(&mut self) -> Result<i32, CodecError> {
        let raw = self.unsigned_varint()?;
        Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
    }

    /// VARLONG: a zigzag integer of 64 bits, at most ten bytes.
    ///
    /// # Errors
    /// [`CodecError::Short`], or [`CodecError::VarintTooLong`] above 64 bits.
    pub fn varlong(&mut self) -> Result<i64, CodecError> {
        let raw = self.varint_bits(10)?;
        Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
    }

    fn varint_bits(&mut self, bytes_max: u32) -> Result<u64, CodecError> {
        let at = self.at;
        let mut value = 0_u64;
        for index in 0..bytes_max {
            let byte = self.take(1)?[0];
            let bits = u64::from(byte & 0x7f);
            let shifted = bits << (7 * index);
            if shifted >> (7 * index) != bits {
                return Err(CodecError::VarintTooLong { at });
            }
            value |= shifted;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(CodecError::VarintTooLong { at })
    }

    /// The length of a nullable string or byte field: INT16, INT32 or compact. `None` is null.
    ///
    /// # Errors
    /// Those of the integer read, or [`CodecError::NegativeLength`] below -1.
    pub fn length(&mut self, kind: LengthKind) -> Result<Option<usize>, CodecError> {
        let at = self.at;
        let length = match kind {
            LengthKind::Int16 => i64::from(self.i16()?),
            LengthKind::Int32 => i64::from(self.i32()?),
            LengthKind::Compact => i64::from(self.unsigned_varint()?) - 1,
        };
        match length {
            -1 => Ok(None),
            _ => usize::try_from(length)
                .map(Some)
                .map_err(|_| CodecError::NegativeLength { at, length }),
        }
    }

    /// The element count of an array whose elements take at least `element_bytes_min` bytes each.
    /// `None` is a null array. Checked against what is left, so that it is safe to allocate by.
    ///
    /// # Errors
    /// Those of [`Self::length`], or [`CodecError::ArrayTooLong`].
    pub fn array_length(
        &mut self,
        kind: LengthKind,
        element_bytes_min: usize,
    ) -> Result<Option<usize>, CodecError> {
        let at = self.at;
        let Some(count) = self.length(kind)? else {
            return Ok(None);
        };
        let left = self.left();
        if count > left / element_bytes_min.max(1) {
            return Err(CodecError::ArrayTooLong { at, count, left });
        }
        Ok(Some(count))
    }

    /// Passes over a tagged-field section (KIP-482) of at most `fields_max` fields.
    ///
    /// # Errors
    /// [`CodecError::Short`], [`CodecError::VarintTooLong`] or [`CodecError::ArrayTooLong`].
    pub fn skip_tagged_fields(&mut self, fields_max: usize) -> Result<(), CodecError> {
        let at = self.at;
        let count = self.unsigned_varint()? as usize;
        let left = self.left();
        // A tag and a size take a byte each.
        if count > fields_max.min(left / 2) {
            return Err(CodecError::ArrayTooLong { at, count, left });
        }
        for _ in 0..count {
            self.unsigned_varint()?;
            let size = self.unsigned_varint()? as usize;
            self.skip(size)?;
        }
        Ok(())
    }

    /// Checks that everything was read.
    ///
    /// # Errors
    /// [`CodecError::Trailing`] when bytes are left.
    pub fn finish(&self) -> Result<(), CodecError> {
        match self.left() {
            0 => Ok(()),
            left => Err(CodecError::Trailing { at: self.at, left }),
        }
    }
}

/// How a length is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LengthKind {
    /// INT16: strings before flexible versions.
    Int16,
    /// INT32: bytes and arrays before flexible versions.
    Int32,
    /// UNSIGNED_VARINT of the length plus one; zero is null (KIP-482).
    Compact,
}
