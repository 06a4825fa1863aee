//! A voter is an id with its directory.

use super::*;
use crate::error::EngineError;

fn other_directory() -> DirectoryId {
    DirectoryId(uuid::Uuid::from_u128(99))
}

/// The same voter, from a directory that replaced its first one.
fn from_other_directory(term: u64, body: Body) -> Message {
    Message {
        directory: other_directory(),
        ..says(TWO, term, body)
    }
}

#[test]
fn a_voter_without_a_vote_neither_stands_nor_votes_but_follows() {
    let now = Time::from_millis(1);
    let mut config = config();
    config.directory = other_directory();
    let engine = Engine::new(config, Recovered::fresh(false), now, 1).unwrap();
    let mut bench = Bench { engine, now };
    assert_eq!(bench.engine.next_wake(), Time::NEVER);
    assert_eq!(bench.pass(60_000), vec![]);
    let last = id(9, 9);
    let transfer = true;
    let commands = bench.hear(TWO, 9, Body::Vote { last, transfer });
    assert!(!sent(&commands).contains(&(TWO, granted())));
    assert_eq!(bench.engine.voted_for(), None);
    bench.hear(TWO, 9, Body::TimeoutNow);
    assert_eq!(bench.engine.role(), Role::Follower);
    bench.hear(TWO, 9, append(id(0, 0), vec![entry(9, 1)], 1));
    assert_eq!(bench.engine.commit_index(), MetadataOffset(1));
    let commands = bench.persisted(1);
    assert!(commands.iter().all(|command| match command {
        Command::Send { message, .. } => !message.voting,
        _ => true,
    }));
}

#[test]
fn votes_and_acknowledgements_from_another_directory_do_not_count() {
    let mut bench = Bench::leading(config(), vec![]);
    bench.hear(TWO, 1, accepted(0));
    let message = from_other_directory(1, accepted(1));
    bench.step(Event::Received { from: TWO, message });
    assert_eq!(bench.engine.commit_index(), MetadataOffset(0));
    // It is sent the log all the same.
    assert_eq!(sent(&bench.propose(1)).first().map(|s| s.0), Some(TWO));
    bench.persisted(3);
    let message = from_other_directory(1, accepted(2));
    bench.step(Event::Received { from: TWO, message });
    assert_eq!(bench.engine.commit_index(), MetadataOffset(0));
    bench.hear(THREE, 1, accepted(2));
    assert_eq!(bench.engine.commit_index(), MetadataOffset(2));

    let mut bench = Bench::new(vec![]);
    bench.pass_to_wake();
    let reply = Body::PreVoteReply {
        for_term: Term(1),
        granted: true,
    };
    let message = from_other_directory(0, reply);
    assert_eq!(bench.step(Event::Received { from: TWO, message }), vec![]);
}

#[test]
fn a_candidate_from_a_directory_that_is_not_known_here_is_judged_by_its_log() {
    // It may have been added by an entry that this log lacks; if not, its own log says so.
    let mut bench = Bench::new(vec![entry(8, 1)]);
    let last = id(7, 9);
    let transfer = false;
    let message = from_other_directory(9, Body::Vote { last, transfer });
    let commands = bench.step(Event::Received { from: TWO, message });
    assert_eq!(
        sent(&commands),
        vec![(TWO, Body::VoteReply { granted: false })]
    );
    let message = from_other_directory(
        9,
        Body::Vote {
            last: id(8, 1),
            transfer,
        },
    );
    bench.step(Event::Received { from: TWO, message });
    let token = PersistToken(2);
    bench.persisted(1);
    assert_eq!(
        bench.step(Event::Persisted { token }),
        vec![send(TWO, 9, granted())]
    );
}

#[test]
fn a_directory_is_learned_once_and_kept_over_a_restart() {
    let mut config = config();
    config.voters.insert(TWO, None);
    let mut bench = Bench::with(config.clone(), vec![]);
    assert_eq!(bench.engine.directory_of(TWO), None);
    let commands = bench.hear(TWO, 0, Body::HeartbeatReply);
    let mut learned = hard_state(0, None);
    learned.directories.insert(TWO, directory(TWO));
    let persist = Persist {
        token: PersistToken(1),
        hard_state: Some(learned.clone()),
        ..Persist::default()
    };
    assert_eq!(commands, vec![Command::Persist(persist)]);

    let recovered = Recovered {
        hard_state: learned,
        ..Recovered::fresh(true)
    };
    let engine = Engine::new(config, recovered, bench.now, 1).unwrap();
    let mut bench = Bench { engine, ..bench };
    let last = id(0, 0);
    let transfer = false;
    let message = from_other_directory(1, Body::Vote { last, transfer });
    assert_eq!(bench.step(Event::Received { from: TWO, message }), vec![]);
    assert_eq!(bench.engine.directory_of(TWO), Some(directory(TWO)));
}

#[test]
fn answers_of_strangers_and_of_impostors_are_not_heard() {
    let mut bench = Bench::new(vec![]);
    let stranger = ControllerId(9);
    assert_eq!(bench.hear(stranger, 9, Body::StaleTerm), vec![]);
    assert_eq!(bench.hear(ONE, 9, Body::StaleTerm), vec![]);
    assert_eq!(bench.hear(ONE, 9, append(id(0, 0), vec![], 0)), vec![]);
}

#[test]
fn a_leader_that_was_added_by_an_entry_not_yet_here_is_followed() {
    let mut bench = Bench::new(vec![]);
    let stranger = ControllerId(9);
    let commands = bench.hear(stranger, 9, append(id(0, 0), vec![], 0));
    assert_eq!(commands[0], role(Role::Follower, 9, Some(stranger)));
}

#[test]
fn a_configuration_or_log_that_cannot_be_is_refused() {
    let now = Time::ZERO;
    let behind = Recovered {
        entries: vec![entry(3, 1)],
        ..Recovered::fresh(true)
    };
    let error = Engine::new(config(), behind, now, 1).unwrap_err();
    assert_eq!(
        error,
        EngineError::TermBehindLog {
            hard_state: Term(0),
            log: Term(3)
        }
    );
    for entries in [
        vec![entry(1, 2)],
        vec![entry(1, 1), entry(1, 3)],
        vec![entry(2, 1), entry(1, 2)],
    ] {
        let broken = Recovered {
            hard_state: hard_state(9, None),
            entries,
            ..Recovered::fresh(true)
        };
        let error = Engine::new(config(), broken, now, 1).unwrap_err();
        assert!(matches!(error, EngineError::BrokenLog { .. }));
    }
}
