//! Every state that a crash may leave, one by one: each piece of work is stopped before each of its
//! changes, as a killed process and as lost power in every mixture of what stays, and the log is
//! opened again, which is stopped before each of its own changes too.

use super::*;
use crate::checkpoint::{OffsetCheckpoint, OffsetCheckpointFile};
use crate::fs::FileSystem;
use crate::fs::memory::{FaultPlan, Kept};

/// More changes than any piece of work here makes.
const CHANGES_MAX: u64 = 200;

/// Draws of losses of power for each place, beside the mixtures.
const DRAWS: u64 = 16;

/// The leader epoch of what the work appends.
const LATER: LeaderEpoch = LeaderEpoch(50);

#[derive(Clone, Copy, Debug)]
enum Crash {
    Kill,
    Power(Kept, Kept),
    Drawn(u64),
}

/// What was so before the work, and what may be so after it.
struct Promise {
    /// All batches before the work, synced.
    before: Vec<u8>,
    /// The recovery point in the checkpoint.
    checkpoint: Offset,
    /// Of `before`, nothing that lies before this may be lost...
    kept_to: Offset,
    /// ...and after this nothing of it need be there.
    log_start: Offset,
}

fn crashes() -> Vec<Crash> {
    let kept = [Kept::Nothing, Kept::OlderHalf, Kept::All];
    let mut all = vec![Crash::Kill];
    for bytes in kept {
        all.extend(kept.map(|names| Crash::Power(bytes, names)));
    }
    all.extend((0..DRAWS).map(Crash::Drawn));
    all
}

fn strike(fs: &MemoryFileSystem, crash: Crash) {
    match crash {
        Crash::Kill => fs.crash_process(),
        Crash::Power(bytes, names) => fs.lose_power_keeping(bytes, names),
        Crash::Drawn(seed) => fs.lose_power(&mut fastrand::Rng::with_seed(seed)),
    }
}

fn stop_after(fs: &MemoryFileSystem, changes: u64) {
    fs.set_faults(FaultPlan {
        stop_after_mutations: Some(changes),
        ..FaultPlan::default()
    });
}

/// A synced log of some segments and epochs, with its recovery point checkpointed.
fn prepared() -> (MemoryFileSystem, Log<MemoryFileSystem>, Offset) {
    let fs = MemoryFileSystem::new(3);
    let mut log = open(&fs, small(), OpenHow::Clean).0;
    fs.sync_dir(Path::new("/")).unwrap();
    for number in 0..24 {
        append(&mut log, 1 + number % 3, number as i32 / 9);
    }
    log.sync().unwrap();
    let point = log.checkpoint_recovery_point();
    (fs, log, point)
}

fn check(fs: &MemoryFileSystem, promise: &Promise, what: &str) {
    let from = promise.checkpoint;
    let (mut log, report) = open(fs, small(), OpenHow::Recover { from });
    assert!(!report.is_damaged, "{what}: {:?}", report.cause);
    let left = headers_with_bytes(&read_all(&log, 10_000));
    let kept = headers_with_bytes(&promise.before);
    for batch in &kept {
        let header = headers(batch)[0];
        let is_due = header.next_offset() <= promise.kept_to
            && header.base_offset >= promise.log_start
            && header.base_offset >= log.log_start();
        assert!(
            !is_due || left.contains(batch),
            "{what}: lost {}",
            header.base_offset
        );
    }
    assert!(
        log.log_start() <= promise.log_start.max(Offset(0)),
        "{what}"
    );
    // It is one log, and goes on.
    for pair in left.windows(2) {
        let (first, second) = (headers(&pair[0])[0], headers(&pair[1])[0]);
        assert_eq!(first.next_offset(), second.base_offset, "{what}");
        assert!(first.leader_epoch <= second.leader_epoch, "{what}");
    }
    // What was cut off never comes back under what followed it.
    let all: Vec<_> = left.iter().map(|batch| headers(batch)[0]).collect();
    let has_new = all.iter().any(|header| header.leader_epoch == LATER);
    let mut behind = all.iter().filter(|h| h.base_offset >= promise.kept_to);
    assert!(
        !has_new || behind.all(|h| h.leader_epoch == LATER),
        "{what}"
    );
    let end = log.log_end();
    assert_eq!(append(&mut log, 2, 1_000).first_offset, end, "{what}");
    log.close().unwrap();
    assert_eq!(
        open(fs, small(), OpenHow::Clean).0.log_end(),
        end.plus(2),
        "{what}"
    );
}

