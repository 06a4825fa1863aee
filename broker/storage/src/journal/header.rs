//! The header and the name of a segment.

use super::frame::array;

/// Magic, kind, sequence number, CRC-32C of these.
pub(super) const HEADER_BYTES: u64 = 24;

const MAGIC: &[u8; 4] = b"KJ01";
const SUFFIX: &str = ".journal";

/// What a segment's records are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// The beginning: nothing before this segment counts.
    Beginning,
    /// They follow those of the segment before.
    Continuation,
}

pub(super) fn header(sequence: u64, kind: Kind) -> [u8; HEADER_BYTES as usize] {
    let mut raw = [0; HEADER_BYTES as usize];
    raw[0..4].copy_from_slice(MAGIC);
    let number: u32 = match kind {
        Kind::Beginning => 1,
        Kind::Continuation => 2,
    };
    raw[4..8].copy_from_slice(&number.to_be_bytes());
    raw[8..16].copy_from_slice(&sequence.to_be_bytes());
    let crc = crc32c::crc32c(&raw[..16]);
    raw[16..20].copy_from_slice(&crc.to_be_bytes());
    raw
}

/// The kind of the segment with this content; `None` if it has no intact header.
pub(super) fn kind_of(content: &[u8], sequence: u64) -> Option<Kind> {
    let raw: [u8; HEADER_BYTES as usize] = array(content, 0)?;
    [Kind::Beginning, Kind::Continuation]
        .into_iter()
        .find(|kind| header(sequence, *kind) == raw)
}

pub(super) fn segment_name(sequence: u64) -> String {
    format!("{sequence:020}{SUFFIX}")
}

pub(super) fn sequence_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    if digits.len() != 20 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}
