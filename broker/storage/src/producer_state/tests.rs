use kintsugi_types::{ErrorCode, LeaderEpoch};
use kintsugi_wire::batch::BatchAttributes;
use proptest::prelude::*;

use super::*;

/// The header of a batch of `count` records.
fn batch(producer: i64, epoch: i16, sequence: i32, count: i32, offset: i64) -> BatchHeader {
    BatchHeader {
        base_offset: Offset(offset),
        batch_length: 100,
        leader_epoch: LeaderEpoch(0),
        magic: 2,
        crc: 0,
        attributes: BatchAttributes(0),
        last_offset_delta: count - 1,
        base_timestamp: TimestampMs(7),
        max_timestamp: TimestampMs(offset),
        producer_id: ProducerId(producer),
        producer_epoch: ProducerEpoch(epoch),
        base_sequence: sequence,
        record_count: count,
    }
}

fn after(batches: &[BatchHeader]) -> Producers {
    let mut producers = Producers::new(100);
    for header in batches {
        producers.update(header, Some(TimestampMs(0)));
    }
    producers
}

fn checked(producers: &Producers, header: &BatchHeader) -> Result<Option<i64>, ErrorCode> {
    match producers.check(header) {
        Ok(ProducerCheck::New) => Ok(None),
        Ok(ProducerCheck::Duplicate(batch)) => Ok(Some(batch.first_offset.0)),
        Err(error) => Err(error.error_code()),
    }
}

#[test]
fn an_unknown_producer_may_begin_anywhere_and_then_has_to_go_on() {
    let producers = after(&[]);
    assert_eq!(checked(&producers, &batch(1, 3, 70, 2, 0)), Ok(None));
    let producers = after(&[batch(1, 3, 70, 2, 0)]);
    assert_eq!(checked(&producers, &batch(1, 3, 72, 1, 2)), Ok(None));
    for wrong in [0, 71, 73] {
        assert_eq!(
            checked(&producers, &batch(1, 3, wrong, 1, 2)),
            Err(ErrorCode::OutOfOrderSequenceNumber)
        );
    }
    assert_eq!(checked(&producers, &batch(2, 0, 9, 1, 2)), Ok(None));
    assert_eq!(checked(&producers, &batch(-1, -1, -1, 1, 2)), Ok(None));
}

#[test]
fn each_of_the_last_five_batches_is_known_again_and_a_sixth_is_not() {
    let sent: Vec<BatchHeader> = (0..6)
        .map(|n| batch(1, 0, n * 2, 2, i64::from(n) * 10))
        .collect();
    let producers = after(&sent);
    assert_eq!(
        checked(&producers, &sent[0]),
        Err(ErrorCode::OutOfOrderSequenceNumber)
    );
    for header in &sent[1..] {
        assert_eq!(checked(&producers, header), Ok(Some(header.base_offset.0)));
    }
    // The same first sequence number with another length is another batch.
    assert_eq!(
        checked(&producers, &batch(1, 0, 10, 1, 60)),
        Err(ErrorCode::OutOfOrderSequenceNumber)
    );
}

#[test]
fn a_new_epoch_begins_at_zero_and_ends_the_old_one() {
    let producers = after(&[batch(1, 0, 0, 3, 0)]);
    assert_eq!(
        checked(&producers, &batch(1, 1, 3, 1, 3)),
        Err(ErrorCode::OutOfOrderSequenceNumber)
    );
    assert_eq!(checked(&producers, &batch(1, 1, 0, 3, 3)), Ok(None));
    let producers = after(&[batch(1, 0, 0, 3, 0), batch(1, 1, 0, 3, 3)]);
    assert_eq!(
        checked(&producers, &batch(1, 0, 0, 3, 6)),
        Err(ErrorCode::InvalidProducerEpoch)
    );
    assert_eq!(checked(&producers, &batch(1, 1, 0, 3, 6)), Ok(Some(3)));
}

