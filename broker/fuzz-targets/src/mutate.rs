//! Random inputs, most of them damaged copies of good ones.

use fastrand::Rng;

use crate::INPUT_BYTES_MAX;

/// The longest input of random bytes alone, and the most bytes that one change adds.
const RANDOM_BYTES_MAX: usize = 512;

/// How many changes one input gets at most.
const CHANGES_MAX: usize = 6;

/// Numbers at which lengths, counts and offsets turn.
const EDGES: [&[u8]; 12] = [
    &[0],
    &[0x7f],
    &[0x80],
    &[0xff],
    &[0x7f, 0xff],
    &[0xff, 0xff],
    &[0x7f, 0xff, 0xff, 0xff],
    &[0x80, 0, 0, 0],
    &[0xff, 0xff, 0xff, 0xff],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
];

/// The next input: one of the corpus, changed in a few places; now and then random bytes alone.
#[must_use]
pub fn input(rng: &mut Rng, corpus: &[Vec<u8>]) -> Vec<u8> {
    if corpus.is_empty() || rng.u8(..) < 16 {
        return random(rng);
    }
    let mut bytes = corpus[rng.usize(..corpus.len())].clone();
    for _ in 0..rng.usize(1..=CHANGES_MAX) {
        change(rng, &mut bytes, corpus);
    }
    bytes.truncate(INPUT_BYTES_MAX);
    bytes
}

fn random(rng: &mut Rng) -> Vec<u8> {
    let length = rng.usize(..RANDOM_BYTES_MAX);
    (0..length).map(|_| rng.u8(..)).collect()
}

fn change(rng: &mut Rng, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    let at = rng.usize(..=bytes.len());
    let length = rng.usize(..=RANDOM_BYTES_MAX.min(bytes.len() - at));
    let end = at + length;
    match rng.u8(..7) {
        0 if at < bytes.len() => bytes[at] ^= 1 << rng.u8(..8),
        1 if at < bytes.len() => bytes[at] = rng.u8(..),
        2 => {
            // Overwrites.
            let edge = EDGES[rng.usize(..EDGES.len())];
            let end = (at + edge.len()).min(bytes.len());
            bytes[at..end].copy_from_slice(&edge[..end - at]);
        }
        3 => {
            bytes.drain(at..end);
        }
        4 => {
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
        }
        5 => {
            let other = &corpus[rng.usize(..corpus.len())];
            let from = rng.usize(..=other.len());
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        _ => {
            let edge = EDGES[rng.usize(..EDGES.len())];
            bytes.splice(at..at, edge.iter().copied());
        }
    }
}
