//! Moments of one loss, in milliseconds after it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::scenario::environment::Environment;

/// What controllers log, by the `event` field of the line, and how the timeline calls it.
const CONTROLLER_EVENTS: [(&str, &str); 4] = [
    ("broker-noticed-dead", "noticed by the active controller"),
    (
        "broker-stopping",
        "hands over: new leaders elected (committed)",
    ),
    ("broker-fenced", "fenced (committed)"),
    ("leaders-moved", "new leaders have taken over"),
];

/// What of the operator's Events belongs on the timeline.
const OPERATOR_REASONS: [&str; 5] = [
    "GateClosed",
    "GenerationGranted",
    "VolumeCreated",
    "PodCreated",
    "PodDeleted",
];

/// The moments of one loss.
pub struct Timeline {
    began: Timestamp,
    moments: Vec<(f64, String)>,
}

impl Timeline {
    /// Begins at the loss, which is now.
    #[must_use]
    pub fn begin(what: &str) -> Self {
        Self::begin_before(Duration::ZERO, what)
    }

    /// Begins at the loss, which was so long ago.
    #[must_use]
    pub fn begin_before(ago: Duration, what: &str) -> Self {
        let now = Timestamp::now();
        Self {
            began: now.checked_sub(ago).unwrap_or(now),
            moments: vec![(0.0, what.to_owned())],
        }
    }

    /// Adds a moment that is now.
    pub fn add_now(&mut self, what: &str) {
        self.add_at(Timestamp::now(), what);
    }

    /// Adds a moment of the wall clock.
    pub fn add_at(&mut self, at: Timestamp, what: &str) {
        self.moments.push((self.since_ms(at), what.to_owned()));
    }

    /// Adds a moment by its distance from the loss.
    pub fn add_after(&mut self, after_ms: f64, what: &str) {
        self.moments.push((after_ms, what.to_owned()));
    }

    fn since_ms(&self, at: Timestamp) -> f64 {
        at.duration_since(self.began).as_secs_f64() * 1_000.0
    }

    /// Adds what the controllers logged of this broker since the loss.
    pub fn add_controllers(&mut self, environment: &Environment, broker: i32) {
        let pods = match environment.controllers() {
            Ok(pods) => pods,
            Err(error) => {
                println!("  the controllers' moments are missing: {error:#}");
                return;
            }
        };
        let mut found: BTreeMap<&str, Timestamp> = BTreeMap::new();
        for pod in pods.values() {
            let Ok(log) = environment.kubernetes.logs(&pod.name, false) else {
                continue;
            };
            for (event, at) in log.lines().filter_map(|line| moment(line, broker)) {
                if at >= self.began {
                    let first = found.entry(event).or_insert(at);
                    *first = at.min(*first);
                }
            }
        }
        for (event, what) in CONTROLLER_EVENTS {
            if let Some(at) = found.get(event) {
                self.add_at(*at, what);
            }
        }
    }

    /// Adds what the operator did since the loss, by its Events.
    pub fn add_operator(&mut self, environment: &Environment) {
        self.add_events(environment, &OPERATOR_REASONS);
    }

    /// Adds the Events of these reasons since the beginning.
    pub fn add_events(&mut self, environment: &Environment, reasons: &[&str]) {
        let events = match environment.kubernetes.events_with_times() {
            Ok(events) => events,
            Err(error) => {
                println!("  the operator's moments are missing: {error:#}");
                return;
            }
        };
        for (at, reason, note) in events {
            if at >= self.began && reasons.contains(&reason.as_str()) {
                self.add_at(at, &format!("operator: {note}"));
            }
        }
    }

    /// Prints the moments in order.
    pub fn print(&mut self) {
        self.moments
            .sort_by(|left, right| left.0.total_cmp(&right.0));
        for (after_ms, what) in &self.moments {
            println!("  {after_ms:>9.0} ms  {what}");
        }
    }
}

/// The event and time of a line that a controller logged about this broker.
fn moment(line: &str, broker: i32) -> Option<(&'static str, Timestamp)> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let named = line.get("event")?.as_str()?;
    let (event, _) = CONTROLLER_EVENTS
        .into_iter()
        .find(|(event, _)| *event == named)?;
    let is_this = line.get("broker")?.as_i64() == Some(broker.into());
    let at = line.get("timestamp")?.as_str()?.parse().ok()?;
    is_this.then_some((event, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_about_the_broker_is_a_moment_and_others_are_not() {
        let line = r#"{"timestamp":"2026-01-02T03:04:05.678901Z","level":"INFO","message":"fenced","event":"broker-fenced","broker":2}"#;
        let (event, at) = moment(line, 2).unwrap();
        assert_eq!(
            (event, at.to_string().as_str()),
            ("broker-fenced", "2026-01-02T03:04:05.678901Z")
        );
        assert!(moment(line, 1).is_none());
        assert!(moment("not json", 2).is_none());
    }
}
