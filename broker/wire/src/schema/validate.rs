//! Walking a message by its schema.

use bytes::Bytes;

use super::field::{Field, Kind, Schema, structure_bytes_min};
use super::{ELEMENTS_MAX, SchemaError, TAGGED_FIELDS_MAX};
use crate::primitive::{CodecError, LengthKind, Reader};

/// Checks that `body` begins with one whole message of this schema and version, and that decoding
/// it allocates no more than [`ELEMENTS_MAX`] elements and [`TAGGED_FIELDS_MAX`] tagged fields.
/// Bytes after it are passed over, as Kafka does: librdkafka sends some where it asks for the
/// metadata of all topics.
///
/// # Errors
/// [`SchemaError`], with the field at which the message is wrong.
pub fn validate(schema: &Schema, version: i16, body: &Bytes) -> Result<(), SchemaError> {
    let mut walk = Walk {
        reader: Reader::new(body),
        version,
        is_flexible: version >= schema.flexible_since,
        elements: 0,
        tagged_fields: 0,
    };
    walk.structure(schema.fields)
}

struct Walk<'a> {
    reader: Reader<'a>,
    version: i16,
    is_flexible: bool,
    elements: usize,
    tagged_fields: usize,
}

impl Walk<'_> {
    fn structure(&mut self, fields: &[Field]) -> Result<(), SchemaError> {
        let version = self.version;
        for field in fields.iter().filter(|f| f.is_plain_in(version)) {
            self.field(field)?;
        }
        if self.is_flexible {
            self.tagged_section(fields)?;
        }
        Ok(())
    }

    fn tagged_section(&mut self, fields: &[Field]) -> Result<(), SchemaError> {
        let within = |source| SchemaError::Field {
            field: "tagged fields",
            source,
        };
        let count = self.reader.unsigned_varint().map_err(within)? as usize;
        self.tagged_fields = self.tagged_fields.saturating_add(count);
        if self.tagged_fields > TAGGED_FIELDS_MAX {
            return Err(SchemaError::TooManyTaggedFields {
                found: self.tagged_fields,
            });
        }
        for _ in 0..count {
            let tag = self.reader.unsigned_varint().map_err(within)?;
            if tag > i32::MAX as u32 {
                return Err(SchemaError::Tag { tag });
            }
            let size = self.reader.unsigned_varint().map_err(within)? as usize;
            let start = self.reader.position();
            // A decoder reads a tag that it knows by its type and not by its size, so both must
            // agree; whether it knows a tag outside its versions is not for us to guess.
            match fields.iter().find(|field| field.tag == Some(tag)) {
                Some(field) if !field.is_in(self.version) => {
                    return Err(SchemaError::TagOfOtherVersion { field: field.name });
                }
                Some(field) => {
                    self.field(field)?;
                    if self.reader.position() - start != size {
                        return Err(SchemaError::TagSize { field: field.name });
                    }
                }
                None => self.reader.skip(size).map_err(within)?,
            }
        }
        Ok(())
    }

    fn field(&mut self, field: &Field) -> Result<(), SchemaError> {
        let within = |source| SchemaError::Field {
            field: field.name,
            source,
        };
        match field.kind {
            Kind::Fixed(size) => self.reader.skip(size).map_err(within),
            Kind::Text | Kind::Bytes => self.text_or_bytes(field).map_err(within),
            Kind::Array(element) => {
                let bytes_min = structure_bytes_min(element, self.version, self.is_flexible);
                for _ in 0..self.element_count(field, bytes_min)? {
                    self.structure(element)?;
                }
                Ok(())
            }
            Kind::Scalars(element) => {
                let [element] = element else { return Ok(()) };
                let bytes_min = element.bytes_min(self.version, self.is_flexible);
                for _ in 0..self.element_count(field, bytes_min)? {
                    self.field(element)?;
                }
                Ok(())
            }
            Kind::Structure(fields) => {
                if field.is_nullable && self.reader.i8().map_err(within)? < 0 {
                    return Ok(());
                }
                self.structure(fields)
            }
        }
    }

    fn text_or_bytes(&mut self, field: &Field) -> Result<(), CodecError> {
        let at = self.reader.position();
        let is_text = matches!(field.kind, Kind::Text);
        let kind = match (self.is_flexible, is_text) {
            (true, _) => LengthKind::Compact,
            (false, true) => LengthKind::Int16,
            (false, false) => LengthKind::Int32,
        };
        match self.reader.length(kind)? {
            None if field.is_nullable => Ok(()),
            None => Err(CodecError::NegativeLength { at, length: -1 }),
            Some(length) if is_text => self.reader.text(length).map(|_| ()),
            Some(length) => self.reader.skip(length),
        }
    }

    fn element_count(&mut self, field: &Field, bytes_min: usize) -> Result<usize, SchemaError> {
        let at = self.reader.position();
        let within = |source| SchemaError::Field {
            field: field.name,
            source,
        };
        let kind = if self.is_flexible {
            LengthKind::Compact
        } else {
            LengthKind::Int32
        };
        let count = self.reader.array_length(kind, bytes_min).map_err(within)?;
        if count.is_none() && !field.is_nullable {
            return Err(within(CodecError::NegativeLength { at, length: -1 }));
        }
        let count = count.unwrap_or(0);
        self.elements = self.elements.saturating_add(count);
        if self.elements > ELEMENTS_MAX {
            return Err(SchemaError::TooManyElements {
                found: self.elements,
            });
        }
        Ok(count)
    }
}
