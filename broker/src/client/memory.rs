//! How much memory answers take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts the bytes of answers between the log and the socket.
#[derive(Clone, Debug)]
pub struct AnswerMemory {
    held: Arc<AtomicUsize>,
    given_back: Arc<Notify>,
    max_bytes: usize,
}

/// Bytes of one answer; given back when it is dropped.
#[derive(Debug)]
pub struct AnswerBytes {
    held: Arc<AtomicUsize>,
    given_back: Arc<Notify>,
    size_bytes: usize,
}

impl AnswerMemory {
    /// Room for `max_bytes`.
    pub fn new(max_bytes: usize) -> Self {
        Self {
            held: Arc::new(AtomicUsize::new(0)),
            given_back: Arc::default(),
            max_bytes,
        }
    }

    /// Whether more answers should carry as little as they can.
    pub fn is_short(&self) -> bool {
        self.held.load(Ordering::Relaxed) >= self.max_bytes
    }

    /// Waits until there is room.
    pub async fn room(&self) {
        while self.is_short() {
            let given_back = self.given_back.notified();
            // Asked again, because some may have been given back in between.
            if !self.is_short() {
                return;
            }
            given_back.await;
        }
    }

    /// Counts an answer.
    pub fn hold(&self, size_bytes: usize) -> AnswerBytes {
        self.held.fetch_add(size_bytes, Ordering::Relaxed);
        AnswerBytes {
            held: Arc::clone(&self.held),
            given_back: Arc::clone(&self.given_back),
            size_bytes,
        }
    }
}

impl Drop for AnswerBytes {
    fn drop(&mut self) {
        self.held.fetch_sub(self.size_bytes, Ordering::Relaxed);
        self.given_back.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_for_room_goes_on_once_an_answer_is_gone() {
        let memory = AnswerMemory::new(10);
        let held = memory.hold(10);
        let waiting = tokio::spawn({
            let memory = memory.clone();
            async move { memory.room().await }
        });
        tokio::task::yield_now().await;
        assert!(memory.is_short() && !waiting.is_finished());
        drop(held);
        waiting.await.unwrap();
    }
}
