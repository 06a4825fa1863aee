use std::path::Path;

use kintsugi_types::{DirectoryId, Generation, LeaderEpoch, Offset, PartitionIndex, TopicId};
use proptest::prelude::*;
use uuid::Uuid;

use super::partition_metadata::{decode_uuid, encode_uuid};
use super::*;
use crate::fs::{File, FileSystem, MemoryFileSystem, OpenMode};

const DIRECTORY: &str = "/data";

fn fresh() -> MemoryFileSystem {
    let fs = MemoryFileSystem::new(1);
    fs.create_dir_all(Path::new(DIRECTORY)).unwrap();
    fs.sync_dir(Path::new("/")).unwrap();
    fs
}

fn directory() -> &'static Path {
    Path::new(DIRECTORY)
}

fn put(fs: &MemoryFileSystem, name: &str, text: &str) {
    let file = fs.open(&directory().join(name), OpenMode::Create).unwrap();
    file.set_len(0).unwrap();
    file.write_at(text.as_bytes(), 0).unwrap();
}

fn text(fs: &MemoryFileSystem, name: &str) -> String {
    String::from_utf8(fs.read_to_vec(&directory().join(name), 10_000).unwrap()).unwrap()
}

fn offsets(entries: &[(&str, i32, i64)]) -> OffsetCheckpoint {
    let entry = |(topic, partition, offset): &(&str, i32, i64)| {
        let place = (topic.parse().unwrap(), PartitionIndex(*partition));
        (place, Offset(*offset))
    };
    entries.iter().map(entry).collect()
}

fn properties() -> MetaProperties {
    MetaProperties {
        cluster_id: "MkU3OEVBNTcwNTJENDM2Qk".parse().unwrap(),
        node_id: 3,
        directory_id: DirectoryId(Uuid::from_u128(0x1234_5678_9abc_def0_1122_3344_5566_7788)),
        generation: Generation(2),
    }
}

#[test]
fn offsets_are_kept_in_kafkas_format() {
    let fs = fresh();
    let file = OffsetCheckpointFile::Replication;
    assert!(file.read(&fs, directory()).unwrap().is_empty());
    let written = offsets(&[("b.c", 0, 7), ("a", 11, 1 << 40)]);
    file.write(&fs, directory(), &written).unwrap();
    let name = "replication-offset-checkpoint";
    assert_eq!(text(&fs, name), "0\n2\na 11 1099511627776\nb.c 0 7\n");
    fs.lose_power(&mut fastrand::Rng::with_seed(1));
    assert_eq!(file.read(&fs, directory()).unwrap(), written);
}

#[test]
fn malformed_offset_files_are_errors() {
    let fs = fresh();
    let bad = [
        "",
        "1\n0\n",
        "0\n",
        "0\nx\n",
        "0\n2\na 0 1\n",
        "0\n1\na 0\n",
        "0\n1\na b 1\n",
    ];
    for content in bad {
        put(&fs, "recovery-point-offset-checkpoint", content);
        let error = OffsetCheckpointFile::RecoveryPoint.read(&fs, directory());
        let message = error.unwrap_err().to_string();
        assert!(message.contains("line "), "{content:?}: {message}");
    }
}

#[test]
fn an_offset_file_replaced_while_power_is_lost_is_the_old_or_the_new() {
    use crate::fs::memory::FaultPlan;
    let (old, new) = (
        offsets(&[("a", 0, 1)]),
        offsets(&[("a", 0, 2), ("b", 0, 3)]),
    );
    let mut seen = [false, false];
    for seed in 0..100 {
        let fs = fresh();
        let file = OffsetCheckpointFile::LogStart;
        file.write(&fs, directory(), &old).unwrap();
        fs.set_faults(FaultPlan {
            stop_after_mutations: Some(seed % 6),
            ..FaultPlan::default()
        });
        let finished = file.write(&fs, directory(), &new).is_ok();
        fs.lose_power(&mut fastrand::Rng::with_seed(seed));
        let found = file.read(&fs, directory()).unwrap();
        assert!(
            found == new || (found == old && !finished),
            "seed {seed}: {found:?}"
        );
        seen[usize::from(found == new)] = true;
    }
    assert_eq!(seen, [true, true]);
}

#[test]
fn meta_properties_come_back_and_kafkas_own_are_read() {
    let fs = fresh();
    assert_eq!(MetaProperties::read(&fs, directory()).unwrap(), None);
    properties().write(&fs, directory()).unwrap();
    assert_eq!(
        MetaProperties::read(&fs, directory()).unwrap(),
        Some(properties())
    );
    let kafka = "#\n#Mon Nov 23 06:00:00 UTC 2026\ncluster.id=abc\nversion=1\n\
        directory.id=EjRWeJq83vARIjNEVWZ3iA\nnode.id=3\n";
    put(&fs, "meta.properties", kafka);
    let read = MetaProperties::read(&fs, directory()).unwrap().unwrap();
    assert_eq!(read.directory_id, properties().directory_id);
    assert_eq!(read.generation, Generation(0));
    for bad in [
        "",
        "version=0\n",
        "version=1\nnode.id=3\n",
        "version=1\ncluster.id=a\nnode.id=x\n",
    ] {
        put(&fs, "meta.properties", bad);
        let error = MetaProperties::read(&fs, directory());
        assert!(
            matches!(error, Err(CheckpointError::Malformed { .. })),
            "{bad:?}"
        );
    }
}

