//! Appending, committing, agreeing.

use super::*;
use crate::error::ProposeError;

#[test]
fn a_proposal_is_sent_before_the_leaders_own_disk_has_it() {
    let mut bench = Bench::leading(config(), vec![]);
    bench.hear(TWO, 1, accepted(1));
    assert_eq!(
        bench.propose(7),
        vec![
            send(TWO, 1, append(id(1, 1), vec![entry(1, 2)], 1)),
            Command::ProposalAccepted {
                ticket: 7,
                term: Term(1),
                first: MetadataOffset(2),
                last: MetadataOffset(2),
            },
            persist_entries(3, vec![entry(1, 2)]),
        ]
    );
    // One follower is no majority while the leader's own disk lacks the entry.
    assert_eq!(bench.hear(TWO, 1, accepted(2)), vec![]);
    let committed = id(1, 2);
    assert_eq!(
        bench.persisted(3),
        vec![
            Command::Apply(vec![entry(1, 2)]),
            send(TWO, 1, Body::Heartbeat { committed }),
        ]
    );
}

#[test]
fn two_followers_commit_without_the_leaders_own_disk() {
    let mut bench = Bench::leading(config(), vec![]);
    bench.hear(TWO, 1, accepted(1));
    bench.hear(THREE, 1, accepted(1));
    bench.propose(1);
    bench.hear(TWO, 1, accepted(2));
    let commands = bench.hear(THREE, 1, accepted(2));
    assert_eq!(commands[0], Command::Apply(vec![entry(1, 2)]));
}

#[test]
fn entries_of_earlier_terms_are_committed_only_with_one_of_this_term() {
    let mut bench = Bench::leading(config(), vec![entry(1, 1), entry(2, 2)]);
    let commands = bench.hear(TWO, 3, accepted(2));
    assert!(!commands.iter().any(|c| matches!(c, Command::Apply(_))));
    assert_eq!(bench.engine.commit_index(), MetadataOffset(0));
    let commands = bench.hear(TWO, 3, accepted(3));
    assert_eq!(
        commands[0],
        Command::Apply(vec![entry(1, 1), entry(2, 2), noop(3, 3)])
    );
    assert!(bench.engine.is_ready_leader());
}

#[test]
fn a_follower_answers_only_when_its_disk_has_the_entries() {
    let mut bench = Bench::new(vec![entry(1, 1)]);
    assert_eq!(
        bench.hear(TWO, 1, append(id(1, 1), vec![entry(1, 2), entry(1, 3)], 2)),
        vec![
            role(Role::Follower, 1, Some(TWO)),
            Command::Apply(vec![entry(1, 1), entry(1, 2)]),
            persist_entries(1, vec![entry(1, 2), entry(1, 3)]),
        ]
    );
    // The same again, while the disk is busy: nothing is written twice, one answer follows.
    let again = append(id(1, 1), vec![entry(1, 2), entry(1, 3)], 2);
    assert_eq!(bench.hear(TWO, 1, again), vec![]);
    assert_eq!(bench.persisted(1), vec![send(TWO, 1, accepted(3))]);
}

#[test]
fn a_shorter_late_append_does_not_truncate() {
    let mut bench = Bench::new(vec![entry(1, 1), entry(1, 2), entry(1, 3)]);
    assert_eq!(
        bench.hear(TWO, 1, append(id(1, 1), vec![entry(1, 2)], 0)),
        vec![
            role(Role::Follower, 1, Some(TWO)),
            send(TWO, 1, accepted(2))
        ]
    );
    assert_eq!(bench.engine.last(), id(1, 3));
}

#[test]
fn a_conflicting_tail_is_replaced() {
    let mut bench = Bench::new(vec![entry(1, 1), entry(2, 2), entry(2, 3)]);
    let commands = bench.hear(THREE, 3, append(id(1, 1), vec![entry(3, 2)], 1));
    let persist = Persist {
        token: PersistToken(1),
        hard_state: Some(hard_state(3, None)),
        truncate_from: Some(MetadataOffset(2)),
        entries: vec![entry(3, 2)],
        snapshot: None,
    };
    assert_eq!(
        commands,
        vec![
            role(Role::Follower, 3, Some(THREE)),
            Command::Apply(vec![entry(1, 1)]),
            Command::Persist(persist),
        ]
    );
}

