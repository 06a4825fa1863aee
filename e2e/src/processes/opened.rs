//! What a broker's start did to its logs, from the lines that its process logs.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

/// The opening of one broker's logs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Opened {
    /// From the start of the process until the last shard's logs were open.
    pub at: Duration,
    /// How many logs.
    pub logs: u64,
    /// The bytes that were read and verified, because the last stop was not clean.
    pub verified_bytes: u64,
}

impl Opened {
    /// That of the newest start in a node's log: lines of JSON, others are passed over.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn read(log: &Path) -> std::io::Result<Self> {
        let text = std::fs::read_to_string(log)?;
        let lines = text.lines().rev();
        let lines = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let (mut opened, mut shards) = (Self::default(), BTreeSet::new());
        for line in lines.filter(|line| line["event"] == "logs-opened") {
            let number = |key: &str| line[key].as_u64().unwrap_or_default();
            if !shards.insert(number("shard")) {
                break;
            }
            opened.at = opened.at.max(Duration::from_millis(number("uptime_ms")));
            opened.logs += number("logs");
            opened.verified_bytes += number("verified_bytes");
        }
        Ok(opened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_start_of_every_shard_counts() {
        let line = |shard: u64, uptime_ms: u64, bytes: u64| {
            format!(
                r#"{{"event":"logs-opened","shard":{shard},"logs":5,"verified_bytes":{bytes},"uptime_ms":{uptime_ms}}}"#
            )
        };
        let lines = [
            line(0, 900, 70),
            line(1, 10, 1),
            "not JSON".to_owned(),
            line(1, 20, 2),
            line(0, 30, 3),
        ];
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("process.log");
        std::fs::write(&log, lines.join("\n")).unwrap();
        let expected = Opened {
            at: Duration::from_millis(30),
            logs: 10,
            verified_bytes: 5,
        };
        assert_eq!(Opened::read(&log).unwrap(), expected);
    }
}