#[test]
fn a_crash_at_any_change_of_mending_leaves_the_batch_damaged_or_whole_and_all_else_as_it_was() {
    let (_, peer, _) = prepared();
    let whole = read_all(&peer, 10_000);
    for changes in 0..CHANGES_MAX {
        let mut is_over = false;
        for crash in crashes() {
            let (fs, mut log, point) = prepared();
            let name = format!("{DIRECTORY}/{:020}.log", 0);
            let byte = whole[70];
            assert!(fs.spoil(Path::new(&name), 70, &[byte], &[byte ^ 1]));
            let error = log.check(Offset(0), 300).unwrap_err();
            let damage = log.damage(&error).unwrap();
            let read = peer.read(Offset(0), 300, peer.log_end(), true).unwrap();
            stop_after(&fs, changes);
            is_over = log.mend(damage, &read.bytes).is_ok() && log.sync().is_ok();
            strike(&fs, crash);
            let what = format!("{crash:?} before change {changes} of mending");
            let (mut log, report) = open(&fs, small(), OpenHow::Recover { from: point });
            assert_eq!(
                (report.cut_bytes, log.log_end()),
                (0, peer.log_end()),
                "{what}"
            );
            if let Err(error) = log.check(Offset(0), 300) {
                assert!(!is_over, "{what}");
                let damage = log.damage(&error).unwrap();
                assert_eq!(
                    log.mend(damage, &read.bytes).unwrap(),
                    Mended::Whole,
                    "{what}"
                );
            }
            assert_eq!(read_all(&log, 10_000), whole, "{what}");
        }
        if is_over {
            return;
        }
    }
    panic!("mending makes more than {CHANGES_MAX} changes");
}

fn headers_with_bytes(bytes: &[u8]) -> Vec<Vec<u8>> {
    let batches = split(Bytes::copy_from_slice(bytes));
    batches.map(|item| item.unwrap().1.to_vec()).collect()
}

/// Runs `work` once for each change that it makes and each crash, stopped before that change.
fn enumerate(
    name: &str,
    kept_to: impl Fn(Offset) -> Offset,
    log_start: i64,
    work: impl Fn(&mut Log<MemoryFileSystem>) -> Result<(), LogError>,
) {
    let mut states = 0;
    for crash in crashes() {
        for stop in 0..CHANGES_MAX {
            let (fs, mut log, checkpoint) = prepared();
            let promise = Promise {
                before: read_all(&log, 10_000),
                checkpoint,
                kept_to: kept_to(log.log_end()),
                log_start: Offset(log_start),
            };
            stop_after(&fs, stop);
            let is_done = work(&mut log).is_ok();
            drop(log);
            strike(&fs, crash);
            // A second crash, while the first is being recovered from.
            stop_after(&fs, stop % 5);
            let how = OpenHow::Recover { from: checkpoint };
            drop(Log::open(&context(&fs), Path::new(DIRECTORY), small(), how));
            strike(&fs, crash);
            check(
                &fs,
                &promise,
                &format!("{name}, {crash:?}, before change {stop}"),
            );
            states += 1;
            if is_done {
                break;
            }
            assert!(stop + 1 < CHANGES_MAX, "{name} never ends");
        }
    }
    assert!(states > 2 * crashes().len(), "{name}: only {states} states");
}

