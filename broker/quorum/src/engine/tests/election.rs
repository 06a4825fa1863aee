//! Standing for election.

use super::*;

fn pre_vote(for_term: u64, last: EntryId) -> Body {
    let for_term = Term(for_term);
    Body::PreVote { for_term, last }
}

fn pre_vote_reply(for_term: u64, granted: bool) -> Body {
    let for_term = Term(for_term);
    Body::PreVoteReply { for_term, granted }
}

fn vote(last: EntryId) -> Body {
    let transfer = false;
    Body::Vote { last, transfer }
}

#[test]
fn a_follower_that_hears_nothing_asks_first_and_leads_only_with_its_vote_on_disk() {
    let mut bench = Bench::new(vec![entry(3, 1)]);
    let last = id(3, 1);
    let asked = vec![
        role(Role::PreCandidate, 3, None),
        send(TWO, 3, pre_vote(4, last)),
        send(THREE, 3, pre_vote(4, last)),
    ];
    assert_eq!(bench.pass_to_wake(), asked);
    assert_eq!(
        bench.hear(TWO, 3, pre_vote_reply(4, true)),
        vec![
            role(Role::Candidate, 4, None),
            persist_state(1, 4, Some(ONE))
        ]
    );
    assert_eq!(
        bench.persisted(1),
        vec![send(TWO, 4, vote(last)), send(THREE, 4, vote(last))]
    );
    assert_eq!(
        bench.hear(THREE, 4, granted()),
        vec![
            role(Role::Leader, 4, Some(ONE)),
            send(TWO, 4, append(last, vec![noop(4, 2)], 0)),
            send(THREE, 4, append(last, vec![noop(4, 2)], 0)),
            persist_entries(2, vec![noop(4, 2)]),
        ]
    );
    assert!(!bench.engine.is_ready_leader());
}

#[test]
fn a_majority_of_others_does_not_elect_before_the_own_vote_is_on_disk() {
    let mut bench = Bench::new(vec![]);
    bench.pass_to_wake();
    bench.hear(TWO, 0, pre_vote_reply(1, true));
    assert_eq!(bench.hear(TWO, 1, granted()), vec![]);
    assert_eq!(bench.hear(THREE, 1, granted()), vec![]);
    let commands = bench.persisted(1);
    assert_eq!(commands[0], role(Role::Leader, 1, Some(ONE)));
}

#[test]
fn a_refused_pre_vote_of_a_later_term_is_learned_from() {
    let mut bench = Bench::new(vec![entry(3, 1)]);
    bench.pass_to_wake();
    assert_eq!(
        bench.hear(TWO, 7, pre_vote_reply(4, false)),
        vec![role(Role::Follower, 7, None), persist_state(1, 7, None)]
    );
}

#[test]
fn a_reset_from_the_leader_starts_a_pre_vote_at_once() {
    let mut bench = Bench::new(vec![entry(3, 1)]);
    let committed = id(0, 0);
    bench.hear(TWO, 3, Body::Heartbeat { committed });
    assert_eq!(bench.step(Event::LeaderLost { leader: THREE }), vec![]);
    assert_eq!(
        bench.step(Event::LeaderLost { leader: TWO }),
        vec![
            role(Role::PreCandidate, 3, None),
            send(TWO, 3, pre_vote(4, id(3, 1))),
            send(THREE, 3, pre_vote(4, id(3, 1))),
        ]
    );
    // Who did not answer is asked again, a beat later.
    assert_eq!(sent(&bench.pass(75)).len(), 2);
}

#[test]
fn of_two_that_lost_their_leader_the_lesser_gives_way() {
    let mut bench = Bench::new(vec![entry(3, 1)]);
    bench.pass_to_wake();
    assert_eq!(
        bench.hear(THREE, 3, pre_vote(4, id(3, 1))),
        vec![
            role(Role::Follower, 3, None),
            send(THREE, 3, pre_vote_reply(4, true)),
        ]
    );
    let mut bench = Bench::new(vec![entry(3, 1), entry(3, 2)]);
    bench.pass_to_wake();
    assert_eq!(
        bench.hear(THREE, 3, pre_vote(4, id(3, 1))),
        vec![send(THREE, 3, pre_vote_reply(4, false))]
    );
}

#[test]
fn a_candidate_that_a_majority_refuses_follows() {
    let mut bench = Bench::new(vec![]);
    bench.pass_to_wake();
    bench.hear(TWO, 0, pre_vote_reply(1, true));
    bench.persisted(1);
    let no = Body::VoteReply { granted: false };
    assert_eq!(bench.hear(TWO, 1, no.clone()), vec![]);
    assert_eq!(
        bench.hear(THREE, 1, no),
        vec![role(Role::Follower, 1, None)]
    );
}

