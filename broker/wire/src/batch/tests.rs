use bytes::Bytes;
use kintsugi_types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::records::{BatchOptions, Record, build, build_with};

fn batch_of(count: usize, options: BatchOptions) -> Bytes {
    let record = Record {
        value: Some(Bytes::from_static(b"value")),
        ..Record::default()
    };
    build_with(options, &vec![record; count]).unwrap()
}

fn a_batch() -> Bytes {
    batch_of(3, BatchOptions::default())
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..200), magic in any::<bool>()) {
        let mut bytes = bytes;
        if magic && bytes.len() > 16 {
            bytes[16] = 2;
        }
        let bytes = Bytes::from(bytes);
        let _ = BatchHeader::parse(&bytes).map(|h| (h.size_bytes(), h.next_offset(), h.last_sequence()));
        prop_assert!(verify(&bytes).is_err());
        prop_assert!(split(bytes.clone()).count() <= bytes.len());
    }

    #[test]
    fn stamping_changes_the_offsets_and_nothing_else(
        base in 0..i64::MAX / 2,
        epoch in 0..i32::MAX,
        count in 1..5_usize,
    ) {
        let original = batch_of(count, BatchOptions::default());
        let before = verify(&original).unwrap();
        let mut bytes = original.to_vec();
        stamp(&mut bytes, Offset(base), LeaderEpoch(epoch)).unwrap();
        let after = verify(&bytes).unwrap();
        let expected = BatchHeader {
            base_offset: Offset(base),
            leader_epoch: LeaderEpoch(epoch),
            ..before
        };
        prop_assert_eq!(after, expected);
        prop_assert_eq!(after.last_offset(), Offset(base + count as i64 - 1));
        prop_assert_eq!(after.next_offset(), Offset(base + count as i64));
    }

    #[test]
    fn one_flipped_bit_of_what_the_checksum_covers_is_noticed(place: prop::sample::Index, bit in 0..8_u32) {
        let mut bytes = a_batch().to_vec();
        let at = 16 + place.index(bytes.len() - 16);
        bytes[at] ^= 1_u8 << bit;
        prop_assert!(verify(&bytes).is_err());
    }
}

#[test]
fn a_run_of_batches_is_cut_into_its_batches_and_ends_with_the_cut_one() {
    let one = a_batch();
    let run = Bytes::from([&one[..], &one[..], &one[..70]].concat());
    let found: Vec<_> = split(run).collect();
    let header = verify(&one).unwrap();
    assert_eq!(
        found,
        vec![
            Ok((header, one.clone())),
            Ok((header, one.clone())),
            Err(BatchError::Truncated {
                needed: one.len() as u64,
                found: 70
            }),
        ]
    );
}

#[test]
fn a_producer_may_send_exactly_one_batch_of_the_permitted_size() {
    let one = a_batch();
    assert!(verify_produced(&one, one.len()).is_ok());
    let refused = verify_produced(&one, one.len() - 1).unwrap_err();
    assert_eq!(refused.error_code(), ErrorCode::MessageTooLarge);
    let two = Bytes::from([&one[..], &one[..]].concat());
    let refused = verify_produced(&two, 1 << 20).unwrap_err();
    assert_eq!(refused.error_code(), ErrorCode::InvalidRecord);
    let none = verify_produced(&Bytes::new(), 1 << 20).unwrap_err();
    assert_eq!(none.error_code(), ErrorCode::InvalidRecord);
    let cut = verify_produced(&one.slice(..one.len() - 1), 1 << 20).unwrap_err();
    assert_eq!(cut.error_code(), ErrorCode::CorruptMessage);
}

#[test]
fn a_producer_may_send_neither_control_nor_transactional_batches() {
    let with = |bits| {
        let options = BatchOptions {
            attributes: BatchAttributes(bits),
            ..BatchOptions::default()
        };
        verify_produced(&batch_of(1, options), 1 << 20)
    };
    assert_eq!(with(BatchAttributes::CONTROL), Err(BatchError::Control));
    assert_eq!(
        with(BatchAttributes::TRANSACTIONAL),
        Err(BatchError::Transactional)
    );
    assert_eq!(with(7), Err(BatchError::Compression(7)));
    assert!(with(4).is_ok());
}

#[test]
fn a_producer_id_needs_an_epoch_and_a_sequence() {
    let with = |id, epoch, sequence| {
        let options = BatchOptions {
            producer_id: ProducerId(id),
            producer_epoch: ProducerEpoch(epoch),
            base_sequence: sequence,
            ..BatchOptions::default()
        };
        verify_produced(&batch_of(1, options), 1 << 20).is_ok()
    };
    assert!(with(-1, -1, -1));
    assert!(with(-1, -1, 0));
    assert!(with(7, 0, 0));
    assert!(!with(7, -1, 0));
    assert!(!with(7, 0, -1));
    assert!(!with(-2, 0, 0));
}

#[test]
fn sequences_wrap_to_zero() {
    let options = BatchOptions {
        producer_id: ProducerId(1),
        producer_epoch: ProducerEpoch(0),
        base_sequence: i32::MAX,
        ..BatchOptions::default()
    };
    assert_eq!(verify(&batch_of(2, options)).unwrap().last_sequence(), 0);
}

#[test]
fn a_compacted_batch_may_have_fewer_records_than_offsets_but_not_more() {
    let forged = |delta: i32| {
        let mut bytes = build(&[Record::default(), Record::default()])
            .unwrap()
            .to_vec();
        bytes[23..27].copy_from_slice(&delta.to_be_bytes());
        let crc = crc32c::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        Bytes::from(bytes)
    };
    assert!(verify(&forged(9)).is_ok());
    assert!(verify_produced(&forged(9), 1 << 20).is_err());
    assert!(verify(&forged(0)).is_err());
}
