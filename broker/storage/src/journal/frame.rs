//! Frames: `[length u32][CRC-32C u32][bytes]`, big endian.
//!
//! The CRC covers the segment's number, the frame's position, the length and the bytes, so that a
//! frame is valid only where it was written. A length with the highest bit is a mark: its bytes
//! are the position up to which the segment was synced when the mark was written.

/// Length and CRC.
const FRAME_HEADER_BYTES: usize = 8;
const MARK_BIT: u32 = 1 << 31;
const MARK_BYTES: usize = 8;
/// The largest record that a length can tell.
pub(super) const RECORD_BYTES_MAX: usize = (MARK_BIT - 1) as usize;

/// A segment's sequence number, and a position in it.
pub(super) type Place = (u64, u64);

/// What is at a position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Frame<'c> {
    /// A record; the next frame is at the position given.
    Record(&'c [u8], usize),
    /// A mark: synced up to a position; the next frame is at the second position.
    Mark(u64, usize),
    /// Zeros, or the end of the content.
    End,
    /// Neither zeros nor an intact frame.
    Broken,
}

fn crc((sequence, position): Place, length: u32, bytes: &[u8]) -> u32 {
    let mut crc = crc32c::crc32c(&sequence.to_be_bytes());
    crc = crc32c::crc32c_append(crc, &position.to_be_bytes());
    crc = crc32c::crc32c_append(crc, &length.to_be_bytes());
    crc32c::crc32c_append(crc, bytes)
}

fn put(target: &mut Vec<u8>, place: Place, length: u32, bytes: &[u8]) {
    target.extend_from_slice(&length.to_be_bytes());
    target.extend_from_slice(&crc(place, length, bytes).to_be_bytes());
    target.extend_from_slice(bytes);
}

/// Adds the frame of a record of at most [`RECORD_BYTES_MAX`] bytes.
pub(super) fn put_record(target: &mut Vec<u8>, place: Place, record: &[u8]) {
    let length = u32::try_from(record.len()).unwrap_or(MARK_BIT - 1);
    put(target, place, length, record);
}

/// Adds a mark.
pub(super) fn put_mark(target: &mut Vec<u8>, place: Place, synced: u64) {
    put(
        target,
        place,
        MARK_BIT | MARK_BYTES as u32,
        &synced.to_be_bytes(),
    );
}

/// The most bytes that the frames of these records and a mark take.
pub(super) fn frame_bytes(records: &[&[u8]]) -> u64 {
    let frames = records
        .iter()
        .map(|r| (FRAME_HEADER_BYTES + r.len()) as u64);
    frames.sum::<u64>() + (FRAME_HEADER_BYTES + MARK_BYTES) as u64
}

pub(super) fn array<const N: usize>(content: &[u8], at: usize) -> Option<[u8; N]> {
    content.get(at..)?.first_chunk().copied()
}

/// What is at a position of a segment's content.
pub(super) fn frame_at(content: &[u8], sequence: u64, at: usize) -> Frame<'_> {
    let (Some(length), Some(stored)) = (array(content, at), array(content, at + 4)) else {
        let rest = content.get(at..).unwrap_or_default();
        let is_zero = rest.iter().all(|byte| *byte == 0);
        return if is_zero { Frame::End } else { Frame::Broken };
    };
    let (length, stored) = (u32::from_be_bytes(length), u32::from_be_bytes(stored));
    if length == 0 && stored == 0 {
        return Frame::End;
    }
    let size = (length & !MARK_BIT) as usize;
    let start = at + FRAME_HEADER_BYTES;
    let Some(bytes) = content[start..].get(..size) else {
        return Frame::Broken;
    };
    if crc((sequence, at as u64), length, bytes) != stored {
        return Frame::Broken;
    }
    if length & MARK_BIT == 0 {
        return Frame::Record(bytes, start + size);
    }
    match array(bytes, 0) {
        Some(synced) if size == MARK_BYTES => Frame::Mark(u64::from_be_bytes(synced), start + size),
        _ => Frame::Broken,
    }
}

/// Whether a mark behind `broken` says that more than what lies before it was synced.
pub(super) fn was_synced(content: &[u8], sequence: u64, broken: usize) -> bool {
    let pattern = (MARK_BIT | MARK_BYTES as u32).to_be_bytes();
    let places = content[broken..].windows(pattern.len()).enumerate();
    places
        .filter(|(_, window)| **window == pattern)
        .any(
            |(offset, _)| match frame_at(content, sequence, broken + offset) {
                Frame::Mark(synced, _) => synced > broken as u64,
                _ => false,
            },
        )
}
