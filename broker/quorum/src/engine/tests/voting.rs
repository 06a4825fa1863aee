//! Voting for others.

use super::*;

fn vote(last: EntryId, transfer: bool) -> Body {
    Body::Vote { last, transfer }
}

fn refused() -> Body {
    Body::VoteReply { granted: false }
}

#[test]
fn a_vote_leaves_only_when_it_is_on_disk_and_goes_to_one_candidate_a_term() {
    let mut bench = Bench::new(vec![entry(3, 1)]);
    assert_eq!(
        bench.hear(TWO, 4, vote(id(3, 1), false)),
        vec![
            role(Role::Follower, 4, None),
            persist_state(1, 4, Some(TWO))
        ]
    );
    assert_eq!(
        bench.hear(THREE, 4, vote(id(3, 1), false)),
        vec![send(THREE, 4, refused())]
    );
    assert_eq!(bench.persisted(1), vec![send(TWO, 4, granted())]);
    // Asked again by the same candidate, it repeats itself.
    assert_eq!(
        bench.hear(TWO, 4, vote(id(3, 1), false)),
        vec![send(TWO, 4, granted())]
    );
}

#[test]
fn a_candidate_with_a_lesser_log_is_refused() {
    for last in [id(2, 9), id(3, 1)] {
        let mut bench = Bench::new(vec![entry(3, 1), entry(3, 2)]);
        let commands = bench.hear(TWO, 4, vote(last, false));
        assert_eq!(sent(&commands), vec![(TWO, refused())], "{last:?}");
        assert_eq!(bench.engine.voted_for(), None);
    }
    for last in [id(3, 2), id(4, 1)] {
        let mut bench = Bench::new(vec![entry(3, 1), entry(3, 2)]);
        bench.hear(TWO, 4, vote(last, false));
        assert_eq!(bench.engine.voted_for(), Some(TWO), "{last:?}");
    }
}

#[test]
fn who_hears_a_leader_ignores_candidates_unless_the_leader_sent_them() {
    let mut bench = Bench::new(vec![]);
    let committed = id(0, 0);
    bench.hear(TWO, 1, Body::Heartbeat { committed });
    assert_eq!(bench.hear(THREE, 2, vote(id(0, 0), false)), vec![]);
    let for_term = Term(2);
    let last = id(0, 0);
    assert_eq!(
        sent(&bench.hear(THREE, 1, Body::PreVote { for_term, last })),
        vec![(
            THREE,
            Body::PreVoteReply {
                for_term,
                granted: false
            }
        )]
    );
    bench.hear(THREE, 2, vote(id(0, 0), true));
    assert_eq!(bench.engine.voted_for(), Some(THREE));
}

#[test]
fn a_vote_given_before_a_restart_is_kept() {
    let recovered = Recovered {
        hard_state: hard_state(4, Some(TWO)),
        ..Recovered::fresh(true)
    };
    let now = Time::from_millis(1);
    let engine = Engine::new(config(), recovered, now, 1).unwrap();
    let mut bench = Bench { engine, now };
    assert_eq!(
        bench.hear(THREE, 4, vote(id(3, 9), false)),
        vec![send(THREE, 4, refused())]
    );
}

#[test]
fn a_pre_vote_moves_no_term_and_takes_no_vote() {
    let mut bench = Bench::new(vec![]);
    let for_term = Term(9);
    let last = id(0, 0);
    assert_eq!(
        bench.hear(TWO, 8, Body::PreVote { for_term, last }),
        vec![send(
            TWO,
            0,
            Body::PreVoteReply {
                for_term,
                granted: true
            }
        )]
    );
    assert_eq!(
        (bench.engine.term(), bench.engine.voted_for()),
        (Term(0), None)
    );
}

#[test]
fn messages_of_an_earlier_term_change_nothing_and_tell_their_sender() {
    let late = [
        append(id(0, 0), vec![entry(1, 1)], 1),
        Body::Heartbeat {
            committed: id(0, 0),
        },
        vote(id(9, 9), false),
    ];
    for body in late {
        let mut bench = Bench::new(vec![entry(3, 1)]);
        assert_eq!(
            bench.hear(TWO, 2, body),
            vec![send(TWO, 3, Body::StaleTerm)]
        );
    }
    let mut bench = Bench::new(vec![entry(3, 1)]);
    assert_eq!(bench.hear(TWO, 2, granted()), vec![]);
    assert_eq!(bench.hear(TWO, 2, accepted(1)), vec![]);
    assert_eq!(bench.hear(TWO, 2, Body::TimeoutNow), vec![]);
}

#[test]
fn a_leader_told_of_a_later_term_steps_down() {
    let mut bench = Bench::leading(config(), vec![]);
    assert_eq!(
        bench.hear(THREE, 5, Body::StaleTerm),
        vec![role(Role::Follower, 5, None), persist_state(3, 5, None)]
    );
}
