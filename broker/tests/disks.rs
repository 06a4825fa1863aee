//! Disks that change what was written, and disks that are full, under real processes.
#![allow(clippy::unwrap_used)]

mod support;

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use kafka_protocol::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopic};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{BrokerId, CreateTopicsRequest, FetchRequest};
use kintsugi_client::Connection;
use kintsugi_wire::batch::split;
use support::records::{create_topic, produce};
use support::{Cluster, Node, eventually, partition, text};

/// KAFKA_STORAGE_ERROR.
const STORAGE_ERROR: i16 = 56;

/// How long the values are: forty of them are four times what is kept in memory of a log.
const VALUE_BYTES: usize = 100_000;

async fn leader(cluster: &Cluster, topic: &str) -> i32 {
    let connection = cluster.brokers[0].connect().await;
    eventually("a leader", async || {
        let leader = partition(&connection, topic, 0).await?.leader_id.0;
        (leader >= 0).then_some(leader)
    })
    .await
}

/// Sends until it is acknowledged, wherever the leader is.
async fn send(cluster: &Cluster, topic: &str, value: &str) {
    eventually("an acknowledgement", async || {
        let leader = leader(cluster, topic).await;
        let node = cluster.brokers.iter().find(|node| node.id == leader)?;
        produce(&node.connect().await, topic, 0, value).await?.ok()
    })
    .await;
}

/// How many records a partition has, read as a client does that asks again after an error that may
/// pass; and how many such errors there were.
async fn count(connection: &Connection, topic: &str) -> (usize, usize) {
    let (mut offset, mut errors) = (0, 0);
    loop {
        let asked = FetchPartition::default()
            .with_partition(0)
            .with_fetch_offset(offset)
            .with_partition_max_bytes(1 << 20);
        let asked = FetchTopic::default()
            .with_topic(text(topic).into())
            .with_partitions(vec![asked]);
        let request = FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_wait_ms(500)
            .with_min_bytes(1)
            .with_max_bytes(1 << 20)
            .with_topics(vec![asked]);
        let response = connection.request(11, &request).await.unwrap();
        let found = &response.responses[0].partitions[0];
        if found.error_code == STORAGE_ERROR && errors < 100 {
            errors += 1;
            continue;
        }
        assert_eq!(found.error_code, 0, "at offset {offset}");
        let bytes = found.records.clone().unwrap_or_default();
        if bytes.is_empty() {
            return (usize::try_from(offset).unwrap(), errors);
        }
        for batch in split(bytes) {
            offset = batch.unwrap().0.next_offset().0;
        }
    }
}

fn log_of(directory: &Path, broker: i32) -> PathBuf {
    let name = format!("data-{broker}/t-0/{:020}.log", 0);
    directory.join(name)
}

async fn await_equal_logs(directory: &Path) {
    eventually("equal logs", async || {
        let logs = [0, 1, 2].map(|broker| std::fs::read(log_of(directory, broker)).unwrap());
        (logs[0] == logs[1] && logs[1] == logs[2]).then_some(())
    })
    .await;
}

fn flip(path: &Path, position: u64) {
    let mut options = std::fs::OpenOptions::new();
    let file = options.read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, position).unwrap();
    file.write_all_at(&[byte[0] ^ 1], position).unwrap();
}

#[tokio::test]
async fn what_a_disk_changes_is_mended_from_other_brokers_while_all_records_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let settings = [("kintsugi.log.scrub.bytes", "4194304")];
    let cluster = Cluster::start_with(directory.path(), 3, &settings);
    cluster.await_brokers(3).await;
    let connection = cluster.brokers[0].connect().await;
    assert_eq!(create_topic(&connection, "t", 1, 3).await, 0);
    let value = "v".repeat(VALUE_BYTES);
    for _ in 0..40 {
        send(&cluster, "t", &value).await;
    }
    await_equal_logs(directory.path()).await;
    let whole = std::fs::read(log_of(directory.path(), 0)).unwrap();
    let leader = leader(&cluster, "t").await;
    let node = cluster.brokers.iter().find(|node| node.id == leader);
    let connection = node.unwrap().connect().await;

    // On the leader: in records, in a length and in an offset; read at once.
    let size = whole.len() as u64 / 40;
    for position in [500, 3 * size + 10, 5 * size + 7] {
        flip(&log_of(directory.path(), leader), position);
    }
    let (records, errors) = count(&connection, "t").await;
    println!("{errors} fetches met what was not mended yet");
    assert_eq!(records, 40);
    await_equal_logs(directory.path()).await;

    // On followers, in different places, one with its end cut off; found by reading them through.
    let followers: Vec<i32> = (0..3).filter(|id| *id != leader).collect();
    flip(&log_of(directory.path(), followers[0]), 7 * size + 100);
    let cut = log_of(directory.path(), followers[1]);
    let cut = std::fs::OpenOptions::new().write(true).open(cut).unwrap();
    cut.set_len(whole.len() as u64 - 3 * size / 2).unwrap();
    await_equal_logs(directory.path()).await;
    assert_eq!(
        std::fs::read(log_of(directory.path(), leader)).unwrap(),
        whole
    );
    let log = cluster.brokers.iter().map(Node::log).collect::<String>();
    assert!(log.contains("damage-found") && log.contains("damage-mended"));
    assert!(!log.contains("\"ERROR\""));
    let kept = std::fs::read_dir(log_of(directory.path(), leader).parent().unwrap()).unwrap();
    let kept = kept.filter(|name| {
        let name = name.as_ref().unwrap().file_name();
        name.to_string_lossy().ends_with(".damaged")
    });
    assert_eq!(kept.count(), 3);
}

