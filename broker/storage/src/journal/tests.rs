use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::fs::MemoryFileSystem;
use crate::fs::memory::FaultPlan;

const DIRECTORY: &str = "/journal";

const LIMITS: JournalLimits = JournalLimits {
    segment_bytes: 512,
    record_bytes_max: 2_000,
    segments_max: 64,
};

fn open(fs: &MemoryFileSystem) -> Result<(Journal<MemoryFileSystem>, Vec<Bytes>), JournalError> {
    Journal::open(fs.clone(), Path::new(DIRECTORY), LIMITS)
}

fn records(numbers: std::ops::Range<u32>) -> Vec<Vec<u8>> {
    numbers
        .map(|number| {
            number
                .to_string()
                .repeat(1 + number as usize % 40)
                .into_bytes()
        })
        .collect()
}

fn slices(records: &[Vec<u8>]) -> Vec<&[u8]> {
    records.iter().map(Vec::as_slice).collect()
}

#[test]
fn records_come_back_in_order_over_many_segments() {
    let fs = MemoryFileSystem::new(1);
    let (mut journal, found) = open(&fs).unwrap();
    assert!(found.is_empty());
    let written = records(0..100);
    for group in written.chunks(3) {
        journal.append(&slices(group)).unwrap();
    }
    journal.append(&[b"", &[7; 1_500]]).unwrap();
    journal.sync().unwrap();
    assert!(journal.segment_count() > 3);
    drop(journal);
    let (_, found) = open(&fs).unwrap();
    assert_eq!(found[..100], written);
    assert_eq!(found[100..], [&[] as &[u8], &[7; 1_500]]);
}

#[test]
fn the_real_file_system_keeps_records_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    let fs = crate::fs::RealFileSystem;
    let (mut journal, _) = Journal::open(fs, &path, LIMITS).unwrap();
    let written = records(0..50);
    journal.append(&slices(&written[..30])).unwrap();
    journal.sync().unwrap();
    journal.rewrite(&slices(&written[..5])).unwrap();
    journal.append(&slices(&written[5..])).unwrap();
    drop(journal);
    let (_, found) = Journal::open(fs, &path, LIMITS).unwrap();
    assert_eq!(found, written);
}

#[test]
fn a_rewrite_stopped_at_any_point_leaves_the_old_records_or_the_new() {
    let (old, new) = (records(0..60), records(60..75));
    let mut outcomes = [0, 0];
    for stop in 0..200 {
        for power in [None, Some(stop), Some(stop + 1_000), Some(stop + 2_000)] {
            let fs = MemoryFileSystem::new(stop);
            let (mut journal, _) = open(&fs).unwrap();
            for group in old.chunks(7) {
                journal.append(&slices(group)).unwrap();
            }
            journal.sync().unwrap();
            fs.set_faults(FaultPlan {
                stop_after_mutations: Some(stop),
                ..FaultPlan::default()
            });
            let finished = journal.rewrite(&slices(&new)).is_ok();
            drop(journal);
            match power {
                None => fs.crash_process(),
                Some(seed) => fs.lose_power(&mut fastrand::Rng::with_seed(seed)),
            }
            let (mut journal, found) = open(&fs).unwrap();
            assert!(found == old || found == new, "stop {stop} power {power:?}");
            assert!(found == new || !finished, "stop {stop} power {power:?}");
            outcomes[usize::from(found == new)] += 1;
            journal.append(&[b"after"]).unwrap();
            journal.sync().unwrap();
            let again = open(&fs).unwrap().1;
            assert_eq!(again.len(), found.len() + 1);
            if finished && power.is_none() {
                assert!(outcomes[0] > 10 && outcomes[1] > 0, "{outcomes:?}");
                return;
            }
        }
    }
    panic!("a rewrite never ended: {outcomes:?}");
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_off() {
    let written = records(10..16);
    let path = Path::new("/journal/00000000000000000001.journal");
    let whole = {
        let fs = MemoryFileSystem::new(1);
        let mut journal = open(&fs).unwrap().0;
        journal.append(&slices(&written[..5])).unwrap();
        journal.append(&slices(&written[5..])).unwrap();
        fs.read_to_vec(path, 1 << 20).unwrap()
    };
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let start = used - written[5].len() - 8;
    for cut in start..used {
        let fs = MemoryFileSystem::new(1);
        drop(open(&fs).unwrap());
        let mut torn = whole.clone();
        torn[cut..].fill(0);
        let file = fs.open(path, OpenMode::Write).unwrap();
        file.write_at(&torn, 0).unwrap();
        let (mut journal, found) = open(&fs).unwrap();
        assert_eq!(found, written[..5], "cut at {cut}");
        journal.append(&[b"next"]).unwrap();
        let found = open(&fs).unwrap().1;
        assert_eq!(found[5..], [b"next" as &[u8]], "cut at {cut}");
    }
}

#[test]
fn a_corrupt_record_before_a_mark_is_an_error_at_every_byte() {
    let written = records(10..14);
    let fs = MemoryFileSystem::new(1);
    let path = Path::new("/journal/00000000000000000001.journal");
    let mut journal = open(&fs).unwrap().0;
    for record in &written {
        journal.append(&[record]).unwrap();
        journal.sync().unwrap();
    }
    let end = usize::try_from(journal.position).unwrap();
    drop(journal);
    let whole = fs.read_to_vec(path, 1 << 20).unwrap();
    // The last mark and the record behind it: the tail.
    let tail = end - written[3].len() - 8 - 16;
    for at in 0..tail {
        let mut corrupt = whole.clone();
        corrupt[at] ^= 0x55;
        let file = fs.open(path, OpenMode::Write).unwrap();
        file.write_at(&corrupt, 0).unwrap();
        let error = open(&fs).err();
        let is_corrupt = matches!(error, Some(JournalError::Corrupt { .. }));
        assert!(is_corrupt, "byte {at}: {error:?}");
        file.write_at(&whole, 0).unwrap();
    }
    assert_eq!(open(&fs).unwrap().1, written);
}

#[test]
fn a_missing_segment_is_an_error() {
    for missing in [1, 2] {
        let fs = MemoryFileSystem::new(1);
        let mut journal = open(&fs).unwrap().0;
        journal.append(&slices(&records(0..60))[..30]).unwrap();
        journal.append(&slices(&records(0..60))[30..]).unwrap();
        journal.append(&[&[1; 500]]).unwrap();
        assert!(journal.segment_count() > 2);
        drop(journal);
        let name = format!("/journal/{missing:020}.journal");
        fs.remove_file(Path::new(&name)).unwrap();
        assert!(open(&fs).is_err(), "segment {missing}");
    }
}

#[test]
fn after_a_failed_write_or_sync_nothing_is_taken_any_more() {
    let plans = [
        FaultPlan {
            write_error_after: Some(0),
            ..FaultPlan::default()
        },
        FaultPlan {
            sync_error_after: Some(0),
            ..FaultPlan::default()
        },
        FaultPlan {
            capacity_bytes: Some(0),
            ..FaultPlan::default()
        },
    ];
    for plan in plans {
        let fs = MemoryFileSystem::new(1);
        let mut journal = open(&fs).unwrap().0;
        journal.append(&[b"kept"]).unwrap();
        journal.sync().unwrap();
        fs.set_faults(plan.clone());
        let failed = journal
            .append(&[&[1; 600]])
            .and_then(|()| journal.sync())
            .is_err();
        assert!(failed, "{plan:?}");
        fs.set_faults(FaultPlan::default());
        let refused = |result| matches!(result, Err(JournalError::Poisoned(_)));
        assert!(refused(journal.append(&[b"x"])));
        assert!(refused(journal.sync()));
        assert!(refused(journal.rewrite(&[])));
        drop(journal);
        assert_eq!(open(&fs).unwrap().1[0], b"kept" as &[u8]);
    }
}

#[test]
fn a_record_above_the_limit_is_refused_and_harms_nothing() {
    let fs = MemoryFileSystem::new(1);
    let mut journal = open(&fs).unwrap().0;
    let refused = journal.append(&[b"small", &[0; 2_001]]).unwrap_err();
    assert!(matches!(refused, JournalError::RecordTooLarge { .. }));
    journal.append(&[b"small"]).unwrap();
    assert_eq!(open(&fs).unwrap().1, [b"small" as &[u8]]);
}

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<u16>),
    Sync,
    Rewrite(usize),
    Crash,
    LosePower(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => proptest::collection::vec(0..300_u16, 1..4).prop_map(Step::Append),
        3 => Just(Step::Sync),
        1 => (0..5_usize).prop_map(Step::Rewrite),
        1 => Just(Step::Crash),
        2 => any::<u64>().prop_map(Step::LosePower),
    ]
}

