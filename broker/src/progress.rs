//! When each of the process's own threads was last seen to work; liveness is judged by this.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kintsugi_types::Time;

/// One thread's last sign of life.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    micros: Arc<AtomicU64>,
}

impl Progress {
    /// Says that the thread works at this moment.
    pub fn mark(&self, now: Time) {
        self.micros.store(now.0, Ordering::Relaxed);
    }

    /// The last sign of life.
    pub fn last(&self) -> Time {
        Time(self.micros.load(Ordering::Relaxed))
    }
}
