//! What is remembered of each cluster, or topic, between looks, in memory only.
//!
//! Guarantees: what is remembered of one is never taken for another's of the same name; they are
//! bounded in number. Assumes that those that are gone are forgotten.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Clusters of which anything is remembered; of one above it nothing is.
pub const CLUSTERS_MAX: usize = 200;

/// A cluster, or another resource, by namespace and name.
pub type Key = (String, String);

/// What is remembered of every cluster, with the uid that it is remembered of; or of every resource of
/// another kind, with a limit of its own.
#[derive(Debug)]
pub struct Remembered<T, const MAX: usize = CLUSTERS_MAX>(Mutex<BTreeMap<Key, (String, T)>>);

impl<T, const MAX: usize> Default for Remembered<T, MAX> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Default, const MAX: usize> Remembered<T, MAX> {
    /// Looks at what is remembered of a cluster, and changes it. None for one above the limit.
    pub fn with<R>(&self, key: &Key, uid: &str, look: impl FnOnce(&mut T) -> R) -> Option<R> {
        let mut clusters = self.lock();
        if clusters.len() >= MAX && !clusters.contains_key(key) {
            return None;
        }
        let fresh = || (uid.to_owned(), T::default());
        let (known, remembered) = clusters.entry(key.clone()).or_insert_with(fresh);
        if known != uid {
            (*known, *remembered) = fresh();
        }
        Some(look(remembered))
    }

    /// Looks at what is remembered of a cluster, if anything is.
    pub fn read<R>(&self, key: &Key, uid: &str, look: impl FnOnce(&T) -> R) -> Option<R> {
        let clusters = self.lock();
        let (_, remembered) = clusters.get(key).filter(|(known, _)| known == uid)?;
        Some(look(remembered))
    }

    /// The clusters of which anything is remembered, with the uid that it is remembered of.
    pub fn keys(&self) -> Vec<(Key, String)> {
        let clusters = self.lock();
        let keys = clusters.iter();
        keys.map(|(key, (uid, _))| (key.clone(), uid.clone()))
            .collect()
    }

    /// Forgets a cluster.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.lock().remove(&(namespace.to_owned(), name.to_owned()));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, (String, T)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        ("n".to_owned(), name.to_owned())
    }

    #[test]
    fn another_cluster_of_the_same_name_is_not_taken_for_the_one_before() {
        let remembered: Remembered<i32> = Remembered::default();
        remembered.with(&key("c"), "first", |value| *value = 7);
        assert_eq!(remembered.read(&key("c"), "first", |value| *value), Some(7));
        assert_eq!(remembered.read(&key("c"), "next", |value| *value), None);
        assert_eq!(remembered.with(&key("c"), "next", |value| *value), Some(0));
        assert_eq!(remembered.read(&key("c"), "first", |value| *value), None);
    }

    #[test]
    fn of_a_cluster_above_the_limit_nothing_is_remembered_until_another_is_forgotten() {
        let remembered: Remembered<i32> = Remembered::default();
        for number in 0..CLUSTERS_MAX {
            let name = number.to_string();
            assert!(remembered.with(&key(&name), "u", |_| ()).is_some());
        }
        assert!(remembered.with(&key("more"), "u", |_| ()).is_none());
        assert!(remembered.with(&key("0"), "u", |_| ()).is_some());
        remembered.forget("n", "0");
        assert!(remembered.with(&key("more"), "u", |_| ()).is_some());
    }
}
