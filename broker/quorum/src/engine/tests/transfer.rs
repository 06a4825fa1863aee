//! Handing leadership over.

use super::*;
use crate::error::ProposeError;

fn to(voter: ControllerId) -> Event {
    Event::TransferLeadership { to: Some(voter) }
}

#[test]
fn a_successor_with_the_whole_log_is_told_at_once() {
    let mut bench = Bench::leading(config(), vec![]);
    bench.hear(TWO, 1, accepted(1));
    assert_eq!(bench.step(to(TWO)), vec![send(TWO, 1, Body::TimeoutNow)]);
    let reason = ProposeError::Transferring { to: TWO };
    assert_eq!(
        bench.propose(1),
        vec![Command::ProposalDropped { ticket: 1, reason }]
    );
}

#[test]
fn a_successor_that_lags_is_told_when_it_has_caught_up() {
    let mut bench = Bench::leading(config(), vec![]);
    bench.hear(TWO, 1, accepted(1));
    bench.hear(THREE, 1, accepted(1));
    bench.propose(1);
    assert_eq!(bench.step(to(TWO)), vec![]);
    let commands = bench.hear(TWO, 1, accepted(2));
    assert!(sent(&commands).contains(&(TWO, Body::TimeoutNow)));
}

#[test]
fn without_a_name_the_furthest_log_succeeds() {
    let mut bench = Bench::leading(config(), vec![]);
    bench.hear(TWO, 1, accepted(1));
    let commands = bench.step(Event::TransferLeadership { to: None });
    assert_eq!(commands, vec![send(TWO, 1, Body::TimeoutNow)]);
}

#[test]
fn a_handover_that_fails_ends_and_proposals_are_taken_again() {
    let mut bench = Bench::leading(config(), vec![]);
    bench.hear(TWO, 1, accepted(1));
    bench.step(to(TWO));
    for _ in 0..11 {
        bench.pass(75);
        bench.hear(THREE, 1, Body::HeartbeatReply);
    }
    let commands = bench.propose(1);
    assert!(
        commands
            .iter()
            .any(|c| matches!(c, Command::ProposalAccepted { .. }))
    );
}

#[test]
fn to_itself_or_a_stranger_or_by_a_follower_nothing_is_handed_over() {
    let mut bench = Bench::leading(config(), vec![]);
    assert_eq!(bench.step(to(ONE)), vec![]);
    assert_eq!(bench.step(to(ControllerId(9))), vec![]);
    let mut bench = Bench::new(vec![]);
    assert_eq!(bench.step(to(TWO)), vec![]);
}

#[test]
fn the_successor_stands_without_asking_first_and_says_why() {
    let mut bench = Bench::new(vec![entry(1, 1)]);
    let commands = bench.hear(TWO, 1, Body::TimeoutNow);
    assert_eq!(
        commands,
        vec![
            role(Role::Candidate, 2, None),
            persist_state(1, 2, Some(ONE))
        ]
    );
    let last = id(1, 1);
    let transfer = true;
    assert_eq!(
        bench.persisted(1),
        vec![
            send(TWO, 2, Body::Vote { last, transfer }),
            send(THREE, 2, Body::Vote { last, transfer }),
        ]
    );
}
