//! Opening a directory.

use std::path::Path;

use kintsugi_storage::checkpoint::OffsetCheckpoints;
use kintsugi_storage::fs::OpenMode;
use kintsugi_storage::fs::memory::FaultPlan;
use kintsugi_storage::{File, FileSystem, MemoryFileSystem};
use kintsugi_types::{
    BrokerEpoch, BrokerId, DirectoryId, Generation, Offset, PartitionIndex, StartCounter,
};
use uuid::Uuid;

use super::*;

fn expectation(fresh: u128) -> Expectation {
    Expectation {
        cluster: "cluster".parse().unwrap(),
        broker: BrokerId(3),
        generation: Generation(1),
        fresh_directory: DirectoryId(Uuid::from_u128(fresh)),
    }
}

fn root() -> &'static Path {
    Path::new("data")
}

#[test]
fn a_directory_keeps_its_id_and_counts_its_starts() {
    let fs = MemoryFileSystem::new(1);
    let first = open_directory(&fs, root(), &expectation(1)).unwrap();
    assert_eq!(first.start, StartCounter(1));
    assert_eq!(first.directory, DirectoryId(Uuid::from_u128(1)));
    assert_eq!(first.clean_stop_epoch, None);
    // What it gave out is durable.
    fs.lose_power(&mut fastrand::Rng::with_seed(1));
    let second = open_directory(&fs, root(), &expectation(2)).unwrap();
    assert_eq!(second.start, StartCounter(2));
    assert_eq!(second.directory, first.directory);
}

#[test]
fn a_start_on_a_full_disk_is_counted_too() {
    let fs = MemoryFileSystem::new(1);
    open_directory(&fs, root(), &expectation(1)).unwrap();
    for start in 2..10 {
        fs.set_faults(FaultPlan {
            capacity_bytes: Some(used_bytes(&fs)),
            ..FaultPlan::default()
        });
        let opened = open_directory(&fs, root(), &expectation(2)).unwrap();
        assert_eq!(opened.start, StartCounter(start));
    }
    fs.lose_power(&mut fastrand::Rng::with_seed(1));
    let again = open_directory(&fs, root(), &expectation(2)).unwrap();
    assert_eq!(again.start, StartCounter(10));
}

/// What all files take, the left-overs of failed writes included.
fn used_bytes(fs: &MemoryFileSystem) -> u64 {
    let names = fs.read_dir(root()).unwrap().into_iter();
    names
        .map(|name| fs.size_of(&root().join(name)).unwrap().unwrap())
        .sum()
}

#[test]
fn a_directory_that_was_made_in_passing_survives_a_loss_of_power() {
    for seed in 0..20 {
        let fs = MemoryFileSystem::new(seed);
        open_directory(&fs, root(), &expectation(1)).unwrap();
        fs.lose_power(&mut fastrand::Rng::with_seed(seed));
        let again = open_directory(&fs, root(), &expectation(2)).unwrap();
        assert_eq!(again.start, StartCounter(2), "seed {seed}");
    }
}

#[test]
fn a_mark_of_a_clean_stop_counts_once() {
    let fs = MemoryFileSystem::new(1);
    open_directory(&fs, root(), &expectation(1)).unwrap();
    mark_clean_stop(&fs, root(), BrokerEpoch(7), &Closed::default()).unwrap();
    let opened = open_directory(&fs, root(), &expectation(1)).unwrap();
    assert_eq!(opened.clean_stop_epoch, Some(BrokerEpoch(7)));
    let opened = open_directory(&fs, root(), &expectation(1)).unwrap();
    assert_eq!(opened.clean_stop_epoch, None);
}

