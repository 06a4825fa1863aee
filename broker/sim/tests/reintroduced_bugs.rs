//! The oracles are proved: each deliberate fault is found by the ordinary random workload.

use std::time::{Duration, Instant};

use kintsugi_sim::{Bugs, Options, run};

/// How long the search may take.
const FOUND_WITHIN: Duration = Duration::from_secs(60);

/// Runs seed after seed until one is violated; tells by what.
fn find(name: &str, bugs: Bugs) -> String {
    let started = Instant::now();
    let mut seed = 0;
    while started.elapsed() < FOUND_WITHIN {
        seed += 1;
        let options = Options {
            bugs,
            ..Options::of_seed(seed)
        };
        if let Some(violation) = run(&options).violation {
            let seconds = started.elapsed().as_secs_f64();
            println!("{name}: found by seed {seed}, after {seconds:.1} s: {violation}");
            return violation;
        }
    }
    panic!("{name}: not found by {seed} seeds in {FOUND_WITHIN:?}");
}

#[test]
fn a_vote_that_is_not_persisted_is_found() {
    let bugs = Bugs {
        vote_without_persisting: true,
        ..Bugs::default()
    };
    let violation = find("vote without persisting", bugs);
    let is_told_by_its_cause =
        violation.contains("promise forgotten") || violation.contains("one vote a term");
    assert!(is_told_by_its_cause, "{violation}");
}

#[test]
fn truncation_to_the_high_watermark_is_found() {
    let bugs = Bugs {
        truncate_to_high_watermark: true,
        ..Bugs::default()
    };
    find("truncate to the high watermark", bugs);
}

#[test]
fn an_acknowledgement_before_the_isr_has_the_record_is_found() {
    let bugs = Bugs {
        acknowledge_before_isr: true,
        ..Bugs::default()
    };
    let violation = find("acknowledge before the ISR has it", bugs);
    assert!(
        violation.contains("acknowledged record lost"),
        "{violation}"
    );
}
