//! Changing members.

use super::*;
use crate::error::ChangeError;
use crate::membership::{Member, MemberChange};

const FOUR: ControllerId = ControllerId(4);

fn member(id: ControllerId) -> Member {
    let directory = Some(directory(id));
    let endpoint = None;
    Member {
        directory,
        endpoint,
    }
}

fn of(voters: &[ControllerId], learners: &[ControllerId]) -> Membership {
    let all = |ids: &[ControllerId]| ids.iter().map(|id| (*id, member(*id))).collect();
    Membership {
        voters: all(voters),
        learners: all(learners),
    }
}

fn add(id: ControllerId) -> Event {
    let directory = directory(id);
    let endpoint = None;
    let change = MemberChange::Add {
        id,
        directory,
        endpoint,
    };
    Event::ChangeMembers { change, ticket: 7 }
}

fn remove(id: ControllerId) -> Event {
    let directory = directory(id);
    let change = MemberChange::Remove { id, directory };
    Event::ChangeMembers { change, ticket: 7 }
}

fn refused(commands: &[Command]) -> Option<ChangeError> {
    commands.iter().find_map(|command| match command {
        Command::ChangeRefused { ticket: 7, reason } => Some(reason.clone()),
        _ => None,
    })
}

fn accepted_change(commands: &[Command]) -> Option<EntryId> {
    commands.iter().find_map(|command| match command {
        Command::ChangeAccepted { ticket: 7, at } => Some(*at),
        _ => None,
    })
}

/// The leader of three in term 1, whose no-op is committed; tokens 1 and 2 are used.
fn ready() -> Bench {
    let mut bench = Bench::leading(config(), vec![]);
    for peer in [TWO, THREE] {
        bench.hear(peer, 1, accepted(1));
    }
    bench
}

#[test]
fn nothing_changes_before_an_entry_of_the_own_term_is_committed() {
    let mut bench = Bench::leading(config(), vec![entry(1, 1)]);
    assert_eq!(
        refused(&bench.step(remove(THREE))),
        Some(ChangeError::NotYet)
    );
    bench.hear(TWO, 2, accepted(2));
    assert_eq!(accepted_change(&bench.step(remove(THREE))), Some(id(2, 3)));
}

#[test]
fn one_change_follows_another_only_when_that_is_committed() {
    let mut bench = ready();
    let commands = bench.step(add(FOUR));
    assert_eq!(accepted_change(&commands), Some(id(1, 2)));
    let learning = of(&[ONE, TWO, THREE], &[FOUR]);
    assert!(commands.contains(&Command::MembersChanged(learning.clone())));
    assert!(sent(&commands).iter().any(|(to, _)| *to == FOUR));
    assert_eq!(
        refused(&bench.step(remove(THREE))),
        Some(ChangeError::NotYet)
    );
    bench.hear(TWO, 1, accepted(2));
    bench.persisted(3);
    assert_eq!(bench.engine.membership(), &learning);
    assert!(accepted_change(&bench.step(remove(THREE))).is_some());
}

#[test]
fn a_learner_counts_in_no_majority_and_becomes_a_voter_when_it_has_caught_up() {
    let mut bench = ready();
    bench.step(add(FOUR));
    bench.hear(FOUR, 1, accepted(2));
    assert_eq!(
        bench.engine.commit_index(),
        MetadataOffset(1),
        "not by one voter"
    );
    bench.persisted(3);
    assert_eq!(
        bench.engine.commit_index(),
        MetadataOffset(1),
        "not by one voter"
    );
    let commands = bench.hear(TWO, 1, accepted(2));
    assert_eq!(bench.engine.commit_index(), MetadataOffset(2));
    let promoted = of(&[ONE, TWO, THREE, FOUR], &[]);
    assert!(commands.contains(&Command::MembersChanged(promoted)));
    // Of four, three make a majority.
    bench.persisted(4);
    bench.hear(FOUR, 1, accepted(3));
    assert_eq!(bench.engine.commit_index(), MetadataOffset(2));
    bench.hear(TWO, 1, accepted(3));
    assert_eq!(bench.engine.commit_index(), MetadataOffset(3));
}

#[test]
fn a_learner_that_does_not_know_of_itself_stays_one() {
    let mut bench = ready();
    bench.step(add(FOUR));
    bench.hear(TWO, 1, accepted(2));
    bench.persisted(3);
    bench.hear(FOUR, 1, accepted(1));
    assert_eq!(bench.engine.membership(), &of(&[ONE, TWO, THREE], &[FOUR]));
}

