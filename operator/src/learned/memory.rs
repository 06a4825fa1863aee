//! Which parts of which clusters were read and written, and in which versions. Pure.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;

use super::{KEEP_EVERY, Part};
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

/// What is remembered of every cluster's objects.
#[derive(Default)]
pub struct Learned(Remembered<BTreeMap<Part, Slot>>);

impl Learned {
    /// Whether a part of a cluster was not read yet. False for a cluster above the limit.
    pub fn is_unread(&self, key: &Key, uid: &str, part: Part) -> bool {
        let unread = self.0.with(key, uid, |slots| !slots.contains_key(&part));
        unread.unwrap_or(false)
    }

    /// A part was read or written.
    pub fn note(&self, key: &Key, uid: &str, part: Part, slot: Slot) {
        self.0.with(key, uid, |slots| slots.insert(part, slot));
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
        let slot = self.0.read(key, uid, |slots| slots.get(&part).cloned())??;
        let is_due = at_once || now.duration_since(slot.at) >= KEEP_EVERY;
        (is_due && !slot.blocked).then_some(slot)
    }

    /// The clusters of which parts were read, with their uids.
    pub fn clusters(&self) -> Vec<(Key, String)> {
        self.0.keys()
    }

    /// A cluster is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.0.forget(namespace, name);
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
}
