//! How much memory answers with records take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the bytes of answers between the log and the socket.
#[derive(Clone, Debug)]
pub struct AnswerMemory {
    held: Arc<AtomicUsize>,
    max_bytes: usize,
}

/// Bytes of one answer; given back when it is dropped.
#[derive(Debug)]
pub struct AnswerBytes {
    held: Arc<AtomicUsize>,
    size_bytes: usize,
}

impl AnswerMemory {
    /// Room for `max_bytes`.
    pub fn new(max_bytes: usize) -> Self {
        Self {
            held: Arc::new(AtomicUsize::new(0)),
            max_bytes,
        }
    }

    /// Whether more answers should carry as little as they can.
    pub fn is_short(&self) -> bool {
        self.held.load(Ordering::Relaxed) >= self.max_bytes
    }

    /// Counts an answer.
    pub fn hold(&self, size_bytes: usize) -> AnswerBytes {
        self.held.fetch_add(size_bytes, Ordering::Relaxed);
        AnswerBytes {
            held: Arc::clone(&self.held),
            size_bytes,
        }
    }
}

impl Drop for AnswerBytes {
    fn drop(&mut self) {
        self.held.fetch_sub(self.size_bytes, Ordering::Relaxed);
    }
}
