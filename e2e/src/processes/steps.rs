//! The steps of a failover, from the lines that Kintsugi's nodes log.

use std::path::Path;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

/// When each step of one failover was reached, counted from the fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Steps {
    /// The active controller took the broker for dead.
    pub noticed: Option<Duration>,
    /// The entry that fences it and moves its leaderships was committed.
    pub fenced: Option<Duration>,
    /// The last broker that gained leaderships by it had applied it.
    pub applied: Option<Duration>,
}

impl Steps {
    /// Reads on in one node's log: lines of JSON with a timestamp, other lines are passed over.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn read(&mut self, log: &Path, broker: i32, fault: SystemTime) -> std::io::Result<()> {
        for line in std::fs::read_to_string(log)?.lines().rev() {
            let Ok(line) = serde_json::from_str::<serde_json::Value>(line) else {
                continue;
            };
            let stamp = line.get("timestamp").and_then(serde_json::Value::as_str);
            let Some(stamp) = stamp.and_then(|text| text.parse::<Timestamp>().ok()) else {
                continue;
            };
            let Ok(after) = SystemTime::from(stamp).duration_since(fault) else {
                break;
            };
            self.take(&line, broker, after);
        }
        Ok(())
    }

    fn take(&mut self, line: &serde_json::Value, broker: i32, after: Duration) {
        let number = |key: &str| line.get(key).and_then(serde_json::Value::as_i64);
        let is_about = number("broker") == Some(i64::from(broker));
        match line.get("event").and_then(serde_json::Value::as_str) {
            Some("broker-noticed-dead") if is_about => {
                self.noticed = Some(self.noticed.map_or(after, |first| first.min(after)));
            }
            Some("broker-fenced") if is_about => {
                self.fenced = Some(self.fenced.map_or(after, |first| first.min(after)));
            }
            _ => {}
        }
        let fenced = line.get("fenced").and_then(serde_json::Value::as_str);
        let named = fenced.is_some_and(|ids| ids.contains(&broker.to_string()));
        if named && number("leaderships_gained").is_some_and(|gained| gained > 0) {
            self.applied = Some(self.applied.map_or(after, |last| last.max(after)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_counted_from_the_fault_and_earlier_lines_are_another_failovers() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let lines = [
            r#"{"timestamp":"2026-11-23T09:00:00.000000Z","event":"broker-noticed-dead","broker":1}"#,
            "not a line of JSON",
            r#"{"timestamp":"2026-11-23T09:00:10.020000Z","event":"broker-noticed-dead","broker":1}"#,
            r#"{"timestamp":"2026-11-23T09:00:10.030000Z","event":"broker-fenced","broker":1}"#,
            r#"{"timestamp":"2026-11-23T09:00:10.034000Z","leaderships_gained":20,"fenced":"[1]"}"#,
            r#"{"timestamp":"2026-11-23T09:00:19.000000Z","event":"broker-fenced","broker":2}"#,
        ];
        std::fs::write(log.path(), lines.join("\n")).unwrap();
        let fault: Timestamp = "2026-11-23T09:00:10Z".parse().unwrap();
        let mut steps = Steps::default();
        steps.read(log.path(), 1, fault.into()).unwrap();
        let millis = |ms| Some(Duration::from_millis(ms));
        let expected = Steps {
            noticed: millis(20),
            fenced: millis(30),
            applied: millis(34),
        };
        assert_eq!(steps, expected);
    }
}
