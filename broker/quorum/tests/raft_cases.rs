//! Cases that other implementations of Raft learned the hard way; README.md names their sources.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod group;

use bytes::Bytes;
use group::{Group, directory, log};
use kintsugi_quorum::{
    Body, Command, EntryId, Event, Limits, MemberChange, Message, Payload, Role,
};
use kintsugi_types::{ControllerId, MetadataOffset, Term};

const ONE: ControllerId = ControllerId(1);
const TWO: ControllerId = ControllerId(2);
const THREE: ControllerId = ControllerId(3);

/// A follower may have two appends under way, of one entry each; a snapshot forgets everything.
fn narrow() -> Limits {
    Limits {
        append_entries_max: 1,
        appends_in_flight_max: 2,
        entries_kept_behind_snapshot: 0,
        snapshot_after_entries: 1,
        ..Limits::default()
    }
}

#[test]
fn a_new_leader_brings_every_log_of_the_papers_figure_7_to_its_own() {
    let logs: [&[u64]; 7] = [
        &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6],
        &[1, 1, 1, 4, 4, 5, 5, 6, 6],
        &[1, 1, 1, 4],
        &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
        &[1, 1, 1, 4, 4, 5, 5, 6, 7, 7, 7, 7],
        &[1, 1, 1, 4, 4, 4, 4],
        &[1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
    ];
    let mut group = Group::new(&logs, Limits::default());
    group.elect(ONE);
    assert_eq!(group.leaders(), [1]);
    group.pass(80);
    assert_eq!(group.commits(), [11; 7]);
    for (id, engine) in &group.engines {
        assert_eq!(
            engine.last(),
            EntryId {
                term: Term(8),
                index: MetadataOffset(11)
            }
        );
        assert_eq!(group.applied[id][..10], log(logs[0]), "{id}");
    }
    // One refusal takes the leader back over a whole term: no follower refuses more than twice.
    for id in group.engines.keys() {
        let refusals = group
            .sent
            .iter()
            .filter(|(from, _, body)| from == id && matches!(body, Body::AppendRejected { .. }));
        assert!(refusals.count() <= 2, "{id}");
    }
}

#[test]
fn a_follower_that_missed_that_entries_were_committed_learns_it_from_the_next_heartbeat() {
    let mut group = Group::led(Limits::default());
    group.held.insert(THREE);
    group.propose(1, "a");
    group.settle();
    assert_eq!(group.commits(), [2, 2, 2]);
    // Its acknowledgement is lost, and so is the news of the commit.
    group.propose(1, "b");
    let before = group.queue.len();
    assert!(before > 0);
    while let Some((from, to, message)) = group.queue.pop_front() {
        let is_news = matches!(message.body, Body::Heartbeat { .. });
        if !(is_news && to == THREE) {
            group.give(to, Event::Received { from, message });
        }
    }
    assert_eq!(group.commits(), [3, 3, 2]);
    group.pass(80);
    assert_eq!(group.commits(), [3, 3, 3]);
}

#[test]
fn appends_to_a_follower_that_does_not_answer_stop_at_the_window_and_go_on_once_it_does() {
    let mut group = Group::led(narrow());
    group.cut.insert(THREE);
    group.sent.clear();
    for number in 0..5 {
        group.propose(1, &format!("{number}"));
        group.settle();
    }
    let appends = |group: &Group| {
        let sent = group.sent.iter().filter(|(_, to, body)| match body {
            Body::Append { entries, .. } => *to == THREE && !entries.is_empty(),
            _ => false,
        });
        sent.count()
    };
    assert_eq!(appends(&group), 2);
    assert_eq!(group.commits()[..2], [6, 6]);
    assert!(group.commits()[2] < 2);
    group.cut.clear();
    group.pass(1_000);
    assert_eq!(group.commits(), [6, 6, 6]);
}

#[test]
fn a_slow_follower_whose_entries_were_compacted_away_meanwhile_is_sent_a_snapshot() {
    let mut group = Group::led(narrow());
    group.cut.insert(THREE);
    for number in 0..6 {
        group.propose(1, &format!("{number}"));
        group.settle();
    }
    group.compact(1);
    group.settle();
    group.propose(1, "after");
    group.settle();
    group.cut.clear();
    group.pass(1_500);
    assert_eq!(group.commits(), [8, 8, 8]);
    assert_eq!(group.engine(3).snapshot_end().index, MetadataOffset(7));
}

