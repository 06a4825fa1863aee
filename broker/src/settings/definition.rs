//! What a setting is: its name, its type, its default, and what it is for.

use std::fmt;

/// One setting, as the tables list it.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Kafka's name, or ours with the prefix `kintsugi.`.
    pub name: &'static str,
    /// What values are legal.
    pub kind: Kind,
    /// The value where none is given; `None`: there is none.
    pub default: Option<&'static str>,
    /// What it does, and why the default is what it is.
    pub doc: &'static str,
}

/// The type of a setting's value.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A whole number from the first to the second, both included.
    Integer(i64, i64),
    /// Any text.
    Text,
    /// Texts with commas between them.
    List,
}

impl Kind {
    /// The type's number in DescribeConfigs answers (KIP-569):
    /// BOOLEAN 1, STRING 2, INT 3, SHORT 4, LONG 5, DOUBLE 6, LIST 7.
    pub const fn config_type(self) -> i8 {
        match self {
            Self::Boolean => 1,
            Self::Text => 2,
            Self::Integer(_, max) if max <= i32::MAX as i64 => 3,
            Self::Integer(..) => 5,
            Self::List => 7,
        }
    }

    /// Whether `value` is legal.
    pub fn accepts(self, value: &str) -> bool {
        match self {
            Self::Boolean => matches!(value, "true" | "false"),
            Self::Integer(min, max) => value
                .parse::<i64>()
                .is_ok_and(|number| (min..=max).contains(&number)),
            Self::Text | Self::List => true,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("true or false"),
            Self::Integer(min, i64::MAX) => write!(f, "a whole number, at least {min}"),
            Self::Integer(min, max) => write!(f, "a whole number from {min} to {max}"),
            Self::Text => f.write_str("text"),
            Self::List => f.write_str("texts with commas between them"),
        }
    }
}
