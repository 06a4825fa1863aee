//! Snapshots.

use super::*;

fn snapshot(term: u64, index: u64) -> Snapshot {
    Snapshot {
        last: id(term, index),
        bytes: Bytes::from_static(b"0123456789"),
        membership: members(),
    }
}

fn ready(term: u64, index: u64) -> Event {
    let Snapshot { last, bytes, .. } = snapshot(term, index);
    Event::SnapshotReady { last, bytes }
}

fn chunk(last: EntryId, offset: u64, bytes: &'static [u8]) -> Body {
    Body::SnapshotChunk {
        last,
        total_bytes: 10,
        offset,
        bytes: Bytes::from_static(bytes),
        membership: members(),
    }
}

fn reply(last: EntryId, next_offset: u64) -> Body {
    Body::SnapshotReply { last, next_offset }
}

fn small() -> Config {
    let mut config = config();
    config.limits.snapshot_chunk_bytes = 6;
    config.limits.entries_kept_behind_snapshot = 0;
    config.limits.snapshot_after_entries = 2;
    config
}

/// A leader that forgot entries 1 and 2 of term 2, and has its no-op at 3.
fn leader_with_snapshot() -> Bench {
    let mut bench = Bench::leading(small(), vec![entry(2, 1), entry(2, 2)]);
    bench.hear(THREE, 3, accepted(3));
    assert!(bench.engine.needs_snapshot());
    let event = ready(2, 2);
    let persist = Persist {
        token: PersistToken(3),
        snapshot: Some(snapshot(2, 2)),
        ..Persist::default()
    };
    assert_eq!(bench.step(event), vec![Command::Persist(persist)]);
    assert!(!bench.engine.needs_snapshot());
    bench
}

#[test]
fn a_follower_that_needs_forgotten_entries_is_sent_the_snapshot_piece_by_piece() {
    let mut bench = leader_with_snapshot();
    let last = id(2, 2);
    let rejection = Body::AppendRejected {
        prev_index: MetadataOffset(2),
        hint: id(0, 0),
    };
    assert_eq!(
        bench.hear(TWO, 3, rejection),
        vec![send(TWO, 3, chunk(last, 0, b"012345"))]
    );
    // Proposals wait until the snapshot is there.
    assert!(sent(&bench.propose(1)).iter().all(|(to, _)| *to == THREE));
    assert_eq!(
        bench.hear(TWO, 3, reply(last, 6)),
        vec![send(TWO, 3, chunk(last, 6, b"6789"))]
    );
    // A doubled answer is no reason to send again; one from a restarted follower is.
    assert_eq!(bench.hear(TWO, 3, reply(last, 6)), vec![]);
    assert_eq!(
        bench.hear(TWO, 3, reply(last, 0)),
        vec![send(TWO, 3, chunk(last, 0, b"012345"))]
    );
    let rest = vec![noop(3, 3), entry(3, 4)];
    let commands = bench.hear(TWO, 3, accepted(2));
    assert_eq!(sent(&commands), vec![(TWO, append(last, rest, 3))]);
}

#[test]
fn a_piece_without_an_answer_is_sent_again() {
    let mut bench = leader_with_snapshot();
    let rejection = Body::AppendRejected {
        prev_index: MetadataOffset(2),
        hint: id(0, 0),
    };
    bench.hear(TWO, 3, rejection);
    bench.now = bench.now + Duration::from_millis(500);
    let commands = bench.step(Event::Tick);
    assert!(sent(&commands).contains(&(TWO, chunk(id(2, 2), 0, b"012345"))));
}

#[test]
fn a_whole_snapshot_replaces_log_and_state_and_is_answered_when_on_disk() {
    let mut bench = Bench::new(vec![entry(1, 1)]);
    let last = id(3, 8);
    let commands = bench.hear(TWO, 4, chunk(last, 0, b"012345"));
    assert_eq!(sent(&commands), vec![(TWO, reply(last, 6))]);
    bench.persisted(1);
    // A doubled or a later piece changes nothing but asks for the one that lacks.
    for body in [chunk(last, 0, b"012345"), chunk(last, 9, b"9")] {
        assert_eq!(sent(&bench.hear(TWO, 4, body)), vec![(TWO, reply(last, 6))]);
    }
    let persist = Persist {
        token: PersistToken(2),
        snapshot: Some(snapshot(3, 8)),
        truncate_from: Some(MetadataOffset(1)),
        ..Persist::default()
    };
    assert_eq!(
        bench.hear(TWO, 4, chunk(last, 6, b"6789")),
        vec![
            Command::InstallSnapshot(snapshot(3, 8)),
            Command::Persist(persist),
        ]
    );
    assert_eq!(bench.persisted(2), vec![send(TWO, 4, accepted(8))]);
    assert_eq!(bench.engine.commit_index(), MetadataOffset(8));
    assert_eq!(bench.engine.last(), last);
}

#[test]
fn a_snapshot_of_what_the_log_already_has_only_commits() {
    let log = vec![entry(1, 1), entry(1, 2), entry(1, 3)];
    let mut bench = Bench::new(log.clone());
    assert_eq!(
        bench.hear(TWO, 1, chunk(id(1, 2), 0, b"012345")),
        vec![
            role(Role::Follower, 1, Some(TWO)),
            Command::Apply(log[..2].to_vec()),
            send(TWO, 1, accepted(2)),
        ]
    );
    assert_eq!(bench.engine.last(), id(1, 3));
}

#[test]
fn a_snapshot_that_is_not_applied_or_not_newer_is_not_taken() {
    let mut bench = leader_with_snapshot();
    for (term, index) in [(2, 1), (2, 2), (2, 3), (3, 4)] {
        assert_eq!(bench.step(ready(term, index)), vec![]);
    }
}

#[test]
fn an_oversized_snapshot_is_not_taken_in() {
    let mut config = config();
    config.limits.snapshot_bytes_max = 9;
    let mut bench = Bench::with(config, vec![]);
    let commands = bench.hear(TWO, 1, chunk(id(1, 8), 0, b"0123456789"));
    assert_eq!(sent(&commands), vec![]);
    assert_eq!(bench.engine.commit_index(), MetadataOffset(0));
}

#[test]
fn a_log_of_few_large_entries_is_freed_by_a_snapshot() {
    let mut config = config();
    config.limits.snapshot_after_bytes = 200;
    config.limits.log_bytes_max = 200;
    let mut bench = Bench::leading(config, vec![]);
    bench.hear(TWO, 1, accepted(1));
    let mut is_full = false;
    for n in 0..20 {
        let commands = bench.propose(n);
        is_full |= matches!(commands[0], Command::ProposalDropped { .. });
        bench.persisted(n + 3);
        let last = bench.engine.last();
        bench.hear(TWO, 1, accepted(last.index.0));
    }
    assert!(is_full && !bench.engine.needs_snapshot());
    let big = Bytes::from_static(&[0; 40]);
    bench.step(Event::Propose {
        commands: vec![big],
        ticket: 99,
    });
    let last = bench.engine.last();
    let bytes = Bytes::new();
    bench.step(Event::SnapshotReady { last, bytes });
    let accepted = bench.propose(100);
    assert!(!matches!(accepted[0], Command::ProposalDropped { .. }));
}
