//! What statuses are told in words, and how often they are written.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// A reason that says the same with other numbers is written this often, to spare the API server.
const TELL_EVERY: SignedDuration = SignedDuration::from_secs(60);
/// Characters of a reason in words; the schemas allow this many.
const REASON_CHARACTERS_MAX: usize = 1_024;

/// The part of a status that was last given, and when.
#[derive(Clone, Debug)]
pub struct Told<S>(Option<(Timestamp, S)>);

impl<S> Default for Told<S> {
    fn default() -> Self {
        Self(None)
    }
}

impl<S: Clone> Told<S> {
    /// The status to write: the last one for a while, if it `says_the_same` but for its numbers.
    pub fn tell(&mut self, status: S, says_the_same: impl Fn(&S, &S) -> bool, now: Timestamp) -> S {
        if let Some((at, known)) = &self.0
            && says_the_same(known, &status)
            && now.duration_since(*at) < TELL_EVERY
        {
            return known.clone();
        }
        self.tell_now(status.clone(), now);
        status
    }

    /// As [`Self::tell`], of a status that is news.
    pub fn tell_now(&mut self, status: S, now: Timestamp) {
        self.0 = Some((now, status));
    }

    /// What was last given.
    pub fn last(&self) -> Option<&S> {
        self.0.as_ref().map(|(_, status)| status)
    }
}

/// A reason, as long as a status may hold it.
pub fn reason(words: &str) -> String {
    words.chars().take(REASON_CHARACTERS_MAX).collect()
}

/// RFC 3339 in whole seconds, as Kubernetes writes times.
pub fn seconds(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second())
        .unwrap_or(at)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::at;

    #[test]
    fn what_says_the_same_is_told_once_a_minute_and_what_does_not_at_once() {
        let same = |known: &(char, i32), next: &(char, i32)| known.0 == next.0;
        let mut told = Told::default();
        assert_eq!(told.tell(('a', 1), same, at(0)), ('a', 1));
        assert_eq!(told.tell(('a', 2), same, at(59)), ('a', 1));
        assert_eq!(told.tell(('a', 3), same, at(60)), ('a', 3));
        assert_eq!(told.tell(('b', 4), same, at(61)), ('b', 4));
        assert_eq!(told.last(), Some(&('b', 4)));
    }

    #[test]
    fn times_are_told_in_whole_seconds() {
        let time: Timestamp = "2026-01-02T03:04:05.6789Z".parse().unwrap();
        assert_eq!(seconds(time), "2026-01-02T03:04:05Z");
    }
}
