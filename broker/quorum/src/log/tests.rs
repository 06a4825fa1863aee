use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::entry::Payload;

fn log_of(base: (u64, u64), terms: &[u64]) -> Log {
    let mut log = Log::after(EntryId {
        term: Term(base.0),
        index: MetadataOffset(base.1),
    });
    for term in terms {
        log.push(Entry {
            term: Term(*term),
            index: log.last().index.next(),
            payload: Payload::Command(Bytes::from_static(b"0123456789")),
        });
    }
    log
}

#[test]
fn a_batch_keeps_to_both_limits_but_has_at_least_one_entry() {
    let log = log_of((1, 5), &[1, 1, 1, 1]);
    let count = |first, entries, bytes| log.batch(MetadataOffset(first), entries, bytes).len();
    assert_eq!(count(6, 3, 1_000), 3);
    assert_eq!(count(6, 9, 100), 2);
    assert_eq!(count(6, 9, 1), 1);
    assert_eq!(count(10, 9, 1_000), 0);
    assert_eq!(count(5, 9, 1_000), 0);
}

#[test]
fn forgetting_and_truncating_keep_the_size() {
    let mut log = log_of((1, 5), &[1, 1, 2, 2]);
    assert_eq!(log.size_bytes(), 4 * 42);
    log.forget_to(MetadataOffset(7));
    log.truncate_from(MetadataOffset(9));
    assert_eq!(log.size_bytes(), 42);
    assert_eq!(log.base().index, MetadataOffset(7));
    assert_eq!(log.last().index, MetadataOffset(8));
    assert_eq!(log.term_at(MetadataOffset(6)), None);
}

proptest! {
    #[test]
    fn the_last_entry_not_above_a_term_is_what_a_walk_finds(
        mut terms in prop::collection::vec(2_u64..6, 0..12),
        index in 0_u64..20,
        term in 0_u64..7,
    ) {
        terms.sort_unstable();
        let log = log_of((1, 3), &terms);
        let found = log.last_not_above(MetadataOffset(index), Term(term));
        let mut walk = MetadataOffset(index.min(log.last().index.0));
        if index < 3 {
            prop_assert_eq!(found.index, MetadataOffset(index));
        } else {
            while walk > log.base().index && log.term_at(walk) > Some(Term(term)) {
                walk = MetadataOffset(walk.0 - 1);
            }
            prop_assert_eq!(found.index, walk);
            prop_assert_eq!(Some(found.term), log.term_at(walk));
        }
    }
}
