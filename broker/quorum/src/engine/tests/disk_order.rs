//! What waits for the disk, and what a crash may leave.

use super::*;

#[test]
fn changes_beyond_the_writes_in_flight_are_gathered_into_one_write() {
    let mut config = config();
    config.limits.persists_in_flight_max = 1;
    let mut bench = Bench::leading(config, vec![]);
    let is_write = |c: &Command| matches!(c, Command::Persist(_));
    assert!(bench.propose(1).iter().any(is_write));
    assert!(!bench.propose(2).iter().any(is_write));
    assert!(!bench.propose(3).iter().any(is_write));
    assert_eq!(
        bench.persisted(3),
        vec![persist_entries(4, vec![entry(1, 3), entry(1, 4)])]
    );
}

#[test]
fn an_acknowledgement_waits_for_a_write_that_is_itself_held_back() {
    let mut config = config();
    config.limits.persists_in_flight_max = 1;
    let mut bench = Bench::with(config, vec![]);
    bench.hear(TWO, 1, append(id(0, 0), vec![entry(1, 1)], 0));
    assert_eq!(
        bench.hear(TWO, 1, append(id(1, 1), vec![entry(1, 2)], 0)),
        vec![]
    );
    assert_eq!(
        bench.persisted(1),
        vec![
            send(TWO, 1, accepted(1)),
            persist_entries(2, vec![entry(1, 2)]),
        ]
    );
    assert_eq!(bench.persisted(2), vec![send(TWO, 1, accepted(2))]);
}

#[test]
fn a_log_that_a_snapshot_replaced_is_dropped_after_a_crash_between_the_two() {
    let recovered = Recovered {
        hard_state: hard_state(4, None),
        snapshot: Some(Snapshot {
            last: id(3, 2),
            bytes: Bytes::new(),
            membership: members(),
        }),
        entries: vec![entry(1, 1), entry(2, 2), entry(2, 3)],
        may_vote: true,
    };
    let now = Time::from_millis(1);
    let engine = Engine::new(config(), recovered, now, 1).unwrap();
    let mut bench = Bench { engine, now };
    assert_eq!(bench.engine.last(), id(3, 2));
    let persist = Persist {
        token: PersistToken(1),
        truncate_from: Some(MetadataOffset(1)),
        ..Persist::default()
    };
    assert_eq!(bench.step(Event::Tick), vec![Command::Persist(persist)]);
}

#[test]
fn a_log_that_continues_a_snapshot_is_kept() {
    for entries in [
        vec![entry(3, 2), entry(3, 3)],
        vec![entry(3, 3)],
        vec![entry(1, 1), entry(3, 2), entry(3, 3)],
    ] {
        let recovered = Recovered {
            hard_state: hard_state(4, None),
            snapshot: Some(Snapshot {
                last: id(3, 2),
                bytes: Bytes::new(),
                membership: members(),
            }),
            entries,
            may_vote: true,
        };
        let engine = Engine::new(config(), recovered, Time::ZERO, 1).unwrap();
        assert_eq!(engine.last(), id(3, 3));
        assert_eq!(engine.commit_index(), MetadataOffset(2));
    }
}
