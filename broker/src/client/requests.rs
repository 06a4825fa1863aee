//! How much memory requests take.
//!
//! Each connection may hold the beginning of one request ([`ARRIVING_BYTES`]); only once that has
//! come is the rest set aside, and only what arrives is ever allocated. There is a pool for
//! requests that are no larger (asked once they are whole), one for those of the size of a
//! producer's, and one for larger ones: whoever announces much keeps only its like waiting. A
//! request larger than its pool goes alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a connection may hold of a request before any of it is counted: most requests as a whole.
pub const ARRIVING_BYTES: usize = 16 * 1024;

/// The largest request of a producer with default settings: one batch of 1 MiB, and names.
const PRODUCED_BYTES: usize = 1024 * 1024 + 64 * 1024;

/// One pool.
#[derive(Debug)]
struct Pool {
    bytes: usize,
    room: Arc<Semaphore>,
}

/// The pools.
#[derive(Clone, Debug)]
pub struct RequestMemory {
    small: Arc<Pool>,
    produced: Arc<Pool>,
    large: Arc<Pool>,
    /// One permit: for a request that is larger than its pool.
    alone: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

/// Memory of one request; given back when it is dropped.
#[derive(Debug)]
pub struct Held(#[allow(dead_code)] OwnedSemaphorePermit);

/// Counts one that waits.
struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pool {
    fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes,
            room: Arc::new(Semaphore::new(bytes)),
        })
    }
}

impl RequestMemory {
    /// Room for `bytes`: half of it for requests of producers, a quarter each for smaller and
    /// larger ones. One request that is larger than its pool may lie beyond.
    pub fn new(bytes: usize) -> Self {
        let quarter = bytes.min(Semaphore::MAX_PERMITS) / 4;
        Self {
            small: Pool::new(quarter.max(ARRIVING_BYTES)),
            produced: Pool::new(2 * quarter),
            large: Pool::new(quarter),
            alone: Arc::new(Semaphore::new(1)),
            waiting: Arc::default(),
        }
    }

    /// Whether requests wait for memory.
    pub fn is_short(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Memory for a request of this size, if there is room now.
    pub fn try_take(&self, bytes: usize) -> Option<Held> {
        let (room, permits) = self.room_for(bytes);
        room.try_acquire_many_owned(permits).ok().map(Held)
    }

    /// The same, once there is room. `None` never comes while the pools are there.
    pub async fn take(self, bytes: usize) -> Option<Held> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(Arc::clone(&self.waiting));
        let (room, permits) = self.room_for(bytes);
        room.acquire_many_owned(permits).await.ok().map(Held)
    }

    fn room_for(&self, bytes: usize) -> (Arc<Semaphore>, u32) {
        let pool = if bytes <= ARRIVING_BYTES {
            &self.small
        } else if bytes <= PRODUCED_BYTES {
            &self.produced
        } else {
            &self.large
        };
        match u32::try_from(bytes) {
            Ok(permits) if bytes <= pool.bytes => (Arc::clone(&pool.room), permits),
            _ => (Arc::clone(&self.alone), 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1024;

    #[tokio::test]
    async fn requests_wait_only_for_their_like() {
        let memory = RequestMemory::new(64 * 1_024 * KIB);
        let large = memory.try_take(10_000 * KIB).unwrap();
        assert!(memory.try_take(10_000 * KIB).is_none());
        let mut second = tokio::spawn(memory.clone().take(10_000 * KIB));
        tokio::task::yield_now().await;
        assert!(futures::poll!(&mut second).is_pending() && memory.is_short());
        assert!(memory.try_take(1_000 * KIB).is_some());
        assert!(memory.try_take(16 * KIB).is_some());
        drop(large);
        assert!(second.await.unwrap().is_some() && !memory.is_short());
    }

    #[tokio::test]
    async fn requests_larger_than_their_pool_come_one_at_a_time() {
        let memory = RequestMemory::new(1_024 * KIB);
        let first = memory.try_take(50_000 * KIB).unwrap();
        assert!(memory.try_take(1_000 * KIB).is_none());
        drop(first);
        assert!(memory.try_take(1_000 * KIB).is_some());
    }
}
