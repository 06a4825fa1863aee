use kintsugi_types::Term;
use uuid::Uuid;

use super::*;
use crate::entry::EntryId;

fn progress() -> Progress {
    Progress::new(MetadataOffset(11), Time::ZERO)
}

#[test]
fn an_acceptance_ends_probing_and_frees_the_window() {
    let mut p = progress();
    assert!(p.accepted(MetadataOffset(4)));
    assert_eq!((&p.flow, p.next), (&Flow::Replicate, MetadataOffset(5)));
    for last in [6, 8, 9].map(MetadataOffset) {
        let sent = Time::ZERO;
        p.in_flight.push_back(InFlight { last, sent });
    }
    p.next = MetadataOffset(10);
    assert!(p.accepted(MetadataOffset(8)));
    assert_eq!((p.in_flight.len(), p.next), (1, MetadataOffset(10)));
    assert!(!p.accepted(MetadataOffset(6)), "an old answer is no news");
    assert_eq!(p.matched, MetadataOffset(8));
}

#[test]
fn refusals_of_what_is_known_to_match_or_not_under_way_are_stale() {
    let mut p = progress();
    assert!(p.is_current_rejection(MetadataOffset(10)));
    assert!(!p.is_current_rejection(MetadataOffset(9)));
    p.accepted(MetadataOffset(4));
    assert!(!p.is_current_rejection(MetadataOffset(4)));
    assert!(p.is_current_rejection(MetadataOffset(5)));
}

#[test]
fn an_older_acknowledgement_does_not_end_a_snapshot() {
    let mut p = progress();
    let last = EntryId {
        term: Term(1),
        index: MetadataOffset(8),
    };
    let bytes = bytes::Bytes::new();
    p.flow = Flow::Snapshot {
        snapshot: Snapshot {
            last,
            bytes,
            membership: crate::Membership::default(),
        },
        offset: 0,
        resend_at: Time::ZERO,
    };
    p.accepted(MetadataOffset(7));
    assert!(matches!(p.flow, Flow::Snapshot { .. }));
    p.accepted(MetadataOffset(8));
    assert_eq!((&p.flow, p.next), (&Flow::Replicate, MetadataOffset(9)));
}

#[test]
fn another_directory_holds_nothing_of_what_the_first_acknowledged() {
    let mut p = progress();
    let directory = |n| DirectoryId(Uuid::from_u128(n));
    p.heard(Time::ZERO, directory(1), true, MetadataOffset(10));
    p.accepted(MetadataOffset(10));
    p.heard(Time::ZERO, directory(2), false, MetadataOffset(20));
    assert_eq!(p.matched, MetadataOffset(0));
    assert_eq!(
        (&p.flow, p.next),
        (&Flow::Probe { resend_at: None }, MetadataOffset(21))
    );
}
