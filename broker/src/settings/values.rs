//! Given and default values, checked against the tables.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::SettingsError;
use super::definition::Definition;
use super::table;

/// Where a value comes from; DescribeConfigs tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// The file, `--override` or `--dev`.
    Given,
    /// The table.
    Default,
}

/// Every setting's text, legal by its type.
#[derive(Clone, Debug, Default)]
pub struct Values {
    given: BTreeMap<String, String>,
    /// Names that no table knows; each is worth a warning.
    pub unknown: Vec<String>,
}

impl Values {
    /// Checks what was given.
    ///
    /// # Errors
    /// [`SettingsError::Illegal`] at the first value that its type does not accept.
    pub fn check(given: BTreeMap<String, String>) -> Result<Self, SettingsError> {
        let mut values = Self::default();
        for (name, value) in given {
            match table::find(&name) {
                None => values.unknown.push(name),
                Some(definition) if !definition.kind.accepts(&value) => {
                    return Err(illegal(definition, &value));
                }
                // An empty value is Kafka's way to say "not set".
                Some(_) if value.is_empty() => {}
                Some(_) => {
                    values.given.insert(name, value);
                }
            }
        }
        Ok(values)
    }

    /// A setting's value and where it comes from; `None` if it has neither value nor default.
    pub fn get(&self, name: &str) -> Option<(&str, Source)> {
        if let Some(value) = self.given.get(name) {
            return Some((value, Source::Given));
        }
        let default = table::find(name)?.default?;
        Some((default, Source::Default))
    }

    /// A setting's text, if it has one.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).map(|(value, _)| value)
    }

    /// A setting without which there is no start.
    ///
    /// # Errors
    /// [`SettingsError::Missing`].
    pub fn required(&self, name: &'static str) -> Result<&str, SettingsError> {
        self.text(name).ok_or_else(|| SettingsError::Missing {
            name,
            doc: table::find(name).map_or("", |definition| definition.doc),
        })
    }

    /// A setting parsed as a number or another type with a default in the table.
    ///
    /// # Errors
    /// [`SettingsError::Missing`], or [`SettingsError::Unparsable`].
    pub fn parsed<T: FromStr>(&self, name: &'static str) -> Result<T, SettingsError> {
        let value = self.required(name)?;
        value.parse().map_err(|_| SettingsError::Unparsable {
            name,
            value: value.to_owned(),
            expected: table::find(name).map_or_else(String::new, |d| d.kind.to_string()),
        })
    }

    /// The parts of a list, without blanks around them.
    pub fn list(&self, name: &str) -> Vec<&str> {
        self.text(name)
            .map(|text| {
                text.split(',')
                    .map(str::trim)
                    .filter(|part| !part.is_empty())
            })
            .into_iter()
            .flatten()
            .collect()
    }
}

fn illegal(definition: &Definition, value: &str) -> SettingsError {
    SettingsError::Illegal {
        name: definition.name,
        value: value.to_owned(),
        expected: definition.kind.to_string(),
        doc: definition.doc,
    }
}
