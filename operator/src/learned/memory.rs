//! Which parts of which clusters were read and written, and in which versions; and when people's
//! histories were read. Pure.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;

use super::{HISTORY_EVERY, KEEP_EVERY, Part};
use crate::remembered::{Key, Remembered};

/// What is remembered of a part's object.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// The version that was read or written last. None: it was not there.
    pub version: Option<String>,
    /// When that was.
    pub at: Timestamp,
    /// Whether the name is somebody else's, so that nothing is written.
    pub blocked: bool,
}

/// What is remembered of a history that people give.
#[derive(Debug, Default)]
struct Given {
    /// When it was read last.
    read: Option<Timestamp>,
    /// What people were told of it last.
    told: Option<String>,
}

/// What is remembered of every cluster's objects.
#[derive(Default)]
pub struct Learned {
    slots: Remembered<BTreeMap<Part, Slot>>,
    given: Remembered<Given>,
}

impl Learned {
    /// Whether a part of a cluster was not read yet. False for a cluster above the limit.
    pub fn is_unread(&self, key: &Key, uid: &str, part: Part) -> bool {
        let unread = self
            .slots
            .with(key, uid, |slots| !slots.contains_key(&part));
        unread.unwrap_or(false)
    }

    /// A part was read or written.
    pub fn note(&self, key: &Key, uid: &str, part: Part, slot: Slot) {
        self.slots.with(key, uid, |slots| slots.insert(part, slot));
    }

    /// A part that is to be written: those that were read, and that is a while ago or `at_once`.
    pub fn due(
        &self,
        key: &Key,
        uid: &str,
        part: Part,
        now: Timestamp,
        at_once: bool,
    ) -> Option<Slot> {
        let slot = self
            .slots
            .read(key, uid, |slots| slots.get(&part).cloned())??;
        let is_due = at_once || now.duration_since(slot.at) >= KEEP_EVERY;
        (is_due && !slot.blocked).then_some(slot)
    }

    /// The clusters of which parts were read, with their uids.
    pub fn clusters(&self) -> Vec<(Key, String)> {
        self.slots.keys()
    }

    /// Whether a history may be read now, which counts as a read then. False for a cluster above the
    /// limit.
    pub fn may_read_history(&self, key: &Key, uid: &str, now: Timestamp) -> bool {
        let due = self.given.with(key, uid, |given| {
            let is_early = |read| now.duration_since(read) < HISTORY_EVERY;
            if given.read.is_some_and(is_early) {
                return false;
            }
            given.read = Some(now);
            true
        });
        due.unwrap_or(false)
    }

    /// Whether people were not told just this of a history, which they are then.
    pub fn is_news_of_history(&self, key: &Key, uid: &str, note: &str) -> bool {
        let told = self.given.with(key, uid, |given| {
            let is_news = given.told.as_deref() != Some(note);
            given.told = Some(note.to_owned());
            is_news
        });
        told.unwrap_or(false)
    }

    /// A cluster is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.slots.forget(namespace, name);
        self.given.forget(namespace, name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::at;

    #[test]
    fn a_part_is_written_after_it_was_read_then_each_five_minutes_or_when_the_operator_stops() {
        let (learned, key) = (Learned::default(), ("n".to_owned(), "c".to_owned()));
        let due = |seconds, at_once| learned.due(&key, "u", Part::Load, at(seconds), at_once);
        assert!(learned.is_unread(&key, "u", Part::Load));
        assert_eq!(due(1_000, true), None, "what is there was not read");
        let slot = Slot {
            version: Some("7".to_owned()),
            at: at(0),
            blocked: false,
        };
        learned.note(&key, "u", Part::Load, slot.clone());
        assert!(!learned.is_unread(&key, "u", Part::Load));
        assert!(learned.is_unread(&key, "u", Part::Autoscaling));
        assert_eq!(due(299, false), None);
        assert_eq!(due(300, false), Some(slot.clone()));
        assert_eq!(due(1, true), Some(slot.clone()));
        assert_eq!(learned.clusters(), [(key.clone(), "u".to_owned())]);
        let blocked = Slot {
            blocked: true,
            ..slot
        };
        learned.note(&key, "u", Part::Load, blocked);
        assert_eq!(due(1_000, true), None, "somebody else's");
    }

    #[test]
    fn a_history_is_read_each_five_minutes_at_most_and_the_same_words_are_told_once() {
        let (learned, key) = (Learned::default(), ("n".to_owned(), "c".to_owned()));
        let reads = [0, 15, 299, 300, 310].map(|s| learned.may_read_history(&key, "u", at(s)));
        assert_eq!(reads, [true, false, false, true, false]);
        let told = ["a", "a", "b", "a"].map(|note| learned.is_news_of_history(&key, "u", note));
        assert_eq!(told, [true, false, true, true]);
        learned.forget("n", "c");
        assert!(learned.may_read_history(&key, "u", at(311)));
        assert!(learned.is_news_of_history(&key, "u", "a"));
    }
}
