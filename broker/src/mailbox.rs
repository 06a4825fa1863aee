//! Mailboxes: how events reach an actor's thread.
//!
//! Actors post to one another without waiting, so that no two of them ever wait for each other;
//! whoever brings work from a socket waits for room first, so that the queue has a bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// How many events may wait in a mailbox before those that come from sockets are held back.
const ROOM: usize = 8_192;

/// How long a held-back sender waits before it looks again.
const ROOM_WAIT: Duration = Duration::from_millis(1);

/// The sending end.
#[derive(Debug)]
pub struct Mailbox<E> {
    sender: Sender<E>,
    waiting: Arc<AtomicUsize>,
}

impl<E> Clone for Mailbox<E> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            waiting: Arc::clone(&self.waiting),
        }
    }
}

/// The receiving end: the actor's.
#[derive(Debug)]
pub struct Letters<E> {
    receiver: Receiver<E>,
    waiting: Arc<AtomicUsize>,
}

/// A mailbox and its actor's end.
pub fn mailbox<E>() -> (Mailbox<E>, Letters<E>) {
    let (sender, receiver) = channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let letters = Letters {
        receiver,
        waiting: Arc::clone(&waiting),
    };
    (Mailbox { sender, waiting }, letters)
}

impl<E> Mailbox<E> {
    /// Posts without waiting. An event to an actor that has ended is dropped: the process ends.
    pub fn post(&self, event: E) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if self.sender.send(event).is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Waits for room, then posts.
    pub async fn post_when_room(&self, event: E) {
        self.room().await;
        self.post(event);
    }

    /// Waits until there is room.
    pub async fn room(&self) {
        while self.waiting() >= ROOM {
            tokio::time::sleep(ROOM_WAIT).await;
        }
    }

    /// How many events wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// What came of waiting for an event.
#[derive(Debug)]
pub enum Letter<E> {
    /// An event.
    Event(E),
    /// None in that time.
    Nothing,
    /// There will be no more.
    Closed,
}

impl<E> Letters<E> {
    /// Waits for the next event, at most for `limit`.
    pub fn wait(&self, limit: Duration) -> Letter<E> {
        match self.receiver.recv_timeout(limit) {
            Ok(event) => {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                Letter::Event(event)
            }
            Err(RecvTimeoutError::Timeout) => Letter::Nothing,
            Err(RecvTimeoutError::Disconnected) => Letter::Closed,
        }
    }

    /// The next event if one waits.
    pub fn take(&self) -> Option<E> {
        let event = self.receiver.try_recv().ok()?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(event)
    }
}
