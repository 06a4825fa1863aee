//! What happened: a hash of all of it, and the last of it in words.

use std::collections::VecDeque;

use kintsugi_types::Time;

/// How many happenings are kept in words.
const KEPT_MAX: usize = 200;

/// The trace of one run.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    count: u64,
    /// Words cost time: they are kept only when a failed run is repeated.
    words: Option<VecDeque<String>>,
}

impl Trace {
    pub(crate) fn new(in_words: bool) -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            count: 0,
            words: in_words.then(VecDeque::new),
        }
    }

    /// Mixes a number in.
    pub(crate) const fn mix(&mut self, number: u64) {
        self.hash = mix(self.hash, number);
    }

    /// Notes a happening.
    pub(crate) fn note(&mut self, now: Time, words: impl FnOnce() -> String) {
        self.count += 1;
        self.mix(now.0);
        if let Some(kept) = &mut self.words {
            if kept.len() == KEPT_MAX {
                kept.pop_front();
            }
            kept.push_back(format!("{now} {}", words()));
        }
    }

    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn last(&self) -> Vec<String> {
        self.words.iter().flatten().cloned().collect()
    }
}

/// Mixes a number into a hash (FNV-1a's multiplication on whole words, then a shift).
pub(crate) const fn mix(hash: u64, number: u64) -> u64 {
    let mixed = (hash ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

/// A hash of bytes that goes on from another.
pub(crate) fn mix_bytes(hash: u64, bytes: &[u8]) -> u64 {
    let mut hash = mix(hash, bytes.len() as u64);
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = mix(hash, u64::from_le_bytes(word));
    }
    hash
}
