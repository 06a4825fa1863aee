use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::batch::{BatchAttributes, HEADER_BYTES};

fn some_bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn a_header() -> impl Strategy<Value = RecordHeader> {
    // Few keys, so that some are repeated.
    ("[ab]", option::of(some_bytes())).prop_map(|(key, value)| RecordHeader {
        key: Bytes::from(key),
        value,
    })
}

pub(crate) fn a_record() -> impl Strategy<Value = Record> {
    (
        any::<i64>(),
        option::of(some_bytes()),
        option::of(some_bytes()),
        vec(a_header(), 0..4),
    )
        .prop_map(|(timestamp, key, value, headers)| Record {
            timestamp: TimestampMs(timestamp),
            key,
            value,
            headers,
        })
}

/// Gives the batch a checksum that fits whatever its bytes are now.
fn reseal(bytes: &mut [u8]) {
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
}

proptest! {
    #[test]
    fn records_survive_a_round_trip_with_repeated_header_keys(
        records in vec(a_record(), 1..8),
        base in 0_i64..1_000_000,
    ) {
        let options = BatchOptions { base_offset: Offset(base), ..BatchOptions::default() };
        let batch = build_with(options, &records).unwrap();
        let found: Vec<_> = read(&batch).unwrap().map(Result::unwrap).collect();
        let expected: Vec<_> = records
            .into_iter()
            .zip(base..)
            .map(|(record, offset)| RecordAt { offset: Offset(offset), record })
            .collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_damaged_record_under_a_valid_checksum_gives_an_error_or_records_but_never_a_panic(
        records in vec(a_record(), 1..4),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = build(&records).unwrap().to_vec();
        for (place, byte) in damage {
            let at = HEADER_BYTES - 4 + place.index(bytes.len() - HEADER_BYTES + 4);
            bytes[at] = byte;
        }
        reseal(&mut bytes);
        let bytes = Bytes::from(bytes);
        if let Ok(found) = read(&bytes) {
            prop_assert!(found.count() <= bytes.len());
        }
    }
}

#[test]
fn a_forged_record_count_is_an_error_after_the_last_real_record() {
    let mut bytes = build(&[Record::default()]).unwrap().to_vec();
    bytes[57..61].copy_from_slice(&i32::MAX.to_be_bytes());
    bytes[23..27].copy_from_slice(&(i32::MAX - 1).to_be_bytes());
    reseal(&mut bytes);
    let found: Vec<_> = read(&Bytes::from(bytes)).unwrap().collect();
    assert_eq!(found.len(), 2);
    assert!(matches!(found[1], Err(RecordsError::Record(_))));
}

#[test]
fn a_compressed_batch_is_refused() {
    let options = BatchOptions {
        attributes: BatchAttributes(4),
        ..BatchOptions::default()
    };
    let batch = build_with(options, &[Record::default()]).unwrap();
    assert_eq!(
        read(&batch).unwrap_err(),
        RecordsError::Compressed(Compression::Zstd)
    );
}

#[test]
fn a_batch_of_no_records_is_not_built() {
    assert_eq!(build(&[]), Err(RecordsError::Empty));
}
