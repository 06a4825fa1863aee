//! `<20 digits>.snapshot`: the producers as of an offset, in Apache Kafka's format, version 1.
//!
//! Kafka's entry holds a producer's last batch only. Here a producer has one entry for each batch
//! that is remembered, the oldest first: Kafka's reader lets the last entry of an id stand, so to
//! it the file says the same.

use kintsugi_types::{Offset, ProducerEpoch, ProducerId, TimestampMs};

use super::{ProducedBatch, Producers, previous_sequence};

const VERSION: i16 = 1;
/// Version, CRC-32C of what follows it, and the number of entries.
const HEADER_BYTES: usize = 10;
/// Where what the CRC covers begins.
const CRC_END: usize = 6;
/// Producer id, epoch, last sequence, last offset, offset delta, timestamp, coordinator epoch,
/// first offset of the transaction.
const ENTRY_BYTES: usize = 46;
/// No transaction coordinator, and no transaction.
const NO_COORDINATOR_EPOCH: i32 = -1;
const NO_TRANSACTION: i64 = -1;

/// Why a file is not a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It is of another version.
    #[error("failed to read producer snapshot: version {0}, only {VERSION} is known")]
    Version(i16),
    /// It has another length than its number of entries takes.
    #[error("failed to read producer snapshot: {found} bytes, {expected} expected")]
    Length {
        /// The bytes that its entries take.
        expected: usize,
        /// The bytes that it has.
        found: usize,
    },
    /// The checksum does not match.
    #[error("failed to read producer snapshot: its CRC-32C is not that of its content")]
    Crc,
    /// An entry cannot be.
    #[error("failed to read producer snapshot: entry {0} makes no sense")]
    Entry(usize),
}

/// The name of the snapshot as of `offset`.
pub(crate) fn snapshot_name(offset: Offset) -> String {
    format!("{:020}.snapshot", offset.0)
}

/// The offset that the name of a snapshot tells.
pub(crate) fn snapshot_offset_of(name: &str) -> Option<Offset> {
    let digits = name.strip_suffix(".snapshot")?;
    let is_number = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok().map(Offset))?
}

/// The content of a snapshot.
pub(crate) fn encode(producers: &Producers) -> Vec<u8> {
    let mut entries = Vec::new();
    let mut count: i32 = 0;
    for (producer, entry) in producers.iter() {
        for batch in entry.batches() {
            let delta = batch.last_offset.since(batch.first_offset);
            entries.extend_from_slice(&producer.0.to_be_bytes());
            entries.extend_from_slice(&entry.epoch().0.to_be_bytes());
            entries.extend_from_slice(&batch.last_sequence.to_be_bytes());
            entries.extend_from_slice(&batch.last_offset.0.to_be_bytes());
            entries.extend_from_slice(&i32::try_from(delta).unwrap_or(i32::MAX).to_be_bytes());
            entries.extend_from_slice(&batch.timestamp.0.to_be_bytes());
            entries.extend_from_slice(&NO_COORDINATOR_EPOCH.to_be_bytes());
            entries.extend_from_slice(&NO_TRANSACTION.to_be_bytes());
            count = count.saturating_add(1);
        }
    }
    let mut content = Vec::with_capacity(HEADER_BYTES + entries.len());
    content.extend_from_slice(&VERSION.to_be_bytes());
    content.extend_from_slice(&[0; 4]);
    content.extend_from_slice(&count.to_be_bytes());
    content.extend_from_slice(&entries);
    let crc = crc32c::crc32c(&content[CRC_END..]);
    content[2..CRC_END].copy_from_slice(&crc.to_be_bytes());
    content
}

/// The producers that a snapshot as of `offset` tells of.
///
/// # Errors
/// When the content is not a whole snapshot of batches before that offset.
pub(crate) fn decode(
    content: &[u8],
    offset: Offset,
    producers_max: usize,
) -> Result<Producers, SnapshotError> {
    let Some((header, entries)) = content.split_first_chunk::<HEADER_BYTES>() else {
        return Err(SnapshotError::Length {
            expected: HEADER_BYTES,
            found: content.len(),
        });
    };
    let version = i16::from_be_bytes(field(header, 0));
    if version != VERSION {
        return Err(SnapshotError::Version(version));
    }
    let count = usize::try_from(i32::from_be_bytes(field(header, 6))).unwrap_or(usize::MAX);
    let expected = count.saturating_mul(ENTRY_BYTES);
    if entries.len() != expected {
        return Err(SnapshotError::Length {
            expected: expected.saturating_add(HEADER_BYTES),
            found: content.len(),
        });
    }
    if u32::from_be_bytes(field(header, 2)) != crc32c::crc32c(&content[CRC_END..]) {
        return Err(SnapshotError::Crc);
    }
    let mut producers = Producers::new(producers_max);
    let (entries, _) = entries.as_chunks::<ENTRY_BYTES>();
    for (number, raw) in entries.iter().enumerate() {
        load(&mut producers, raw, offset).ok_or(SnapshotError::Entry(number))?;
    }
    producers.evict();
    Ok(producers)
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut raw = [0; N];
    raw.copy_from_slice(&bytes[at..at + N]);
    raw
}

fn load(producers: &mut Producers, raw: &[u8; ENTRY_BYTES], offset: Offset) -> Option<()> {
    let producer = ProducerId(i64::from_be_bytes(field(raw, 0)));
    let epoch = ProducerEpoch(i16::from_be_bytes(field(raw, 8)));
    let last_sequence = i32::from_be_bytes(field(raw, 10));
    let last_offset = i64::from_be_bytes(field(raw, 14));
    let delta = i32::from_be_bytes(field(raw, 22));
    let timestamp = TimestampMs(i64::from_be_bytes(field(raw, 26)));
    if last_offset < 0 || last_sequence < 0 {
        // Kafka's producer that has written nothing but the end of a transaction.
        return Some(());
    }
    let first_offset = last_offset.checked_sub(i64::from(delta))?;
    let is_possible = producer.0 >= 0
        && epoch.0 >= 0
        && delta >= 0
        && first_offset >= 0
        && last_offset < offset.0;
    let last = producers.get(producer).and_then(|entry| entry.last());
    let is_later = last.is_none_or(|last| last.last_offset.0 < first_offset);
    let is_taken = producers.by_last_offset.contains_key(&Offset(last_offset));
    if !is_possible || !is_later || is_taken {
        return None;
    }
    let batch = ProducedBatch {
        first_sequence: previous_sequence(last_sequence, delta),
        last_sequence,
        first_offset: Offset(first_offset),
        last_offset: Offset(last_offset),
        timestamp,
    };
    producers.add(producer, epoch, batch, None);
    Some(())
}
