//! What this operator remembers of a cluster between two looks. Losing it costs time, never
//! safety: evidence is then gathered anew.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kintsugi_secret::Keys;
use uuid::Uuid;

use crate::decide::gates::Closed;
use crate::observe::ObservedSecret;

/// Live reads that are remembered of each suspicion (n).
pub const EVIDENCE_READS: usize = 4;
/// How many of them must show it before a destructive act (m).
pub const EVIDENCE_HELD: usize = 3;
/// Reads closer together than this count as one: they could share one passing cause.
pub const EVIDENCE_SPACING: Duration = Duration::from_millis(300);

/// Something that, if it holds, calls for a destructive act.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Suspicion {
    /// A registered broker has no volume.
    VolumeLost {
        /// The broker's id.
        broker: i32,
    },
    /// A controller of a formed quorum has no volume.
    ControllerVolumeLost {
        /// The controller's node id.
        controller: i32,
    },
    /// A controller runs on another directory than the quorum knows of it.
    DirectoryLost {
        /// The controller's node id.
        controller: i32,
        /// The directory that the quorum knows.
        recorded: Uuid,
        /// The one that it runs on.
        present: Uuid,
    },
    /// The Secret by which nodes know each other is gone while they run.
    SecretLost,
    /// There is a broker too many, and nothing but evidence stands against emptying this one.
    RemovalDue {
        /// The broker's id.
        broker: i32,
    },
    /// No partition names a broker that is to be removed.
    Drained {
        /// The broker's id.
        broker: i32,
    },
    /// A broker that was removed has no pod, and the quorum does not know it.
    Removed {
        /// The broker's id.
        broker: i32,
    },
    /// A pod's container does not stay up.
    CrashLoop {
        /// The pod's uid.
        uid: String,
    },
    /// A pod that serves nobody runs with an older template.
    OutdatedDown {
        /// The pod's uid.
        uid: String,
    },
    /// A pod runs with an older template, and nothing but evidence stands against its restart.
    RestartDue {
        /// The pod's uid.
        uid: String,
    },
    /// A broker runs, is fenced, and lets questions time out.
    Frozen {
        /// The pod's uid.
        uid: String,
    },
}

/// What is remembered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    reads: BTreeMap<Suspicion, VecDeque<bool>>,
    last_read: Option<Timestamp>,
    announced: BTreeSet<String>,
    /// Why the last plan could not be carried out, if it could not.
    pub last_failure: Option<String>,
    /// That the API server would refuse a replacement pod, if the last rehearsal ended so.
    pub refusal: Option<Refusal>,
    /// What the cluster's Secret last held.
    pub secret: Option<Keys>,
}

/// A rehearsal that the API server refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The `metadata.generation` of the resource that the pod was built from.
    pub generation: i64,
    /// When.
    pub at: Timestamp,
    /// What the API server said.
    pub message: String,
}

/// How long a refusal holds before the rehearsal is tried again: what refused it may change.
const REFUSAL_HOLDS: SignedDuration = SignedDuration::from_secs(30);

impl History {
    /// Takes in one live read that showed exactly `present`.
    pub fn record(&mut self, present: &BTreeSet<Suspicion>, now: Timestamp) {
        let spacing = SignedDuration::try_from(EVIDENCE_SPACING).unwrap_or_default();
        if self
            .last_read
            .is_some_and(|last| now.duration_since(last).abs() < spacing)
        {
            return;
        }
        self.last_read = Some(now);
        for suspicion in present {
            self.reads.entry(suspicion.clone()).or_default();
        }
        for (suspicion, reads) in &mut self.reads {
            reads.push_back(present.contains(suspicion));
            if reads.len() > EVIDENCE_READS {
                reads.pop_front();
            }
        }
        self.reads.retain(|_, reads| reads.contains(&true));
    }

    /// Remembers what nodes know each other by, to put it back if it is lost.
    pub fn remember_secret(&mut self, secret: &ObservedSecret) {
        if let Some(keys) = secret.keys() {
            self.secret = Some(keys.clone());
        }
    }

    /// Whether `suspicion` held in m of the last n live reads, the newest among them.
    pub fn holds(&self, suspicion: &Suspicion) -> bool {
        self.reads.get(suspicion).is_some_and(|reads| {
            reads.back() == Some(&true)
                && reads.iter().filter(|held| **held).count() >= EVIDENCE_HELD
        })
    }

    /// Whether some suspicion needs more reads.
    pub fn is_gathering(&self) -> bool {
        self.reads.keys().any(|suspicion| !self.holds(suspicion))
    }

    /// The refusal that still speaks of the resource's `generation`, if there is one.
    pub fn refusal_of(&self, generation: i64) -> Option<&Refusal> {
        self.refusal
            .as_ref()
            .filter(|refusal| refusal.generation == generation)
    }

    /// Whether a rehearsal for `generation` was refused so lately that another waits.
    pub fn is_refused(&self, generation: i64, now: Timestamp) -> bool {
        self.refusal_of(generation)
            .is_some_and(|refusal| now.duration_since(refusal.at) < REFUSAL_HOLDS)
    }

    /// The ones of `closed` that were not closed before, so that each is announced once.
    pub fn newly_closed<'a>(&self, closed: &'a [Closed]) -> Vec<&'a Closed> {
        closed
            .iter()
            .filter(|closed| !self.announced.contains(&closed.key()))
            .collect()
    }

    /// Remembers what is closed now.
    pub fn remember_closed(&mut self, closed: &[Closed]) {
        self.announced = closed.iter().map(Closed::key).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::at;

    fn lost() -> Suspicion {
        Suspicion::VolumeLost { broker: 1 }
    }

    #[test]
    fn three_of_four_spaced_reads_are_evidence() {
        let mut history = History::default();
        for (step, present) in [(0, true), (1, false), (2, true)] {
            let seen = if present {
                [lost()].into()
            } else {
                BTreeSet::new()
            };
            history.record(&seen, at(step));
            assert!(!history.holds(&lost()));
        }
        history.record(&[lost()].into(), at(3));
        assert!(history.holds(&lost()));
    }

    #[test]
    fn reads_at_one_instant_count_once() {
        let mut history = History::default();
        for _ in 0..10 {
            history.record(&[lost()].into(), at(0));
        }
        assert!(!history.holds(&lost()));
        assert!(history.is_gathering());
    }

    #[test]
    fn evidence_ends_with_the_first_read_that_contradicts_it() {
        let mut history = History::default();
        for step in 0..4 {
            history.record(&[lost()].into(), at(step));
        }
        history.record(&BTreeSet::new(), at(5));
        assert!(!history.holds(&lost()));
    }
}