#[test]
fn a_snapshot_at_the_leaders_last_index_lets_its_follower_replicate_at_once() {
    let mut group = Group::led(narrow());
    group.cut.insert(THREE);
    group.propose(1, "a");
    group.settle();
    group.compact(1);
    group.settle();
    assert_eq!(group.engine(1).snapshot_end(), group.engine(1).last());
    group.cut.clear();
    group.pass(1_500);
    assert_eq!(group.commits(), [2, 2, 2]);
    // Without another probe: the entry goes out with the proposal.
    group.sent.clear();
    group.propose(1, "b");
    let is_sent = |(_, to, body): &(ControllerId, ControllerId, Body)| {
        *to == THREE && matches!(body, Body::Append { entries, .. } if entries.len() == 1)
    };
    assert!(group.sent.iter().any(is_sent));
}

#[test]
fn an_append_that_overtook_the_snapshot_ends_it_early() {
    let mut group = Group::led(narrow());
    group.cut.insert(THREE);
    group.propose(1, "a");
    group.settle();
    group.compact(1);
    group.cut.clear();
    // The snapshot is under way when the follower says that it has more than that already.
    group.pass(80);
    group.propose(1, "b");
    group.settle();
    group.pass(1_500);
    assert_eq!(group.commits(), [3, 3, 3]);
    assert_eq!(group.engine(1).matched()[&THREE], MetadataOffset(3));
}

#[test]
fn a_caught_up_follower_that_is_probed_replicates_again_after_one_answer() {
    let mut group = Group::led(narrow());
    // Nothing is under way, yet the leader lost track of what it sent.
    group.propose(1, "a");
    group.lose_to(3);
    group.settle();
    group.pass(600);
    assert_eq!(group.engine(1).matched()[&THREE], MetadataOffset(2));
    group.sent.clear();
    group.propose(1, "b");
    let appends = group.sent.iter().filter(|(_, to, _)| *to == THREE);
    assert_eq!(appends.count(), 1);
    group.settle();
    assert_eq!(group.commits(), [3, 3, 3]);
}

#[test]
fn a_voter_that_knows_itself_only_as_a_learner_grants_a_vote_that_is_needed() {
    let mut group = Group::led(Limits::default());
    let change = MemberChange::Remove {
        id: THREE,
        directory: directory(THREE),
    };
    group.give(ONE, Event::ChangeMembers { change, ticket: 1 });
    group.settle();
    let change = MemberChange::Add {
        id: THREE,
        directory: directory(THREE),
        endpoint: None,
    };
    group.give(ONE, Event::ChangeMembers { change, ticket: 2 });
    // The learner hears that it is one, but nothing after: not its promotion.
    while let Some((from, to, message)) = group.queue.pop_front() {
        let promotes = |body: &Body| match body {
            Body::Append { entries, .. } => entries.iter().any(|entry| match &entry.payload {
                Payload::Membership(members) => members.voters.len() == 3,
                _ => false,
            }),
            _ => false,
        };
        if to != THREE || !promotes(&message.body) {
            group.give(to, Event::Received { from, message });
        }
    }
    assert_eq!(group.engine(2).membership().voters.len(), 3);
    assert!(!group.engine(3).is_voter());
    // Now the leader dies: of three voters, two are needed.
    group.cut.insert(ONE);
    group.pass(3_000);
    assert_eq!(group.engine(2).role(), Role::Leader);
    assert!(group.engine(2).is_ready_leader());
    assert!(group.engine(3).is_voter());
}

#[test]
fn an_entry_that_is_overwritten_while_it_is_written_is_not_acknowledged_by_the_first_write() {
    let mut group = Group::new(&[&[], &[], &[]], Limits::default());
    group.held.insert(ONE);
    let say = |group: &mut Group, from: ControllerId, term: u64, entry_term: u64| {
        let mut entries = log(&[entry_term]);
        entries[0].payload = Payload::Command(Bytes::from(format!("of term {entry_term}")));
        let body = Body::Append {
            prev: EntryId::default(),
            entries,
            commit: MetadataOffset(0),
        };
        let message = Message {
            term: Term(term),
            directory: directory(from),
            voting: true,
            body,
        };
        group.give(ONE, Event::Received { from, message });
    };
    let acknowledged = |group: &Group| {
        let sent = group.sent.iter();
        let accepted = sent.filter_map(|(_, to, body)| match body {
            Body::AppendAccepted { matched } if matched.0 > 0 => Some(*to),
            _ => None,
        });
        accepted.collect::<Vec<_>>()
    };
    say(&mut group, TWO, 1, 1);
    say(&mut group, THREE, 2, 2);
    let tokens: Vec<_> = group.unanswered.iter().map(|(_, token)| *token).collect();
    group.give(ONE, Event::Persisted { token: tokens[0] });
    assert_eq!(
        acknowledged(&group),
        [TWO],
        "what it had then was on disk then"
    );
    let last = *tokens.last().unwrap();
    assert!(last > tokens[0]);
    group.give(ONE, Event::Persisted { token: last });
    assert!(acknowledged(&group).contains(&THREE));
}

