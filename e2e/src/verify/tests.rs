use super::*;
use crate::load::history::Micros;

const RUN: u64 = 7;

/// One partition with ten records sent: 0..8 acknowledged at their own number, 8 and 9 unknown.
fn history() -> History {
    let mut history = History::default();
    for sequence in 0..10_u64 {
        history.begin(0, sequence as Micros);
        let outcome = match sequence {
            0..8 => Outcome::Acked {
                offset: i64::try_from(sequence).unwrap(),
                at: 100,
            },
            _ => Outcome::Unknown,
        };
        history.finish(0, sequence, outcome);
    }
    history
}

fn log(sequences: &[u64]) -> BTreeMap<i32, Vec<ReadBack>> {
    let records = (0..).zip(sequences).map(|(offset, sequence)| {
        let value = RecordId {
            run: RUN,
            partition: 0,
            sequence: *sequence,
        }
        .encode(40);
        ReadBack {
            offset,
            record: RecordId::decode(&value),
        }
    });
    BTreeMap::from([(0, records.collect())])
}

fn check(sequences: &[u64], duplicates: Duplicates) -> Verdict {
    verify(RUN, &history(), &log(sequences), duplicates)
}

fn id(sequence: u64) -> RecordId {
    RecordId {
        run: RUN,
        partition: 0,
        sequence,
    }
}

#[test]
fn a_log_with_every_acked_record_once_is_clean() {
    let verdict = check(&[0, 1, 2, 3, 4, 5, 6, 7], Duplicates::Forbidden);
    assert!(verdict.is_clean(), "{verdict}");
    assert_eq!(
        (verdict.sent, verdict.acked, verdict.unknown, verdict.read),
        (10, 8, 2, 8)
    );
}

#[test]
fn an_unknown_record_may_be_there_once() {
    assert!(check(&[0, 1, 2, 3, 4, 5, 6, 7, 9], Duplicates::Forbidden).is_clean());
}

#[test]
fn an_acked_record_cut_out_is_lost_and_moves_those_after_it() {
    let verdict = check(&[0, 1, 2, 4, 5, 6, 7], Duplicates::Counted);
    assert_eq!(verdict.lost, 1);
    assert!(verdict.findings.contains(&Finding::Lost {
        id: id(3),
        offset: 3
    }));
    assert!(verdict.findings.contains(&Finding::WrongOffset {
        id: id(4),
        acked: 4,
        found: 3
    }));
}

#[test]
fn a_record_written_twice_is_found_where_it_is_forbidden_and_else_counted() {
    let sequences = [0, 1, 2, 3, 4, 5, 6, 7, 7];
    let forbidden = check(&sequences, Duplicates::Forbidden);
    assert_eq!(
        forbidden.findings,
        [Finding::Duplicate {
            id: id(7),
            offset: 8
        }]
    );
    let counted = check(&sequences, Duplicates::Counted);
    assert!(counted.is_clean());
    assert_eq!(counted.duplicates, 1);
}

#[test]
fn two_swapped_records_are_out_of_order() {
    let verdict = check(&[0, 1, 3, 2, 4, 5, 6, 7], Duplicates::Counted);
    assert!(verdict.findings.contains(&Finding::OutOfOrder {
        id: id(2),
        offset: 3
    }));
}

#[test]
fn a_record_that_was_never_sent_is_found() {
    let verdict = check(&[0, 1, 2, 3, 4, 5, 6, 7, 55], Duplicates::Counted);
    assert_eq!(
        verdict.findings,
        [Finding::NeverSent {
            id: id(55),
            offset: 8
        }]
    );
}

#[test]
fn a_partition_that_was_not_read_at_all_is_lost() {
    let verdict = verify(RUN, &history(), &BTreeMap::new(), Duplicates::Counted);
    assert_eq!(verdict.lost, 8);
}

#[test]
fn a_corrupt_record_is_found_and_its_record_lost() {
    let mut read = log(&[0, 1, 2, 3, 4, 5, 6, 7]);
    read.get_mut(&0).unwrap()[5].record = Err(ReadError::Corrupt);
    let verdict = verify(RUN, &history(), &read, Duplicates::Counted);
    assert_eq!(
        verdict.findings,
        [
            Finding::Corrupt {
                partition: 0,
                offset: 5
            },
            Finding::Lost {
                id: id(5),
                offset: 5
            }
        ]
    );
}