#[test]
fn a_clean_shutdown_is_marked_and_taken_once() {
    let fs = fresh();
    assert_eq!(take_clean_shutdown(&fs, directory()).unwrap(), None);
    mark_clean_shutdown(&fs, directory(), 42).unwrap();
    fs.lose_power(&mut fastrand::Rng::with_seed(1));
    assert_eq!(take_clean_shutdown(&fs, directory()).unwrap(), Some(42));
    fs.lose_power(&mut fastrand::Rng::with_seed(2));
    assert_eq!(take_clean_shutdown(&fs, directory()).unwrap(), None);
    put(&fs, ".kafka_cleanshutdown", "");
    assert_eq!(take_clean_shutdown(&fs, directory()).unwrap(), Some(-1));
}

#[test]
fn partition_metadata_names_the_topic_as_kafka_does() {
    let fs = fresh();
    assert_eq!(PartitionMetadata::read(&fs, directory()).unwrap(), None);
    let topic_id = TopicId(Uuid::from_u128(0x1234_5678_9abc_def0_1122_3344_5566_7788));
    let metadata = PartitionMetadata { topic_id };
    metadata.write(&fs, directory()).unwrap();
    let expected = "version: 0\ntopic_id: EjRWeJq83vARIjNEVWZ3iA\n";
    assert_eq!(text(&fs, "partition.metadata"), expected);
    assert_eq!(
        PartitionMetadata::read(&fs, directory()).unwrap(),
        Some(metadata)
    );
    for bad in [
        "",
        "version: 1\ntopic_id: EjRWeJq83vARIjNEVWZ3iA\n",
        "version: 0\ntopic_id: x\n",
    ] {
        put(&fs, "partition.metadata", bad);
        assert!(
            PartitionMetadata::read(&fs, directory()).is_err(),
            "{bad:?}"
        );
    }
}

#[test]
fn closed_logs_are_those_of_one_stop_and_never_read_when_damaged() {
    use crate::log::{Log, LogConfig, LogContext, LogLimits, OpenHow};
    let fs = fresh();
    let context = LogContext::new(fs.clone(), LogLimits::default());
    let path = directory().join("t-0");
    let log = Log::open(&context, &path, LogConfig::default(), OpenHow::Clean);
    let summary = log.unwrap().0.close().unwrap();
    let topic = TopicId(Uuid::from_u128(9));
    let key = ("t".parse().unwrap(), PartitionIndex(0));
    let logs: ClosedLogs = [(key, ClosedLog { topic, summary })].into();
    assert!(read_closed_logs(&fs, directory(), 7).is_empty());
    write_closed_logs(&fs, directory(), 7, &logs).unwrap();
    assert_eq!(read_closed_logs(&fs, directory(), 7), logs);
    assert!(read_closed_logs(&fs, directory(), 8).is_empty());
    let path = directory().join("kintsugi.closed-logs");
    let content = fs.read_to_vec(&path, 10_000).unwrap();
    for at in 0..content.len() {
        let file = fs.open(&path, OpenMode::Write).unwrap();
        file.write_at(&[content[at] ^ 0x10], at as u64).unwrap();
        assert!(
            read_closed_logs(&fs, directory(), 7).is_empty(),
            "byte {at}"
        );
        file.write_at(&content, 0).unwrap();
    }
}

proptest! {
    #[test]
    fn an_id_survives_being_written_and_read(number in any::<u128>()) {
        let id = Uuid::from_u128(number);
        prop_assert_eq!(decode_uuid(&encode_uuid(id)), Some(id));
    }

    #[test]
    fn leader_epochs_survive_being_written_and_read(
        entries in proptest::collection::vec((any::<i32>(), any::<i64>()), 0..20),
    ) {
        let entries: Vec<_> = entries.iter().map(|(e, o)| (LeaderEpoch(*e), Offset(*o))).collect();
        prop_assert_eq!(parse_leader_epochs(&format_leader_epochs(&entries)), Ok(entries));
    }

    #[test]
    fn arbitrary_text_never_panics(content in ".{0,200}") {
        let fs = fresh();
        for name in ["meta.properties", "partition.metadata", "log-start-offset-checkpoint"] {
            put(&fs, name, &content);
        }
        put(&fs, ".kafka_cleanshutdown", &content);
        let _ = MetaProperties::read(&fs, directory());
        let _ = PartitionMetadata::read(&fs, directory());
        let _ = OffsetCheckpointFile::LogStart.read(&fs, directory());
        prop_assert!(take_clean_shutdown(&fs, directory()).is_ok());
    }
}
