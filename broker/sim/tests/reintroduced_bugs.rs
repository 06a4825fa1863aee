//! The oracles are proved: each deliberate fault is found by the ordinary random workload, within
//! a minute of CPU time.

use std::time::Duration;

use kintsugi_sim::{BUGS, Options, run};
use rustix::time::{ClockId, clock_gettime};

/// How much CPU time the search for one fault may take.
const FOUND_WITHIN: Duration = Duration::from_secs(60);

/// How many searches go on at a time.
const THREADS: usize = 2;

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

/// Runs seed after seed until one is violated; tells of it, or how many were not.
fn find(number: usize) -> Result<String, String> {
    let bug = BUGS[number];
    let started = cpu_time();
    let mut seed = 0;
    while cpu_time().saturating_sub(started) < FOUND_WITHIN {
        seed += 1;
        let options = Options {
            bug: Some(bug),
            ..Options::of_seed(seed)
        };
        if let Some(violation) = run(&options).violation {
            let seconds = cpu_time().saturating_sub(started).as_secs_f64();
            let what = violation.lines().next().unwrap_or_default();
            return Ok(format!(
                "{bug:?}: found by seed {seed} after {seconds:.1} CPU seconds: {what}"
            ));
        }
    }
    Err(format!(
        "{bug:?}: not found by {seed} seeds in {FOUND_WITHIN:?}"
    ))
}

#[test]
fn each_reintroduced_bug_is_found_by_the_ordinary_workload() {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let missed = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if number >= BUGS.len() {
                        break;
                    }
                    match find(number) {
                        Ok(found) => println!("{found}"),
                        Err(what) => {
                            println!("{what}");
                            missed.lock().unwrap().push(what);
                        }
                    }
                }
            });
        }
    });
    let missed = missed.into_inner().unwrap();
    assert!(missed.is_empty(), "{missed:#?}");
}