#[test]
fn a_foreign_directory_is_refused_and_left_as_it_is() {
    let fs = MemoryFileSystem::new(1);
    open_directory(&fs, root(), &expectation(1)).unwrap();
    let mut other = expectation(1);
    other.cluster = "another".parse().unwrap();
    let before = fs.mutations();
    let refused = open_directory(&fs, root(), &other).unwrap_err();
    assert!(
        refused.to_string().contains("cluster.id=cluster"),
        "{refused}"
    );
    let mut other = expectation(1);
    other.generation = Generation(2);
    assert!(open_directory(&fs, root(), &other).is_err());
    assert_eq!(fs.mutations(), before);
}

#[test]
fn a_directory_with_logs_but_no_owner_is_refused() {
    let fs = MemoryFileSystem::new(1);
    fs.create_dir_all(&root().join("t-0")).unwrap();
    let refused = open_directory(&fs, root(), &expectation(1)).unwrap_err();
    assert!(refused.to_string().contains("t-0"), "{refused}");
}

#[test]
fn checkpoints_are_written_when_every_shard_gave_its_own() {
    let fs = MemoryFileSystem::new(1);
    open_directory(&fs, root(), &expectation(1)).unwrap();
    let entry = |topic: &str, offset| {
        let key = (topic.parse().unwrap(), PartitionIndex(0));
        OffsetCheckpoints {
            high_watermarks: [(key, Offset(offset))].into(),
            ..OffsetCheckpoints::default()
        }
    };
    let mut checkpoints = Checkpoints::new(fs.clone(), root(), 2);
    checkpoints.write(0, entry("a", 5)).unwrap();
    let opened = open_directory(&fs, root(), &expectation(1)).unwrap();
    assert!(opened.last.checkpoints.high_watermarks.is_empty());
    checkpoints.write(1, entry("b", 6)).unwrap();
    fs.create_dir_all(&root().join("a-0")).unwrap();
    let opened = open_directory(&fs, root(), &expectation(1)).unwrap();
    assert_eq!(opened.last.checkpoints.high_watermarks.len(), 2);
    assert!(opened.is_log_missing);
    fs.create_dir_all(&root().join("b-0")).unwrap();
    let opened = open_directory(&fs, root(), &expectation(1)).unwrap();
    assert!(!opened.is_log_missing);
    // What is as it was is not written again.
    let before = fs.mutations();
    checkpoints.write(1, entry("b", 6)).unwrap();
    assert_eq!(fs.mutations(), before);
}

#[test]
fn checkpoints_that_could_not_be_written_are_written_later() {
    let fs = MemoryFileSystem::new(1);
    open_directory(&fs, root(), &expectation(1)).unwrap();
    let offsets = OffsetCheckpoints {
        recovery_points: [(("a".parse().unwrap(), PartitionIndex(0)), Offset(7))].into(),
        ..OffsetCheckpoints::default()
    };
    let mut checkpoints = Checkpoints::new(fs.clone(), root(), 1);
    fs.set_faults(FaultPlan {
        capacity_bytes: Some(used_bytes(&fs)),
        ..FaultPlan::default()
    });
    checkpoints.write(0, offsets.clone()).unwrap_err();
    checkpoints.write_newest().unwrap_err();
    fs.set_faults(FaultPlan::default());
    checkpoints.write_newest().unwrap();
    let opened = open_directory(&fs, root(), &expectation(1)).unwrap();
    assert_eq!(opened.last.checkpoints, offsets);
}

#[test]
fn a_damaged_checkpoint_stops_no_start_but_proves_nothing() {
    for name in ["replication", "recovery-point", "log-start"] {
        let fs = MemoryFileSystem::new(1);
        open_directory(&fs, root(), &expectation(1)).unwrap();
        let path = root().join(format!("{name}-offset-checkpoint"));
        let file = fs.open(&path, OpenMode::Create).unwrap();
        file.write_at(b"0\n1\na 0", 0).unwrap();
        let opened = open_directory(&fs, root(), &expectation(1)).unwrap();
        assert_eq!(opened.last.checkpoints, OffsetCheckpoints::default());
        assert!(opened.is_log_missing, "{name}");
    }
}