#[test]
fn sequence_numbers_go_on_at_zero_after_the_greatest() {
    let producers = after(&[batch(1, 0, i32::MAX - 1, 2, 0)]);
    assert_eq!(checked(&producers, &batch(1, 0, 0, 1, 2)), Ok(None));
    let wrapping = batch(1, 0, i32::MAX - 1, 4, 0);
    assert_eq!(wrapping.last_sequence(), 1);
    let producers = after(&[wrapping]);
    assert_eq!(checked(&producers, &wrapping), Ok(Some(0)));
    assert_eq!(checked(&producers, &batch(1, 0, 2, 1, 4)), Ok(None));
    let read = decode(&encode(&producers), Offset(4), 100).unwrap();
    assert_eq!(checked(&read, &wrapping), Ok(Some(0)));
}

#[test]
fn the_producer_that_appended_longest_ago_makes_room() {
    let mut producers = Producers::new(2);
    producers.update(&batch(1, 0, 0, 1, 0), None);
    producers.update(&batch(2, 0, 0, 1, 1), None);
    producers.update(&batch(1, 0, 1, 1, 2), None);
    producers.update(&batch(3, 0, 0, 1, 3), None);
    let known: Vec<i64> = producers.iter().map(|(id, _)| id.0).collect();
    assert_eq!(known, [1, 3]);
    producers.set_max(1);
    assert_eq!(producers.get(ProducerId(1)), None);
    assert_eq!(producers.last_offset(), Some(Offset(3)));
    assert_eq!((producers.take_evicted(), producers.take_evicted()), (2, 0));
}

#[test]
fn a_producer_expires_by_when_it_appended_and_not_by_its_records_timestamps() {
    let mut producers = Producers::new(10);
    producers.update(&batch(1, 0, 0, 1, 0), Some(TimestampMs(1_000)));
    // Read from a disk: when it appended is not known.
    producers.update(&batch(2, 0, 0, 1, 1), None);
    assert_eq!(producers.expire(TimestampMs(1_999), 1_000), 0);
    assert_eq!(producers.expire(TimestampMs(2_000), 1_000), 1);
    assert_eq!(producers.get(ProducerId(1)), None);
    assert_eq!(producers.expire(TimestampMs(2_998), 1_000), 0);
    assert_eq!(producers.expire(TimestampMs(2_999), 1_000), 1);
    assert!(producers.is_empty() && producers.last_offset().is_none());
}

#[test]
fn control_batches_and_batches_without_a_sequence_change_nothing() {
    let mut control = batch(1, 0, 0, 1, 0);
    control.attributes = BatchAttributes(1 << 5);
    assert!(after(&[control, batch(1, 0, -1, 1, 0), batch(-1, -1, -1, 1, 0)]).is_empty());
}

/// Kafka's layout, byte by byte: version, CRC, count, then the entries.
#[test]
fn a_snapshot_is_laid_out_as_kafkas() {
    let content = encode(&after(&[batch(5, 2, 10, 3, 100)]));
    let mut entries = vec![0, 0, 0, 1];
    entries.extend([0, 0, 0, 0, 0, 0, 0, 5, 0, 2, 0, 0, 0, 12]);
    entries.extend([0, 0, 0, 0, 0, 0, 0, 102, 0, 0, 0, 2]);
    entries.extend([0, 0, 0, 0, 0, 0, 0, 100]);
    entries.extend([0xff; 12]);
    assert_eq!(content[..2], [0, 1]);
    assert_eq!(content[2..6], crc32c::crc32c(&entries).to_be_bytes());
    assert_eq!(content[6..], entries);
}

#[test]
fn the_last_entry_of_a_producer_in_a_snapshot_is_its_last_batch() {
    let content = encode(&after(&[batch(5, 0, 0, 3, 0), batch(5, 0, 3, 1, 3)]));
    assert_eq!(content.len(), 10 + 2 * 46);
    assert_eq!(content[10 + 46 + 10..][..4], [0, 0, 0, 3]);
}

#[test]
fn the_name_of_a_snapshot_tells_its_offset() {
    let name = snapshot_name(Offset(42));
    assert_eq!(name, "00000000000000000042.snapshot");
    assert_eq!(snapshot_offset_of(&name), Some(Offset(42)));
    for other in [
        "42.snapshot",
        "00000000000000000042.log",
        "99999999999999999999.snapshot",
    ] {
        assert_eq!(snapshot_offset_of(other), None);
    }
}

#[derive(Clone, Debug)]
struct Sent {
    producer: i64,
    epoch: i16,
    ahead: i32,
    count: i32,
}

