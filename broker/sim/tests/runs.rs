//! Runs as they should be.

use kintsugi_sim::{Options, run};

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 1..=5 {
        let mut options = Options::of_seed(seed);
        let first = run(&options);
        // Words change what is kept, not what happens.
        options.in_words = true;
        let second = run(&options);
        assert_eq!(first.violation, None, "seed {seed}");
        assert_eq!(first.trace, second.trace, "seed {seed}");
        assert_eq!(first.steps, second.steps, "seed {seed}");
        assert_eq!(first.counts, second.counts, "seed {seed}");
    }
}

#[test]
fn another_seed_gives_another_trace() {
    let first = run(&Options::of_seed(1));
    let second = run(&Options::of_seed(2));
    assert_ne!(first.trace, second.trace);
}

#[test]
fn without_faults_every_produce_succeeds() {
    for seed in 1..=5 {
        let mut options = Options::of_seed(seed);
        options.faults = false;
        options.seconds = 5;
        let outcome = run(&options);
        assert_eq!(outcome.violation, None, "seed {seed}");
        assert!(outcome.counts.acknowledged > 50, "seed {seed}: {outcome:?}");
        assert_eq!(outcome.counts.produce_errors, 0, "seed {seed}");
    }
}

#[test]
fn a_few_seeds_with_faults_pass() {
    for seed in 1..=20 {
        let outcome = run(&Options::of_seed(seed));
        let violation = outcome.violation;
        assert_eq!(
            violation, None,
            "again by: cargo run --profile image -p kintsugi-sim -- --seed {seed}"
        );
    }
}
