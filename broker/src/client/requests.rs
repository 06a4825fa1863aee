//! How much memory requests take.
//!
//! Each connection may hold the beginning of one request ([`ARRIVING_BYTES`]); what is beyond
//! comes out of a pool as it arrives, not as it is announced. Requests that are no larger have a
//! pool of their own, which is asked only once they are whole: whoever announces much and sends
//! little does not keep them waiting. And one request may always grow beyond the pool, so that
//! requests that each wait for the memory of the others come to an end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a connection may hold of a request that no pool counts: most requests as a whole.
pub const ARRIVING_BYTES: usize = 16 * 1024;

/// The part of all memory that is kept for requests of at most [`ARRIVING_BYTES`]: a quarter.
const SMALL_PART: usize = 4;

/// The pools.
#[derive(Clone, Debug)]
pub struct RequestMemory {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
    large_bytes: usize,
    /// One permit: to grow beyond the pool.
    beyond: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

/// Memory of one request; given back when it is dropped.
#[derive(Debug)]
pub struct Held {
    _permit: OwnedSemaphorePermit,
    /// Whether the request may grow as it likes.
    pub is_beyond: bool,
}

/// Counts one that waits.
struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl RequestMemory {
    /// Room for `bytes`, and one request beyond it.
    pub fn new(bytes: usize) -> Self {
        let bytes = bytes.min(Semaphore::MAX_PERMITS);
        let small = (bytes / SMALL_PART).max(ARRIVING_BYTES);
        let large_bytes = bytes.saturating_sub(small);
        Self {
            small: Arc::new(Semaphore::new(small)),
            large: Arc::new(Semaphore::new(large_bytes)),
            large_bytes,
            beyond: Arc::new(Semaphore::new(1)),
            waiting: Arc::default(),
        }
    }

    /// Whether requests wait for memory.
    pub fn is_short(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Memory for a whole request of at most [`ARRIVING_BYTES`], now.
    pub fn try_small(&self, bytes: usize) -> Option<Held> {
        held(
            Arc::clone(&self.small).try_acquire_many_owned(permits(bytes)),
            false,
        )
    }

    /// The same, once there is room. `None` never comes while the pools are there.
    pub async fn small(self, bytes: usize) -> Option<Held> {
        held(self.small.acquire_many_owned(permits(bytes)).await, false)
    }

    /// So many bytes more for a request that arrives, now.
    pub fn try_more(&self, bytes: usize) -> Option<Held> {
        held(
            Arc::clone(&self.large).try_acquire_many_owned(permits(bytes)),
            false,
        )
    }

    /// The same, once there is room or it is this one's turn to grow beyond it.
    pub async fn more(self, bytes: usize) -> Option<Held> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(Arc::clone(&self.waiting));
        let beyond = self.beyond.acquire_owned();
        if bytes > self.large_bytes {
            return held(beyond.await, true);
        }
        tokio::select! {
            biased;
            room = self.large.acquire_many_owned(permits(bytes)) => held(room, false),
            beyond = beyond => held(beyond, true),
        }
    }
}

fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn held<E>(permit: Result<OwnedSemaphorePermit, E>, is_beyond: bool) -> Option<Held> {
    permit.ok().map(|permit| Held {
        _permit: permit,
        is_beyond,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1024;

    #[tokio::test]
    async fn small_requests_have_room_while_large_ones_wait() {
        let memory = RequestMemory::new(1_024 * KIB);
        let _all = memory.try_more(768 * KIB).unwrap();
        assert!(memory.try_more(1).is_none());
        let _beyond = memory.clone().more(64 * KIB).await.unwrap();
        assert!(memory.try_small(16 * KIB).is_some());
    }

    #[tokio::test]
    async fn one_at_a_time_grows_beyond_the_pool() {
        let memory = RequestMemory::new(1_024 * KIB);
        let all = memory.try_more(768 * KIB).unwrap();
        let first = memory.clone().more(10_000 * KIB).await.unwrap();
        assert!(first.is_beyond && !memory.is_short());
        let mut second = tokio::spawn(memory.clone().more(64 * KIB));
        tokio::task::yield_now().await;
        assert!(futures::poll!(&mut second).is_pending() && memory.is_short());
        drop(all);
        let second = second.await.unwrap().unwrap();
        assert!(!second.is_beyond && !memory.is_short());
    }
}