#[test]
fn a_refusal_hints_past_a_whole_term_at_once() {
    // The cases of Raft's figure 7: what the follower has beside a leader of term 8 whose last
    // entry is 10 in term 6.
    let cases = [
        (vec![(1, 3), (4, 2)], id(4, 5)),
        (vec![(1, 3), (4, 4)], id(4, 7)),
        (vec![(1, 3), (2, 3), (3, 5)], id(3, 10)),
    ];
    for (runs, hint) in cases {
        let mut entries = Vec::new();
        for (term, count) in runs {
            for _ in 0..count {
                entries.push(entry(term, entries.len() as u64 + 1));
            }
        }
        let mut bench = Bench::new(entries);
        let commands = bench.hear(TWO, 8, append(id(6, 10), vec![], 0));
        let prev_index = MetadataOffset(10);
        let rejection = Body::AppendRejected { prev_index, hint };
        assert_eq!(sent(&commands), vec![(TWO, rejection)]);
    }
}

#[test]
fn a_refused_leader_goes_back_to_the_last_entry_that_can_be_common() {
    let log = vec![entry(1, 1), entry(1, 2), entry(4, 3), entry(4, 4)];
    let mut bench = Bench::leading(config(), log.clone());
    let rejection = Body::AppendRejected {
        prev_index: MetadataOffset(4),
        hint: id(3, 4),
    };
    let mut rest = log[2..].to_vec();
    rest.push(noop(5, 5));
    assert_eq!(
        bench.hear(TWO, 5, rejection.clone()),
        vec![send(TWO, 5, append(id(1, 2), rest, 0))]
    );
    // The same refusal again speaks of a probe that is no longer under way.
    assert_eq!(bench.hear(TWO, 5, rejection), vec![]);
}

#[test]
fn the_window_bounds_appends_without_an_answer_and_time_reopens_it_by_a_probe() {
    let mut config = config();
    config.limits.appends_in_flight_max = 2;
    let mut bench = Bench::leading(config, vec![]);
    bench.hear(TWO, 1, accepted(1));
    let appends = |commands: &[Command]| {
        let bodies = sent(commands).into_iter().filter(|(to, _)| *to == TWO);
        let appends = bodies.filter(|(_, body)| matches!(body, Body::Append { .. }));
        appends.count()
    };
    let counts: Vec<_> = (0..4).map(|n| appends(&bench.propose(n))).collect();
    assert_eq!(counts, vec![1, 1, 0, 0]);
    assert_eq!(appends(&bench.hear(TWO, 1, accepted(2))), 1);
    bench.now = bench.now + Duration::from_millis(500);
    let commands = bench.step(Event::Tick);
    let all = vec![entry(1, 3), entry(1, 4), entry(1, 5)];
    assert!(sent(&commands).contains(&(TWO, append(id(1, 2), all, 1))));
}

#[test]
fn proposals_beyond_the_limit_of_uncommitted_bytes_are_refused() {
    let mut config = config();
    config.limits.uncommitted_bytes_max = 70;
    let mut bench = Bench::leading(config, vec![]);
    bench.propose(1);
    let reason = ProposeError::UncommittedFull {
        waiting_bytes: 65,
        max_bytes: 70,
    };
    assert_eq!(
        bench.propose(2),
        vec![Command::ProposalDropped { ticket: 2, reason }]
    );
    bench.hear(TWO, 1, accepted(1));
    assert!(sent(&bench.propose(3)).len() == 1);
}

#[test]
fn a_malformed_append_or_acknowledgement_is_ignored() {
    let gap = append(id(0, 0), vec![entry(1, 1), entry(1, 3)], 0);
    let falling = append(id(0, 0), vec![entry(2, 1), entry(1, 2)], 0);
    let future = append(id(0, 0), vec![entry(9, 1)], 0);
    for body in [gap, falling, future] {
        let mut bench = Bench::new(vec![]);
        let commands = bench.hear(TWO, 2, body);
        assert_eq!(sent(&commands), vec![]);
        assert_eq!(bench.engine.last(), id(0, 0));
    }
    let mut bench = Bench::leading(config(), vec![]);
    assert_eq!(bench.hear(TWO, 1, accepted(99)), vec![]);
    // A committed entry is not given up, whoever asks.
    let mut bench = Bench::new(vec![entry(1, 1)]);
    bench.hear(TWO, 1, append(id(1, 1), vec![], 1));
    bench.hear(THREE, 2, append(id(0, 0), vec![entry(2, 1)], 1));
    assert_eq!(bench.engine.last(), id(1, 1));
}