#[test]
fn a_voter_comes_back_from_another_directory_only_after_the_old_one_is_removed() {
    let mut bench = ready();
    let new = DirectoryId(uuid::Uuid::from_u128(99));
    let endpoint = None;
    let change = MemberChange::Add {
        id: THREE,
        directory: new,
        endpoint,
    };
    let ask = Event::ChangeMembers { change, ticket: 7 };
    let known = Some(directory(THREE));
    assert_eq!(
        refused(&bench.step(ask.clone())),
        Some(ChangeError::OtherDirectory { id: THREE, known })
    );
    bench.step(remove(THREE));
    bench.persisted(3);
    bench.hear(TWO, 1, accepted(2));
    assert_eq!(bench.engine.membership(), &of(&[ONE, TWO], &[]));
    assert!(accepted_change(&bench.step(ask.clone())).is_some());
    bench.hear(TWO, 1, accepted(3));
    bench.persisted(4);
    assert_eq!(bench.engine.membership().learners.len(), 1);
    // What the lost directory says late does not count for the new one.
    bench.hear(THREE, 1, accepted(3));
    assert_eq!(bench.engine.membership().learners.len(), 1);
    let message = Message {
        directory: new,
        ..says(THREE, 1, accepted(3))
    };
    bench.step(Event::Received {
        from: THREE,
        message,
    });
    assert_eq!(bench.engine.membership().voters.len(), 3);
    assert_eq!(bench.engine.directory_of(THREE), Some(new));
    assert_eq!(
        refused(&bench.step(ask)),
        Some(ChangeError::NotYet),
        "its promotion is not committed"
    );
}

#[test]
fn a_change_whose_majority_does_not_answer_is_refused() {
    let mut bench = ready();
    for _ in 0..11 {
        bench.pass(75);
        bench.hear(TWO, 1, Body::HeartbeatReply);
    }
    let (live, needed) = (1, 2);
    assert_eq!(
        refused(&bench.step(remove(TWO))),
        Some(ChangeError::WouldLoseQuorum { live, needed })
    );
    assert!(accepted_change(&bench.step(remove(THREE))).is_some());
}

#[test]
fn what_cannot_be_is_refused_with_its_reason() {
    let mut bench = ready();
    assert_eq!(
        refused(&bench.step(add(TWO))),
        Some(ChangeError::AlreadyMember { id: TWO })
    );
    assert_eq!(
        refused(&bench.step(remove(FOUR))),
        Some(ChangeError::NotAMember { id: FOUR })
    );
    let change = MemberChange::Remove {
        id: TWO,
        directory: directory(FOUR),
    };
    let known = Some(directory(TWO));
    assert_eq!(
        refused(&bench.step(Event::ChangeMembers { change, ticket: 7 })),
        Some(ChangeError::OtherDirectory { id: TWO, known })
    );
    let mut bench = Bench::new(vec![]);
    let leader = None;
    assert_eq!(
        refused(&bench.step(add(FOUR))),
        Some(ChangeError::NotLeader { leader })
    );
    let mut alone = config();
    alone.voters.retain(|id, _| *id == ONE);
    let mut bench = Bench::with(alone, vec![]);
    bench.step(Event::Tick);
    bench.persisted(1);
    bench.persisted(2);
    assert_eq!(
        refused(&bench.step(remove(ONE))),
        Some(ChangeError::LastVoter { id: ONE })
    );
}

#[test]
fn a_leader_that_is_removed_commits_that_without_counting_itself_then_hands_over() {
    let mut bench = ready();
    assert!(accepted_change(&bench.step(remove(ONE))).is_some());
    bench.persisted(3);
    bench.hear(TWO, 1, accepted(2));
    assert_eq!(bench.engine.commit_index(), MetadataOffset(1));
    assert_eq!(bench.engine.role(), Role::Leader);
    let commands = bench.hear(THREE, 1, accepted(2));
    assert_eq!(bench.engine.commit_index(), MetadataOffset(2));
    assert!(sent(&commands).contains(&(THREE, Body::TimeoutNow)));
    assert_eq!(bench.engine.role(), Role::Follower);
    assert_eq!(
        bench.engine.next_wake(),
        Time::NEVER,
        "it does not stand again"
    );
}