#[test]
fn a_candidate_does_not_disturb_a_leader_that_others_hear() {
    let mut group = Group::led(Limits::default());
    let term = group.engine(1).term();
    group.cut.insert(THREE);
    group.pass(5_000);
    assert_eq!(group.engine(3).term(), term, "a pre-vote moves no term");
    group.cut.clear();
    group.pass(2_000);
    assert_eq!(group.leaders(), [1]);
    assert_eq!(group.engine(1).term(), term);
    assert_eq!(group.engine(3).leader(), Some(ONE));
}

#[test]
fn a_leader_that_nobody_answers_steps_down_and_the_others_elect_one() {
    let mut group = Group::led(Limits::default());
    group.cut.insert(ONE);
    group.pass(3_000);
    assert_ne!(group.engine(1).role(), Role::Leader);
    let leaders = group.leaders();
    assert!(leaders == [2] || leaders == [3], "{leaders:?}");
    group.cut.clear();
    group.pass(2_000);
    assert_eq!(group.leaders(), leaders);
}

#[test]
fn followers_that_lost_their_leader_elect_another_without_waiting_for_a_time_out() {
    let mut group = Group::led(Limits::default());
    group.cut.insert(ONE);
    for id in [TWO, THREE] {
        group.give(id, Event::LeaderLost { leader: ONE });
    }
    group.settle();
    let leaders: Vec<_> = group.leaders().into_iter().filter(|id| *id != 1).collect();
    assert_eq!(leaders.len(), 1, "at once");
    // It is no news for a leader, nor for one that knows no leader.
    group.give(ControllerId(leaders[0]), Event::LeaderLost { leader: ONE });
    assert!(
        group
            .last_commands
            .iter()
            .all(|c| !matches!(c, Command::RoleChanged { .. }))
    );
}

#[test]
fn a_slow_disk_of_a_follower_delays_neither_commits_nor_an_election() {
    let mut group = Group::led(Limits::default());
    group.held.insert(THREE);
    for number in 0..20 {
        group.propose(1, &format!("{number}"));
        group.settle();
    }
    assert_eq!(group.commits()[0], 21);
    assert!(group.engine(1).matched()[&THREE] < MetadataOffset(21));
    // The leader dies. Whoever votes needs its disk, so the slow one's vote comes late: the other
    // survivor stands, and the slow disk decides when. With five there are others to ask.
    let mut group = Group::new(&[&[], &[], &[], &[], &[]], Limits::default());
    group.elect(ONE);
    group.held.insert(THREE);
    group.cut.insert(ONE);
    let peers: Vec<_> = group
        .engines
        .keys()
        .copied()
        .filter(|id| *id != ONE)
        .collect();
    for id in peers {
        group.give(id, Event::LeaderLost { leader: ONE });
    }
    group.settle();
    group.pass(100);
    let ready = group
        .engines
        .iter()
        .filter(|(id, e)| **id != ONE && e.is_ready_leader());
    assert_eq!(
        ready.count(),
        1,
        "the disk of one of four survivors is not needed"
    );
}

#[test]
fn a_slow_disk_of_the_leader_delays_no_commit_and_its_death_no_election() {
    let mut group = Group::led(Limits::default());
    group.held.insert(ONE);
    for number in 0..20 {
        group.propose(1, &format!("{number}"));
        group.settle();
    }
    assert_eq!(
        group.commits(),
        [21, 21, 21],
        "the two others commit without it"
    );
    group.pass(5_000);
    assert_eq!(group.leaders(), [1], "its heartbeats wait for no disk");
    group.cut.insert(ONE);
    for id in [TWO, THREE] {
        group.give(id, Event::LeaderLost { leader: ONE });
    }
    group.settle();
    let ready = group
        .engines
        .iter()
        .filter(|(id, e)| **id != ONE && e.is_ready_leader());
    assert_eq!(ready.count(), 1);
}