proptest! {
    #[test]
    fn what_was_synced_survives_and_what_was_not_is_a_prefix(
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let fs = MemoryFileSystem::new(3);
        fs.create_dir_all(Path::new(DIRECTORY)).unwrap();
        fs.sync_dir(Path::new("/")).unwrap();
        let (mut journal, _) = open(&fs).unwrap();
        let (mut model, mut synced, mut number) = (Vec::<Vec<u8>>::new(), 0, 0_u8);
        for step in steps {
            match step {
                Step::Append(sizes) => {
                    let group: Vec<Vec<u8>> = sizes.iter().map(|size| {
                        number = number.wrapping_add(1);
                        vec![number; usize::from(*size)]
                    }).collect();
                    journal.append(&slices(&group)).unwrap();
                    model.extend(group);
                }
                Step::Sync => {
                    journal.sync().unwrap();
                    synced = model.len();
                }
                Step::Rewrite(kept) => {
                    model.truncate(kept);
                    journal.rewrite(&slices(&model)).unwrap();
                    synced = model.len();
                }
                Step::Crash | Step::LosePower(_) => {
                    if let Step::LosePower(seed) = step {
                        fs.lose_power(&mut fastrand::Rng::with_seed(seed));
                    } else {
                        fs.crash_process();
                        synced = model.len();
                    }
                    let (reopened, found) = open(&fs).unwrap();
                    journal = reopened;
                    prop_assert!(found.len() >= synced && found.len() <= model.len());
                    model.truncate(found.len());
                    prop_assert_eq!(&found, &model);
                    synced = model.len();
                }
            }
        }
    }
}

#[test]
fn what_was_read_after_a_sync_that_failed_outlives_a_loss_of_power_all_the_same() {
    let fs = MemoryFileSystem::new(1);
    let (mut journal, _) = open(&fs).unwrap();
    journal.append(&[b"one"]).unwrap();
    journal.sync().unwrap();
    journal.append(&[b"two"]).unwrap();
    fs.set_faults(FaultPlan {
        sync_error_after: Some(0),
        ..FaultPlan::default()
    });
    journal.sync().unwrap_err();
    // The process ends itself, and starts again on what the page cache shows.
    fs.crash_process();
    let (journal, found) = open(&fs).unwrap();
    assert_eq!(found, [&b"one"[..], b"two"]);
    drop(journal);
    for seed in 0..20 {
        fs.lose_power(&mut fastrand::Rng::with_seed(seed));
        let (_, found) = open(&fs).unwrap();
        assert_eq!(found, [&b"one"[..], b"two"]);
    }
}
