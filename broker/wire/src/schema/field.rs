//! How a message's layout is written down.

/// The `flexible_since` of a message that has compact lengths in no version.
pub(crate) const NEVER_FLEXIBLE: i16 = i16::MAX;

/// The layout of one message in all its versions.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// The first version with compact lengths and tagged fields (KIP-482).
    pub(crate) flexible_since: i16,
    /// The fields in order; tagged ones last.
    pub(crate) fields: &'static [Field],
}

/// One field, and the versions that have it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) since: i16,
    pub(crate) until: i16,
    pub(crate) is_nullable: bool,
    pub(crate) tag: Option<u32>,
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// So many bytes.
    Fixed(usize),
    /// UTF-8 with a length.
    Text,
    /// Bytes with a length.
    Bytes,
    /// Elements with these fields (and tagged fields of their own).
    Array(&'static [Field]),
    /// Elements that are plain values.
    Scalars(&'static [Field]),
    /// These fields; a nullable one has an INT8 before it that is negative for null.
    Structure(&'static [Field]),
}

impl Field {
    const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            since: 0,
            until: i16::MAX,
            is_nullable: false,
            tag: None,
        }
    }

    pub(crate) const fn since(mut self, version: i16) -> Self {
        self.since = version;
        self
    }

    pub(crate) const fn until(mut self, version: i16) -> Self {
        self.until = version;
        self
    }

    pub(crate) const fn nullable(mut self) -> Self {
        self.is_nullable = true;
        self
    }

    pub(crate) const fn tagged(mut self, tag: u32) -> Self {
        self.tag = Some(tag);
        self
    }

    pub(crate) const fn of_scalars(mut self) -> Self {
        if let Kind::Array(fields) = self.kind {
            self.kind = Kind::Scalars(fields);
        }
        self
    }

    /// Whether `version` has this field outside the tagged section.
    pub(crate) const fn is_plain_in(&self, version: i16) -> bool {
        self.tag.is_none() && self.is_in(version)
    }

    /// Whether `version` has this field.
    pub(crate) const fn is_in(&self, version: i16) -> bool {
        self.since <= version && version <= self.until
    }

    /// The fewest bytes that this field takes.
    pub(crate) fn bytes_min(&self, version: i16, is_flexible: bool) -> usize {
        match self.kind {
            Kind::Fixed(size) => size,
            Kind::Text if is_flexible => 1,
            Kind::Text => 2,
            Kind::Bytes | Kind::Array(_) | Kind::Scalars(_) if is_flexible => 1,
            Kind::Bytes | Kind::Array(_) | Kind::Scalars(_) => 4,
            Kind::Structure(_) if self.is_nullable => 1,
            Kind::Structure(fields) => structure_bytes_min(fields, version, is_flexible),
        }
    }
}

/// The fewest bytes that these fields and the tagged section after them take.
pub(crate) fn structure_bytes_min(fields: &[Field], version: i16, is_flexible: bool) -> usize {
    let plain: usize = fields
        .iter()
        .filter(|field| field.is_plain_in(version))
        .map(|field| field.bytes_min(version, is_flexible))
        .sum();
    plain + usize::from(is_flexible)
}

pub(crate) const fn schema(flexible_since: i16, fields: &'static [Field]) -> Schema {
    Schema {
        flexible_since,
        fields,
    }
}

pub(crate) const fn boolean(name: &'static str) -> Field {
    Field::new(name, Kind::Fixed(1))
}

pub(crate) const fn int8(name: &'static str) -> Field {
    Field::new(name, Kind::Fixed(1))
}

pub(crate) const fn int16(name: &'static str) -> Field {
    Field::new(name, Kind::Fixed(2))
}

pub(crate) const fn int32(name: &'static str) -> Field {
    Field::new(name, Kind::Fixed(4))
}

pub(crate) const fn int64(name: &'static str) -> Field {
    Field::new(name, Kind::Fixed(8))
}

pub(crate) const fn uuid(name: &'static str) -> Field {
    Field::new(name, Kind::Fixed(16))
}

pub(crate) const fn string(name: &'static str) -> Field {
    Field::new(name, Kind::Text)
}

pub(crate) const fn bytes(name: &'static str) -> Field {
    Field::new(name, Kind::Bytes)
}

pub(crate) const fn array(name: &'static str, fields: &'static [Field]) -> Field {
    Field::new(name, Kind::Array(fields))
}

pub(crate) const fn structure(name: &'static str, fields: &'static [Field]) -> Field {
    Field::new(name, Kind::Structure(fields))
}
