//! Record batches.

use bytes::Bytes;
use kintsugi_wire::batch::{self, HEADER_BYTES, split, verify, verify_produced};
use kintsugi_wire::records::{Record, build, read};

use crate::INPUT_BYTES_MAX;

/// Where a batch's CRC lies, and where what it covers begins.
const CRC_AT: usize = 17;
const CRC_START: usize = 21;

/// Where a batch's length lies, and how many bytes it does not count.
const LENGTH_AT: usize = 8;
const LENGTH_PREFIX_BYTES: usize = 12;

/// The first byte says whether the length (bit 0) and the CRC (bit 1) are put right, so that
/// what lies behind those checks is reached; the rest is a run of batches.
///
/// # Panics
/// When batches are cut anywhere but at their ends, or records change in a round trip.
pub fn batch(input: &[u8]) {
    let Some((flags, rest)) = input.split_first() else {
        return;
    };
    if input.len() > INPUT_BYTES_MAX {
        return;
    }
    let mut bytes = rest.to_vec();
    mend(&mut bytes, flags & 1 != 0, flags & 2 != 0);
    let bytes = Bytes::from(bytes);
    let mut taken = 0;
    for item in split(bytes.clone()) {
        let Ok((header, one)) = item else { break };
        assert_eq!(header.size_bytes(), one.len());
        assert_eq!(one, bytes.slice(taken..taken + one.len()));
        taken += one.len();
        single(&one);
    }
    single(&bytes);
}

/// Puts the length and the CRC of the first batch right.
pub fn mend(bytes: &mut [u8], length: bool, crc: bool) {
    if bytes.len() < HEADER_BYTES {
        return;
    }
    if length {
        let field = i32::try_from(bytes.len() - LENGTH_PREFIX_BYTES).unwrap_or(i32::MAX);
        bytes[LENGTH_AT..LENGTH_AT + 4].copy_from_slice(&field.to_be_bytes());
    }
    if crc {
        let computed = crc32c::crc32c(&bytes[CRC_START..]);
        bytes[CRC_AT..CRC_START].copy_from_slice(&computed.to_be_bytes());
    }
}

fn single(bytes: &Bytes) {
    let verified = verify(bytes);
    if verify_produced(bytes, INPUT_BYTES_MAX).is_ok() {
        assert!(verified.is_ok(), "a producer's batch passes every check");
    }
    let Ok(records) = read(bytes) else { return };
    assert!(verified.is_ok(), "only whole batches are read");
    let header = *records.header();
    let mut found: Vec<Record> = Vec::new();
    for record in records {
        let Ok(record) = record else { return };
        assert!(record.offset >= header.base_offset && record.offset <= header.last_offset());
        found.push(record.record);
    }
    // What does not fit may be refused, such as timestamps too far apart.
    if let Ok(built) = build(&found) {
        assert!(batch::verify(&built).is_ok());
        let again = read(&built).expect("a batch of our own");
        let again: Vec<Record> = again
            .map(|item| item.expect("a record of our own").record)
            .collect();
        assert_eq!(found, again);
    }
}
