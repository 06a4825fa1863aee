use std::path::Path;

use super::*;

fn written(seed: u64) -> (MemoryFileSystem, MemoryFile) {
    let fs = MemoryFileSystem::new(seed);
    fs.create_dir_all(Path::new("/d")).unwrap();
    fs.sync_dir(Path::new("/")).unwrap();
    let file = fs.open(Path::new("/d/f"), OpenMode::Create).unwrap();
    (fs, file)
}

fn content(fs: &MemoryFileSystem) -> Option<Vec<u8>> {
    fs.read_to_vec(Path::new("/d/f"), 1 << 20).ok()
}

#[test]
fn the_memory_file_system_conforms_also_with_short_reads() {
    for short_reads in [false, true] {
        crate::testing::file_system_conformance(|| {
            let fs = MemoryFileSystem::new(1);
            fs.set_faults(FaultPlan {
                short_reads,
                ..FaultPlan::default()
            });
            fs.create_dir_all(Path::new("/test")).unwrap();
            (fs, PathBuf::from("/test"), Box::new(()))
        });
    }
}

#[test]
fn a_crash_of_the_process_keeps_unsynced_bytes_and_ends_open_files() {
    let (fs, file) = written(1);
    file.write_at(b"hello", 0).unwrap();
    fs.crash_process();
    assert_eq!(content(&fs).unwrap(), b"hello");
    assert!(file.write_at(b"late", 0).is_err());
    assert_eq!(content(&fs).unwrap(), b"hello");
}

#[test]
fn a_loss_of_power_keeps_what_was_synced_and_draws_the_rest() {
    let (mut lost, mut kept, mut mixed) = (0, 0, 0);
    for seed in 0..200 {
        let (fs, file) = written(seed);
        file.write_at(&[1; 10_000], 0).unwrap();
        file.sync_data().unwrap();
        fs.sync_dir(Path::new("/d")).unwrap();
        file.write_at(&[2; 10_000], 10_000).unwrap();
        fs.lose_power(&mut fastrand::Rng::with_seed(seed));
        let content = content(&fs).unwrap();
        assert!(content[..10_000].iter().all(|b| *b == 1), "seed {seed}");
        assert!(
            content[10_000..].iter().all(|b| [0, 2].contains(b)),
            "seed {seed}"
        );
        match content[10_000..].iter().filter(|b| **b == 2).count() {
            0 => lost += 1,
            10_000 => kept += 1,
            _ => mixed += 1,
        }
    }
    assert!(
        lost > 20 && kept > 20 && mixed > 20,
        "{lost} {kept} {mixed}"
    );
}

#[test]
fn a_loss_of_power_may_lose_entries_that_were_not_synced() {
    let (mut lost, mut kept) = (0, 0);
    for seed in 0..100 {
        let (fs, file) = written(seed);
        file.write_at(b"x", 0).unwrap();
        file.sync_data().unwrap();
        fs.lose_power(&mut fastrand::Rng::with_seed(seed));
        match content(&fs) {
            None => lost += 1,
            Some(content) => {
                assert_eq!(content, b"x");
                kept += 1;
            }
        }
    }
    assert!(lost > 20 && kept > 20, "{lost} {kept}");
}

#[test]
fn a_failed_sync_loses_its_bytes_even_if_a_later_one_succeeds() {
    let (fs, file) = written(1);
    fs.sync_dir(Path::new("/d")).unwrap();
    fs.set_faults(FaultPlan {
        sync_error_after: Some(0),
        ..FaultPlan::default()
    });
    file.write_at(b"gone", 0).unwrap();
    assert!(file.sync_data().is_err());
    file.sync_data().unwrap();
    assert_eq!(content(&fs).unwrap(), b"gone");
    fs.lose_power(&mut fastrand::Rng::with_seed(1));
    assert_eq!(content(&fs).unwrap(), b"");
}

#[test]
fn a_full_disk_takes_what_fits_and_says_so() {
    let (fs, file) = written(1);
    fs.set_faults(FaultPlan {
        capacity_bytes: Some(3),
        ..FaultPlan::default()
    });
    let refused = file.write_at(b"hello", 0).unwrap_err();
    assert!(refused.is_disk_full());
    assert_eq!(refused.path, Path::new("/d/f"));
    assert_eq!(content(&fs).unwrap(), b"hel");
    file.write_at(b"y", 1).unwrap();
}

#[test]
fn a_stop_lets_so_many_changes_through_and_then_nothing() {
    let (fs, file) = written(1);
    fs.set_faults(FaultPlan {
        stop_after_mutations: Some(2),
        ..FaultPlan::default()
    });
    file.write_at(b"a", 0).unwrap();
    file.write_at(b"b", 1).unwrap();
    assert!(file.write_at(b"c", 2).is_err());
    assert!(fs.open(Path::new("/d/f"), OpenMode::Read).is_err());
    assert!(file.read_at(&mut [0; 1], 0).is_err());
    fs.crash_process();
    assert_eq!(content(&fs).unwrap(), b"ab");
}

#[test]
fn the_same_seed_loses_the_same_bytes() {
    let run = || {
        let (fs, file) = written(9);
        fs.sync_dir(Path::new("/d")).unwrap();
        for index in 0..50_u8 {
            file.write_at(&[index; 700], u64::from(index) * 500)
                .unwrap();
        }
        file.set_len(9_000).unwrap();
        file.write_at(&[99; 5_000], 9_000).unwrap();
        fs.lose_power(&mut fastrand::Rng::with_seed(7));
        content(&fs).unwrap()
    };
    assert_eq!(run(), run());
}
