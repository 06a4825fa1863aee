//! Whole quorums in one thread from one seed: lost, doubled, delayed and reordered messages, cuts,
//! crashes that lose what was not synced, frozen processes, slow disks. After each step Raft's
//! invariants are checked; when the faults stop, everything must heal.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod cluster;

use cluster::{Plan, failover_ms, run};
use kintsugi_quorum::Bugs;

/// How many seeds each size of quorum is tried with.
const SEEDS: u64 = 100;
/// How many seeds each way of changing members is tried with.
const SEEDS_OF_CHANGES: u64 = 40;
/// Within how many seeds a change of members before its time must be found.
const SEEDS_TO_FIND_A_CHANGE: u64 = 1_500;
/// Within how many seeds a fault that was put back in must be found.
const SEEDS_TO_FIND: u64 = 300;

/// One seed from the environment, or all.
fn seeds(count: u64) -> Vec<u64> {
    #[expect(
        clippy::disallowed_methods,
        reason = "only a test reads the seed to reproduce"
    )]
    let given = std::env::var("KINTSUGI_SEED");
    match given {
        Ok(text) => vec![text.parse().expect("KINTSUGI_SEED is a number")],
        Err(_) => (0..count).collect(),
    }
}

fn check(voters: i32, test: &str) {
    check_with(voters, 0, test);
}

fn check_with(voters: i32, spares: i32, test: &str) {
    for seed in seeds(if spares > 0 { SEEDS_OF_CHANGES } else { SEEDS }) {
        let mut plan = Plan::new(seed, voters);
        plan.spares = spares;
        if let Err(violation) = run(&plan).outcome {
            panic!(
                "{violation}\nreproduce: KINTSUGI_SEED={seed} cargo test -p kintsugi-quorum --test random {test}"
            );
        }
    }
}

#[test]
fn three_voters_keep_every_invariant_and_heal() {
    check(3, "three_voters_keep_every_invariant_and_heal");
}

#[test]
fn five_voters_keep_every_invariant_and_heal() {
    check(5, "five_voters_keep_every_invariant_and_heal");
}

#[test]
fn one_voter_alone_keeps_every_invariant_and_heals() {
    check(1, "one_voter_alone_keeps_every_invariant_and_heals");
}

#[test]
fn members_change_from_one_to_three_to_five_and_back_under_faults() {
    let test = "members_change_from_one_to_three_to_five_and_back_under_faults";
    check_with(1, 5, test);
    check_with(3, 3, test);
    check_with(5, 2, test);
}

#[test]
fn a_killed_leader_is_followed_by_another_long_before_an_election_time_out() {
    // Of four survivors two may still split the votes now and then.
    for (voters, percent) in [(3, 99), (5, 95)] {
        let times = (0..200).map(|seed| failover_ms(seed, voters));
        let mut times: Vec<u64> = times.collect::<Result<_, _>>().unwrap();
        times.sort_unstable();
        let (median, most, worst) = (times[100], times[2 * percent - 1], times[199]);
        println!("{voters} voters: {median} ms median, {most} ms p{percent}, {worst} ms worst");
        assert!(most < 100, "{voters} voters: {times:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let first = run(&Plan::new(11, 3));
    let second = run(&Plan::new(11, 3));
    assert_eq!(first.trace, second.trace);
    assert_ne!(first.trace, run(&Plan::new(12, 3)).trace);
}

#[test]
fn the_workload_reaches_snapshots_truncations_and_many_leaders() {
    let total = (0..20).map(|seed| run(&Plan::new(seed, 3)).reached);
    let total = total.reduce(|a, b| a + b).unwrap();
    assert!(total.leaders > 60, "{total:?}");
    assert!(total.installs > 10, "{total:?}");
    assert!(total.truncations > 10, "{total:?}");
    assert!(total.commits > 2_000, "{total:?}");
    assert!(total.crashes > 60, "{total:?}");
    assert!(total.disks_lost > 4, "{total:?}");
}

#[test]
fn the_workload_changes_members_under_cuts_and_sends_them_snapshots() {
    let total = (0..20).map(|seed| {
        let mut plan = Plan::new(seed, 3);
        plan.spares = 3;
        run(&plan).reached
    });
    let total = total.reduce(|a, b| a + b).unwrap();
    println!("{total:?}");
    assert!(total.member_changes > 100, "{total:?}");
    assert!(total.changes_under_a_cut > 20, "{total:?}");
    assert!(total.learner_installs > 10, "{total:?}");
    assert!(total.disks_lost > 4, "{total:?}");
}

#[test]
fn a_leader_that_changes_members_before_its_own_term_is_committed_is_found() {
    let found = (0..SEEDS_TO_FIND_A_CHANGE).find_map(|seed| {
        let mut plan = Plan::new(seed, 4);
        plan.spares = 1;
        plan.is_operator_hasty = true;
        plan.bugs.change_members_before_own_term = true;
        let violation = run(&plan).outcome.err()?;
        // Such a leader may also leave a quorum without a majority that lives.
        (!violation.contains("liveness")).then_some((seed, violation))
    });
    let (seed, violation) = found.expect("the oracles miss two majorities of two changes");
    println!("found by seed {seed}: {violation}");
}

#[test]
fn a_voter_that_votes_with_an_empty_disk_is_found() {
    let found = seeds_until_found_with(
        3,
        Bugs {
            vote_with_an_empty_disk: true,
            ..Bugs::default()
        },
    );
    let (seed, violation) = found.expect("the oracles miss a vote from an empty disk");
    println!("found by seed {seed}: {violation}");
}

#[test]
fn a_leader_that_counts_copies_of_earlier_terms_is_found() {
    let found = seeds_until_found(Bugs {
        commit_earlier_terms_by_counting: true,
        ..Bugs::default()
    });
    let (seed, violation) = found.expect("the oracles miss Raft's figure 8");
    println!("found by seed {seed}: {violation}");
}

fn seeds_until_found(bugs: Bugs) -> Option<(u64, String)> {
    seeds_until_found_with(0, bugs)
}

fn seeds_until_found_with(spares: i32, bugs: Bugs) -> Option<(u64, String)> {
    (0..SEEDS_TO_FIND).find_map(|seed| {
        let mut plan = Plan::new(seed, 3);
        plan.spares = spares;
        plan.bugs = bugs;
        run(&plan).outcome.err().map(|violation| (seed, violation))
    })
}

#[test]
fn a_voter_that_votes_before_its_disk_holds_the_vote_is_found() {
    let found = seeds_until_found(Bugs {
        vote_without_persisting: true,
        ..Bugs::default()
    });
    let (seed, violation) = found.expect("the oracles miss votes that a crash forgets");
    println!("found by seed {seed}: {violation}");
}
