//! What is going to happen, in the order of time; ties go by the seed.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use kintsugi_types::Time;

/// Things to come.
pub(crate) struct Queue<T> {
    heap: BinaryHeap<Reverse<Item<T>>>,
    pushed: u64,
}

struct Item<T> {
    at: Time,
    tie: u32,
    number: u64,
    /// Boxed, because the heap moves each item about ten times.
    what: Box<T>,
}

impl<T> Item<T> {
    fn key(&self) -> (Time, u32, u64) {
        (self.at, self.tie, self.number)
    }
}

impl<T> PartialEq for Item<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Item<T> {}

impl<T> PartialOrd for Item<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Item<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl<T> Queue<T> {
    pub(crate) const fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            pushed: 0,
        }
    }

    /// `tie` orders what happens at one moment.
    pub(crate) fn push(&mut self, at: Time, tie: u32, what: T) {
        self.pushed += 1;
        let number = self.pushed;
        self.heap.push(Reverse(Item {
            at,
            tie,
            number,
            what: Box::new(what),
        }));
    }

    pub(crate) fn pop(&mut self) -> Option<(Time, T)> {
        let Reverse(item) = self.heap.pop()?;
        Some((item.at, *item.what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_come_by_time_then_by_tie_then_as_pushed() {
        let mut queue = Queue::new();
        for (at, tie, what) in [(2, 0, 'd'), (1, 7, 'c'), (1, 3, 'a'), (1, 3, 'b')] {
            queue.push(Time(at), tie, what);
        }
        let order: String = std::iter::from_fn(|| queue.pop().map(|(_, what)| what)).collect();
        assert_eq!(order, "abcd");
    }
}