/// A small file system of its own, for root only.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir_all(&path).unwrap();
        let options = format!("size={size}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "kintsugi-test"]);
        let done = mount.arg(&path).status();
        done.is_ok_and(|status| status.success())
            .then(|| Self(path))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the process may still be ending.
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(unmounted.is_ok());
    }
}

async fn create_on(connection: &Connection, name: &str, brokers: &[i32]) {
    let brokers = brokers.iter().copied().map(BrokerId).collect();
    let assignment = CreatableReplicaAssignment::default()
        .with_partition_index(0)
        .with_broker_ids(brokers);
    let topic = CreatableTopic::default()
        .with_name(text(name).into())
        .with_num_partitions(-1)
        .with_replication_factor(-1)
        .with_assignments(vec![assignment]);
    let request = CreateTopicsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(10_000);
    let response = connection.request(7, &request).await.unwrap();
    assert_eq!(response.topics[0].error_code, 0, "{:?}", response.topics[0]);
}

/// Fills a topic of broker 0 until that refuses; gives how many records it took.
async fn fill(cluster: &Cluster, value: &str) -> usize {
    let connection = cluster.brokers[0].connect().await;
    for taken in 0..1_000 {
        match produce(&connection, "small", 0, value).await.unwrap() {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error, STORAGE_ERROR);
                return taken;
            }
        }
    }
    panic!("a disk of 16 MiB took 100 MB");
}

#[tokio::test]
async fn a_broker_with_a_full_disk_refuses_produces_lives_starts_again_and_heals_with_room() {
    let directory = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(directory.path().join("data-0"), "16m") else {
        println!("not run: needs root, to mount a small file system");
        return;
    };
    let mut cluster = Cluster::start(directory.path(), 3);
    cluster.await_brokers(3).await;
    let connection = cluster.brokers[1].connect().await;
    create_on(&connection, "small", &[0]).await;
    create_on(&connection, "other", &[1, 2]).await;
    send(&cluster, "small", "first").await;
    let ballast = disk.0.join("ballast");
    std::fs::write(&ballast, vec![1; 6 << 20]).unwrap();
    let value = "v".repeat(VALUE_BYTES);
    let mut taken = 1 + fill(&cluster, &value).await;
    // To the last byte.
    taken += fill(&cluster, &"v".repeat(3_000)).await;
    taken += fill(&cluster, "v").await;
    assert!(std::fs::write(disk.0.join("more"), [1; 4_096]).is_err());

    // It lives, serves what it has, and others go on.
    assert_eq!(cluster.brokers[0].has_ended(), None);
    let own = cluster.brokers[0].connect().await;
    assert_eq!(count(&own, "small").await, (taken, 0));
    for _ in 0..10 {
        send(&cluster, "other", &value).await;
    }
    // Nor does a start need room.
    cluster.brokers[0].kill();
    cluster.brokers[0].start();
    eventually("the broker with the full disk to lead again", async || {
        let partition = partition(&connection, "small", 0).await?;
        (partition.leader_id.0 == 0 && partition.error_code == 0).then_some(())
    })
    .await;
    let own = cluster.brokers[0].connect().await;
    let found = eventually("its records", async || {
        let found = count(&own, "small").await;
        (found.0 == taken).then_some(found)
    })
    .await;
    assert_eq!(found, (taken, 0));
    assert_eq!(
        produce(&own, "small", 0, &value).await,
        Some(Err(STORAGE_ERROR))
    );

    // Room heals it, in the same run.
    std::fs::remove_file(&ballast).unwrap();
    send(&cluster, "small", &value).await;
    assert_eq!(cluster.brokers[0].has_ended(), None);
    assert_eq!(count(&own, "small").await, (taken + 1, 0));
    drop(cluster);
    drop(disk);
}
