//! The corpus and some seconds of random input through every target, on a stable compiler.
//!
//! `KINTSUGI_FUZZ_SECONDS` (all targets together; 2 without it), `KINTSUGI_FUZZ_SEED` (of the
//! clock without it) and `KINTSUGI_FUZZ_TARGET` (one alone) choose what runs; `KINTSUGI_FUZZ_INPUT`
//! names a file to run instead. With `KINTSUGI_FUZZ_WRITE` set the corpus is written anew.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use kintsugi_fuzz_targets::{TARGETS, Target, corpus, mutate};

/// How long one input may take. They are small: whatever takes this long hangs.
const INPUT_TIME_MAX: Duration = Duration::from_secs(20);

/// How much memory this process may have taken at its end: far above what inputs of some
/// kilobytes justify, and far below what a forged length asks for.
const MEMORY_KIB_MAX: u64 = 256 * 1024;

/// Says how to get here again when a target panics.
struct Witness<'a> {
    target: &'static str,
    seed: u64,
    number: u64,
    input: &'a [u8],
}

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let path = std::env::temp_dir().join(format!("fuzz-{}-{}", self.target, self.seed));
        // The bytes are printed too, should they not be written.
        let kept = std::fs::write(&path, self.input).is_ok();
        eprintln!(
            "target {} failed: KINTSUGI_FUZZ_SEED={} input {}: {:02x?}",
            self.target, self.seed, self.number, self.input
        );
        if kept {
            eprintln!(
                "again: KINTSUGI_FUZZ_TARGET={} KINTSUGI_FUZZ_INPUT={} cargo test -p kintsugi-fuzz-targets",
                self.target,
                path.display()
            );
        }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Ends the process when one input takes too long.
fn watch(progress: &'static AtomicU64, target: &'static str, seed: u64) {
    std::thread::spawn(move || {
        loop {
            let before = progress.load(Ordering::Relaxed);
            std::thread::sleep(INPUT_TIME_MAX);
            let now = progress.load(Ordering::Relaxed);
            if now == u64::MAX {
                return;
            }
            if now == before {
                eprintln!("target {target} hangs: KINTSUGI_FUZZ_SEED={seed} input {now}");
                std::process::exit(1);
            }
        }
    });
}

fn files(target: &str) -> Vec<Vec<u8>> {
    let folder = corpus::folder(target);
    let entries = std::fs::read_dir(&folder).expect("the corpus is checked in");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    let read = paths
        .iter()
        .map(|path| std::fs::read(path).expect("a file"));
    read.collect()
}

fn run(target: (&'static str, Target), seed: u64, time: Duration) {
    static PROGRESS: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];
    let (name, run) = target;
    let place = TARGETS.iter().position(|(known, _)| *known == name);
    let progress = &PROGRESS[place.unwrap_or(0)];
    watch(progress, name, seed);
    let mut inputs = files(name);
    inputs.extend(corpus::written(name).into_iter().map(|(_, bytes)| bytes));
    let mut rng = fastrand::Rng::with_seed(seed);
    let started = Instant::now();
    let mut number: u64 = 0;
    let mut changed;
    while (number as usize) < inputs.len() || started.elapsed() < time {
        let input = match inputs.get(number as usize) {
            Some(input) => input,
            None => {
                changed = mutate::input(&mut rng, &inputs);
                &changed
            }
        };
        let witness = Witness {
            target: name,
            seed,
            number,
            input,
        };
        run(input);
        drop(witness);
        number += 1;
        progress.store(number, Ordering::Relaxed);
    }
    progress.store(u64::MAX, Ordering::Relaxed);
    println!(
        "target {name}: {number} inputs in {:?}, KINTSUGI_FUZZ_SEED={seed}",
        started.elapsed()
    );
}

/// The most memory that this process ever had.
fn memory_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

#[test]
fn no_target_panics_hangs_or_takes_much_memory() {
    let only = std::env::var("KINTSUGI_FUZZ_TARGET").ok();
    let chosen: Vec<_> = TARGETS
        .into_iter()
        .filter(|(name, _)| only.as_deref().is_none_or(|only| only == *name))
        .collect();
    assert!(!chosen.is_empty(), "KINTSUGI_FUZZ_TARGET names none");
    if let Ok(path) = std::env::var("KINTSUGI_FUZZ_INPUT") {
        let input = std::fs::read(path).expect("the file of KINTSUGI_FUZZ_INPUT");
        chosen.iter().for_each(|(_, run)| run(&input));
        return;
    }
    if std::env::var("KINTSUGI_FUZZ_WRITE").is_ok() {
        chosen.iter().for_each(|(name, _)| write(name));
    }
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seed =
        number("KINTSUGI_FUZZ_SEED").unwrap_or(clock.map_or(0, |now| now.as_millis() as u64));
    let seconds = number("KINTSUGI_FUZZ_SECONDS").unwrap_or(2) as f64 / chosen.len() as f64;
    for target in chosen {
        run(target, seed, Duration::from_secs_f64(seconds));
    }
    let memory = memory_kib().unwrap_or(0);
    println!("most memory: {memory} KiB");
    assert!(memory <= MEMORY_KIB_MAX, "{memory} KiB of memory");
}

fn write(target: &str) {
    let folder = corpus::folder(target);
    std::fs::create_dir_all(&folder).expect("a folder");
    for (name, bytes) in corpus::written(target) {
        std::fs::write(folder.join(name), bytes).expect("a file");
    }
}