#[test]
fn a_crash_at_any_change_of_a_roll_keeps_what_was_synced() {
    enumerate(
        "roll",
        |end| end,
        0,
        |log| {
            log.roll()?;
            let mut batch = produced(2, 20, 5);
            log.append_as_leader(&mut batch, LATER, NOW)?;
            log.begin_sync(SyncScope::Sealed)
                .and_then(|job| log.finish_sync(job.run()))
        },
    );
}

#[test]
fn a_crash_at_any_change_of_an_append_over_segments_keeps_what_was_synced() {
    enumerate(
        "append",
        |end| end,
        0,
        |log| {
            for number in 0..6 {
                let mut batch = produced(3, 90, number);
                log.append_as_leader(&mut batch, LATER, NOW)?;
            }
            log.sync()
        },
    );
}

#[test]
fn a_crash_at_any_change_of_a_cut_keeps_what_lies_before_it() {
    for to in [3, 17, 30] {
        enumerate(
            &format!("cut to {to}"),
            |_| Offset(to),
            0,
            |log| {
                let bases = log.segments.keys().copied();
                let old_end = bases.chain([log.log_end()]).find(|base| base.0 > to);
                let end = log.truncate_to(Offset(to))?;
                // What follows ends where the cut segment did, so that a cut which came undone
                // would fit before the next segment.
                let count = old_end.map_or(1, |old_end| old_end.since(end));
                let mut batch = produced(usize::try_from(count).unwrap(), 20, 5);
                log.append_as_leader(&mut batch, LATER, NOW)?;
                log.roll()?;
                let mut batch = produced(2, 20, 5);
                log.append_as_leader(&mut batch, LATER, NOW).map(|_| ())
            },
        );
    }
}

#[test]
fn a_crash_at_any_change_of_starting_anew_leaves_the_old_log_or_the_new() {
    enumerate(
        "start at 500",
        |_| Offset(0),
        500,
        |log| {
            log.truncate_fully_and_start_at(Offset(500))?;
            let mut batch = produced(2, 20, 5);
            log.append_as_leader(&mut batch, LATER, NOW)?;
            log.sync()
        },
    );
}

#[test]
fn a_crash_at_any_change_of_deleting_old_segments_keeps_the_rest() {
    enumerate(
        "delete",
        |end| end,
        20,
        |log| {
            let end = log.log_end();
            log.advance_log_start(Offset(20))?;
            log.delete_old_segments(NOW, end)?;
            log.sync()
        },
    );
}

#[test]
fn a_crash_at_any_change_of_a_close_keeps_everything_synced() {
    let work = |log: &mut Log<MemoryFileSystem>| {
        let (_, other) = fresh(small());
        std::mem::replace(log, other).close().map(|_| ())
    };
    enumerate("close", |end| end, 0, work);
}

#[test]
fn a_crash_at_any_change_of_a_checkpoint_leaves_the_old_or_the_new() {
    let entry = |offset| {
        OffsetCheckpoint::from([(
            ("t".parse().unwrap(), kintsugi_types::PartitionIndex(0)),
            Offset(offset),
        )])
    };
    let root = Path::new("/data");
    let mut seen = [false, false];
    for file in [
        OffsetCheckpointFile::RecoveryPoint,
        OffsetCheckpointFile::LogStart,
    ] {
        for crash in crashes() {
            for stop in 0..CHANGES_MAX {
                let (fs, _, _) = prepared();
                file.write(&fs, root, &entry(7)).unwrap();
                stop_after(&fs, stop);
                let is_done = file.write(&fs, root, &entry(9)).is_ok();
                strike(&fs, crash);
                let found = file.read(&fs, root).unwrap();
                let is_new = found == entry(9);
                assert!(
                    is_new || (found == entry(7) && !is_done),
                    "{crash:?}, {stop}: {found:?}"
                );
                seen[usize::from(is_new)] = true;
                if is_done {
                    break;
                }
            }
        }
    }
    assert_eq!(seen, [true, true]);
}