#[test]
fn a_candidate_follows_a_leader_of_its_own_term() {
    let mut bench = Bench::new(vec![]);
    bench.pass_to_wake();
    bench.hear(TWO, 0, pre_vote_reply(1, true));
    bench.persisted(1);
    let committed = id(0, 0);
    assert_eq!(
        bench.hear(THREE, 1, Body::Heartbeat { committed }),
        vec![
            role(Role::Follower, 1, Some(THREE)),
            send(THREE, 1, Body::HeartbeatReply),
        ]
    );
}

#[test]
fn a_leader_that_no_majority_answers_steps_down() {
    let mut bench = Bench::leading(config(), vec![]);
    for _ in 0..10 {
        bench.pass(75);
        assert_eq!(bench.engine.role(), Role::Leader);
    }
    assert_eq!(bench.pass(75), vec![role(Role::Follower, 1, None)]);
    let dropped = bench.propose(1);
    assert!(matches!(
        dropped[0],
        Command::ProposalDropped { ticket: 1, .. }
    ));
}

#[test]
fn a_leader_that_one_of_two_answers_stays() {
    let mut bench = Bench::leading(config(), vec![]);
    for _ in 0..40 {
        bench.pass(75);
        bench.hear(TWO, 1, Body::HeartbeatReply);
    }
    assert_eq!(bench.engine.role(), Role::Leader);
}

#[test]
fn a_frozen_leader_steps_down_before_it_takes_a_proposal() {
    let mut bench = Bench::leading(config(), vec![]);
    bench.now = bench.now + Duration::from_secs(5);
    let commands = bench.propose(9);
    assert_eq!(commands[0], role(Role::Follower, 1, None));
    assert!(matches!(
        commands[1],
        Command::ProposalDropped { ticket: 9, .. }
    ));
}

#[test]
fn time_outs_are_drawn_anew_within_their_bounds() {
    let mut bench = Bench::new(vec![]);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..200 {
        let committed = id(0, 0);
        bench.hear(TWO, 1, Body::Heartbeat { committed });
        let millis = bench.engine.next_wake().since(bench.now).as_millis();
        assert!((400..800).contains(&millis), "{millis}");
        seen.insert(millis);
    }
    assert!(seen.len() > 50, "{seen:?}");
}

#[test]
fn a_voter_alone_leads_and_commits_by_itself() {
    let mut config = config();
    config.voters.retain(|id, _| *id == ONE);
    let mut bench = Bench::with(config, vec![]);
    assert_eq!(
        bench.step(Event::Tick),
        vec![
            role(Role::Candidate, 1, None),
            persist_state(1, 1, Some(ONE))
        ]
    );
    assert_eq!(
        bench.persisted(1),
        vec![
            role(Role::Leader, 1, Some(ONE)),
            persist_entries(2, vec![noop(1, 1)]),
        ]
    );
    assert_eq!(bench.persisted(2), vec![Command::Apply(vec![noop(1, 1)])]);
    assert!(bench.engine.is_ready_leader());
}

#[test]
fn a_vote_for_itself_that_reaches_the_disk_after_the_election_was_lost_counts_nothing() {
    let mut bench = Bench::new(vec![]);
    bench.pass_to_wake();
    bench.hear(TWO, 0, pre_vote_reply(1, true));
    bench.hear(TWO, 1, granted());
    let committed = id(0, 0);
    bench.hear(THREE, 1, Body::Heartbeat { committed });
    bench.persisted(1);
    assert_eq!(bench.engine.role(), Role::Follower);
    assert_eq!(bench.engine.leader(), Some(THREE));
}

#[test]
fn entries_of_a_lost_leadership_that_reach_the_disk_commit_nothing() {
    let mut bench = Bench::leading(config(), vec![]);
    bench.hear(TWO, 1, accepted(1));
    bench.propose(1);
    bench.hear(TWO, 1, accepted(2));
    let committed = id(1, 1);
    bench.hear(THREE, 2, Body::Heartbeat { committed });
    assert_eq!(bench.persisted(3), vec![]);
    assert_eq!(bench.engine.commit_index(), MetadataOffset(1));
}

#[test]
fn a_voter_stuck_in_a_later_term_is_freed_by_the_leader_stepping_down() {
    // The stuck one refuses the leader, whose next term then includes both.
    let mut stuck = Bench::new(vec![entry(7, 1)]);
    let committed = id(0, 0);
    let commands = stuck.hear(TWO, 5, Body::Heartbeat { committed });
    assert_eq!(commands, vec![send(TWO, 7, Body::StaleTerm)]);
    let mut leader = Bench::leading(config(), vec![]);
    leader.hear(THREE, 7, Body::StaleTerm);
    assert_eq!(
        (leader.engine.role(), leader.engine.term()),
        (Role::Follower, Term(7))
    );
    leader.pass_to_wake();
    leader.hear(TWO, 7, pre_vote_reply(8, true));
    assert_eq!(
        (leader.engine.role(), leader.engine.term()),
        (Role::Candidate, Term(8))
    );
}