fn sent() -> impl Strategy<Value = Sent> {
    (0..3_i64, 0..3_i16, -3..3_i32, 1..3_i32).prop_map(|(producer, epoch, ahead, count)| Sent {
        producer,
        epoch,
        ahead,
        count,
    })
}

/// The rules in words, over the list of everything that was appended.
fn expected(log: &[BatchHeader], header: &BatchHeader) -> Result<Option<i64>, ErrorCode> {
    let own = log.iter().filter(|b| b.producer_id == header.producer_id);
    let Some(epoch) = own.clone().map(|b| b.producer_epoch).max() else {
        return Ok(None);
    };
    if header.producer_epoch < epoch {
        return Err(ErrorCode::InvalidProducerEpoch);
    }
    let of_epoch: Vec<_> = own
        .filter(|b| b.producer_epoch == header.producer_epoch)
        .collect();
    let remembered = of_epoch.iter().rev().take(5);
    let range = |b: &BatchHeader| (b.base_sequence, b.last_sequence());
    if let Some(found) = remembered.clone().find(|b| range(b) == range(header)) {
        return Ok(Some(found.base_offset.0));
    }
    let next = of_epoch.last().map_or(0, |b| {
        ((i64::from(b.last_sequence()) + 1) % (i64::from(i32::MAX) + 1)) as i32
    });
    match header.base_sequence == next {
        true => Ok(None),
        false => Err(ErrorCode::OutOfOrderSequenceNumber),
    }
}

proptest! {
    #[test]
    fn the_checks_are_the_rules_over_all_batches_and_survive_a_snapshot(
        sends in proptest::collection::vec(sent(), 1..60),
        near_the_end in any::<bool>(),
    ) {
        let mut producers = Producers::new(10);
        let mut log: Vec<BatchHeader> = Vec::new();
        let mut next_offset = 0;
        for send in &sends {
            let own = log.iter().rev().find(|b| b.producer_id.0 == send.producer);
            let span = i64::from(i32::MAX) + 1;
            let first = if near_the_end { span - 4 } else { 3 };
            let next = own.map_or(first, |b| i64::from(b.last_sequence()) + 1);
            let sequence = match own {
                Some(b) if b.producer_epoch.0 != send.epoch && send.ahead >= 0 => 0,
                _ => (next + i64::from(send.ahead.min(1))).rem_euclid(span),
            };
            let sequence = i32::try_from(sequence).unwrap();
            let header = batch(send.producer, send.epoch, sequence, send.count, next_offset);
            let result = checked(&producers, &header);
            prop_assert_eq!(result, expected(&log, &header), "{:?} after {:?}", header, log);
            if result == Ok(None) {
                producers.update(&header, None);
                log.push(header);
                next_offset = header.next_offset().0;
            }
            let read = decode(&encode(&producers), Offset(next_offset), 10).unwrap();
            prop_assert_eq!(&read, &producers);
        }
    }

    #[test]
    fn a_damaged_snapshot_is_refused(at in 0..194_usize, bit in 0..8_u32, cut in 0..194_usize) {
        let headers: Vec<_> = (0..4).map(|n| batch(n, 0, 0, 2, n * 2)).collect();
        let content = encode(&after(&headers));
        prop_assert_eq!(content.len(), 194);
        let mut damaged = content.clone();
        damaged[at] ^= 1 << bit;
        prop_assert!(decode(&damaged, Offset(8), 10).is_err());
        prop_assert!(decode(&content[..cut], Offset(8), 10).is_err());
        // As of an earlier offset it cannot be.
        prop_assert_eq!(decode(&content, Offset(7), 10), Err(SnapshotError::Entry(3)));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = bytes;
        if bytes.len() > 10 {
            let count = ((bytes.len() - 10) / 46) as i32;
            bytes.truncate(10 + count as usize * 46);
            bytes[..2].copy_from_slice(&1_i16.to_be_bytes());
            bytes[6..10].copy_from_slice(&count.to_be_bytes());
            let crc = crc32c::crc32c(&bytes[6..]);
            bytes[2..6].copy_from_slice(&crc.to_be_bytes());
        }
        let _ = decode(&bytes, Offset(i64::MAX), 10);
    }
}
