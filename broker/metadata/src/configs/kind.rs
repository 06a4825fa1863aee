//! What values a setting takes, and what people are told about others: Kafka's words
//! (`org.apache.kafka.common.config.ConfigDef`).

/// What values a setting takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConfigKind {
    /// `true` or `false`.
    Boolean,
    /// A 32-bit number in this range.
    Int {
        /// The least.
        min: i32,
        /// The greatest.
        max: i32,
    },
    /// A 64-bit number, at least this.
    Long {
        /// The least.
        min: i64,
    },
    /// One of these words.
    Word(&'static [&'static str]),
    /// Some of these words, with commas between them.
    Words(&'static [&'static str]),
    /// `*`, or replicas as `partition:broker` with commas between them.
    ThrottledReplicas,
}

impl ConfigKind {
    /// Whether a value is a list, which may be appended to and subtracted from.
    #[must_use]
    pub const fn is_list(self) -> bool {
        matches!(self, Self::Words(_) | Self::ThrottledReplicas)
    }

    /// Checks a value of the setting `name`.
    ///
    /// # Errors
    /// With what Kafka says is wrong with it.
    pub fn check(self, name: &str, value: &str) -> Result<(), String> {
        let wrong = |what: &str| {
            Err(format!(
                "Invalid value {value} for configuration {name}: {what}"
            ))
        };
        match self {
            Self::Boolean => match value.to_ascii_lowercase().as_str() {
                "true" | "false" => Ok(()),
                _ => wrong("Expected value to be either true or false"),
            },
            Self::Int { min, max } => match value.parse::<i32>() {
                Err(_) => wrong("Not a number of type INT"),
                Ok(number) if number < min => wrong(&format!("Value must be at least {min}")),
                Ok(number) if number > max => wrong(&format!("Value must be no more than {max}")),
                Ok(_) => Ok(()),
            },
            Self::Long { min } => match value.parse::<i64>() {
                Err(_) => wrong("Not a number of type LONG"),
                Ok(number) if number < min => wrong(&format!("Value must be at least {min}")),
                Ok(_) => Ok(()),
            },
            Self::Word(words) if words.contains(&value) => Ok(()),
            Self::Words(words) if elements(value).all(|word| words.contains(&word)) => Ok(()),
            Self::Word(words) | Self::Words(words) => {
                wrong(&format!("String must be one of: {}", words.join(", ")))
            }
            Self::ThrottledReplicas if is_replica_list(value) => Ok(()),
            Self::ThrottledReplicas => wrong(&format!(
                "{name} must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."
            )),
        }
    }
}

/// The elements of a list.
pub fn elements(value: &str) -> impl Iterator<Item = &str> {
    let parts = value.split(',').map(str::trim);
    parts.filter(|part| !part.is_empty())
}

fn is_replica_list(value: &str) -> bool {
    let is_number = |text: &str| text.parse::<i32>().is_ok_and(|number| number >= 0);
    value == "*"
        || elements(value).all(|replica| match replica.split_once(':') {
            Some((partition, broker)) => is_number(partition) && is_number(broker),
            None => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_values_are_refused_in_kafkas_words() {
        let at_least = ConfigKind::Long { min: -1 };
        let refused = |kind: ConfigKind, value| kind.check("x", value).unwrap_err();
        assert_eq!(
            refused(at_least, "soon"),
            "Invalid value soon for configuration x: Not a number of type LONG"
        );
        assert_eq!(
            refused(at_least, "-2"),
            "Invalid value -2 for configuration x: Value must be at least -1"
        );
        assert_eq!(
            refused(ConfigKind::Int { min: 0, max: 9 }, "10"),
            "Invalid value 10 for configuration x: Value must be no more than 9"
        );
        assert_eq!(
            refused(ConfigKind::Boolean, "yes"),
            "Invalid value yes for configuration x: Expected value to be either true or false"
        );
        assert_eq!(
            refused(ConfigKind::Words(&["delete"]), "delete,compact"),
            "Invalid value delete,compact for configuration x: String must be one of: delete"
        );
    }

    #[test]
    fn throttled_replicas_are_a_star_or_pairs() {
        for (value, is_legal) in [
            ("*", true),
            ("", true),
            ("0:1,1:2", true),
            ("0:1:2", false),
            ("0", false),
            ("a:b", false),
            ("-1:0", false),
        ] {
            let checked = ConfigKind::ThrottledReplicas.check("x", value);
            assert_eq!(checked.is_ok(), is_legal, "{value}");
        }
    }
}
