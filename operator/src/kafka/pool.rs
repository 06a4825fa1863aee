//! One session a cluster, kept between looks; and who did not answer a moment ago.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Session;

/// Clusters that are remembered; one above it gets a new connection with each look.
const CLUSTERS_MAX: usize = 200;
/// How long a cluster that nobody answered for is not asked again. Looks at its topics would each
/// wait for the same time-outs otherwise, and keep those of other clusters waiting.
const SILENT_FOR: Duration = Duration::from_secs(2);

/// What is known of a cluster's brokers.
#[derive(Clone, Debug)]
pub enum Known {
    /// A session that was not closed a moment ago.
    Open(Box<Session>),
    /// Nobody answered a moment ago, and why.
    Silent(String),
    /// Nothing.
    Nothing,
}

enum Entry {
    Open(Box<Session>),
    Silent { since: Instant, why: String },
}

/// Sessions by the uid of the KafkaCluster, so that one which is made anew under the same name
/// never gets the session of the one before.
#[derive(Default)]
pub struct Pool {
    entries: Mutex<BTreeMap<String, Entry>>,
}

impl Pool {
    /// What is known of the cluster.
    pub fn get(&self, uid: &str) -> Known {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        match entries.get(uid) {
            Some(Entry::Open(session)) if !session.is_closed() => Known::Open(session.clone()),
            Some(Entry::Silent { since, why }) if since.elapsed() < SILENT_FOR => {
                Known::Silent(why.clone())
            }
            _ => Known::Nothing,
        }
    }

    /// Remembers a session.
    pub fn keep(&self, uid: &str, session: &Session) {
        self.insert(uid, Entry::Open(Box::new(session.clone())));
    }

    /// Remembers that nobody answered, and lets go of the session if there is one.
    pub fn silent(&self, uid: &str, why: String) {
        let since = Instant::now();
        self.insert(uid, Entry::Silent { since, why });
    }

    /// Lets go of the session, or forgets the silence.
    pub fn forget(&self, uid: &str) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.remove(uid);
    }

    fn insert(&self, uid: &str, entry: Entry) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= CLUSTERS_MAX {
            entries.retain(|_, entry| match entry {
                Entry::Open(session) => !session.is_closed(),
                Entry::Silent { since, .. } => since.elapsed() < SILENT_FOR,
            });
        }
        if entries.len() < CLUSTERS_MAX || entries.contains_key(uid) {
            entries.insert(uid.to_owned(), entry);
        }
    }
}