#[test]
fn a_change_that_a_later_leader_replaced_is_undone() {
    let mut bench = ready();
    bench.step(remove(THREE));
    assert_eq!(bench.engine.membership(), &of(&[ONE, TWO], &[]));
    let commands = bench.hear(TWO, 2, append(id(1, 1), vec![noop(2, 2)], 1));
    assert!(commands.contains(&Command::MembersChanged(members())));
    assert_eq!(bench.engine.membership(), &members());
}

#[test]
fn members_stand_in_log_and_snapshot_and_outlive_a_restart() {
    let changed = of(&[ONE, TWO], &[FOUR]);
    let change = Entry {
        payload: Payload::Membership(changed.clone()),
        ..entry(1, 2)
    };
    let log = vec![entry(1, 1), change];
    let bench = Bench::new(log.clone());
    assert_eq!(bench.engine.membership(), &changed);
    let mut bench = Bench::new(log);
    bench.hear(TWO, 1, append(id(1, 2), vec![entry(1, 3)], 3));
    for (index, expected) in [(1, members()), (3, changed)] {
        let last = id(1, index);
        let bytes = Bytes::new();
        let commands = bench.step(Event::SnapshotReady { last, bytes });
        bench.persisted(index);
        let written = commands.iter().find_map(|command| match command {
            Command::Persist(persist) => persist.snapshot.clone(),
            _ => None,
        });
        assert_eq!(written.map(|s| s.membership), Some(expected));
    }
}

#[test]
fn a_leader_records_the_directories_that_were_learned_since_the_quorum_was_formed() {
    let mut unknown = config();
    for directory in unknown.voters.values_mut() {
        *directory = None;
    }
    let mut bench = Bench::leading(unknown, vec![]);
    bench.persisted(3);
    let commands = bench.hear(TWO, 1, accepted(1));
    let mut recorded = of(&[ONE, TWO, THREE], &[]);
    recorded.voters.insert(THREE, Member::default());
    assert!(commands.contains(&Command::MembersChanged(recorded)));
}

#[test]
fn a_controller_that_was_not_yet_added_follows_and_does_not_vote() {
    let mut joining = config();
    joining.id = FOUR;
    joining.directory = directory(FOUR);
    let now = Time::from_millis(1);
    let engine = Engine::new(joining, Recovered::fresh(false), now, 1).unwrap();
    let mut bench = Bench { engine, now };
    assert_eq!(bench.engine.next_wake(), Time::NEVER);
    let vote = Body::Vote {
        last: id(9, 9),
        transfer: true,
    };
    let commands = bench.hear(TWO, 9, vote.clone());
    assert!(!sent(&commands).contains(&(TWO, granted())));
    let change = Entry {
        payload: Payload::Membership(of(&[ONE, TWO, THREE], &[FOUR])),
        ..entry(9, 1)
    };
    bench.hear(TWO, 9, append(id(0, 0), vec![change], 0));
    assert!(bench.engine.may_grant());
    assert!(!bench.engine.is_voter());
}

#[test]
fn a_controller_whose_removal_is_not_committed_stands_and_does_not_count_itself() {
    // Nobody else can be elected: its log is the longest.
    let mut two = config();
    two.voters.remove(&THREE);
    let mut bench = Bench::leading(two, vec![]);
    bench.hear(TWO, 1, accepted(1));
    assert!(accepted_change(&bench.step(remove(ONE))).is_some());
    bench.persisted(3);
    bench.pass(900);
    assert_eq!(bench.engine.role(), Role::Follower);
    let commands = bench.pass_to_wake();
    assert_eq!(bench.engine.role(), Role::PreCandidate);
    assert_eq!(sent(&commands).len(), 1);
    let for_term = Term(2);
    let granted_before = Body::PreVoteReply {
        for_term,
        granted: true,
    };
    bench.hear(TWO, 1, granted_before);
    bench.persisted(4);
    assert_eq!(bench.engine.role(), Role::Candidate);
    bench.hear(TWO, 2, granted());
    assert_eq!(bench.engine.role(), Role::Leader);
    bench.hear(TWO, 2, accepted(3));
    assert_eq!(bench.engine.commit_index(), MetadataOffset(3));
    assert_eq!(bench.engine.role(), Role::Follower, "it left");
    assert_eq!(bench.engine.next_wake(), Time::NEVER);
}
