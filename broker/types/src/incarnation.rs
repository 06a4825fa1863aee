//! Which run of a broker this is.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::id::{BrokerId, integer_id};

integer_id! {
    /// How often a broker id was given to a new pod and volume by the operator. Granted by the
    /// quorum; a higher one replaces a lower one.
    Generation(u32)
}

integer_id! {
    /// How often a broker was started on this log directory; kept (and synced) in it.
    StartCounter(u64)
}

/// The kernel's boot id (`/proc/sys/kernel/random/boot_id`): the same one before and after a
/// crash means that the page cache was kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootId(pub Uuid);

/// One run of one broker process. Of two incarnations of a broker, the one with the higher
/// (generation, start counter) is the newer, and replaces the other at once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Incarnation {
    /// Which broker.
    pub broker: BrokerId,
    /// Which pod and volume of it.
    pub generation: Generation,
    /// Which start on that volume.
    pub start: StartCounter,
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "broker {} generation {} start {}",
            self.broker, self.generation, self.start
        )
    }
}
