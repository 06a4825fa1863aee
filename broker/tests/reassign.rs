//! Partitions move between four brokers while acks=all producers write, and brokers are killed.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kintsugi_client::{Connection, Limits};
use kintsugi_types::Endpoint;
use support::reassign::{alter, list};
use support::records::{consume, create_topic, produce};
use support::{Cluster, eventually, partition};

const PARTITIONS: i32 = 3;

/// `NO_REASSIGNMENT_IN_PROGRESS`.
const NONE_IN_PROGRESS: i16 = 85;

/// Producers, one a partition, that go on until told to stop.
struct Load {
    is_over: Arc<AtomicBool>,
    producers: Vec<tokio::task::JoinHandle<Vec<String>>>,
}

impl Load {
    fn start(cluster: &Cluster) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let endpoints: Vec<Endpoint> = cluster.brokers.iter().map(|b| b.endpoint()).collect();
        let producers = (0..PARTITIONS).map(|index| {
            let producing = produce_until(endpoints.clone(), index, Arc::clone(&is_over));
            tokio::spawn(producing)
        });
        Self {
            producers: producers.collect(),
            is_over,
        }
    }

    /// What each producer was told is written.
    async fn end(self) -> Vec<Vec<String>> {
        self.is_over.store(true, Ordering::Relaxed);
        let mut acknowledged = Vec::new();
        for producer in self.producers {
            acknowledged.push(producer.await.unwrap());
        }
        acknowledged
    }
}

/// Writes numbered records to one partition, wherever its leader is; gives those that were
/// acknowledged.
async fn produce_until(
    endpoints: Vec<Endpoint>,
    index: i32,
    is_over: Arc<AtomicBool>,
) -> Vec<String> {
    let mut acknowledged = Vec::new();
    let mut leader: Option<Connection> = None;
    let mut number = 0;
    let mut asked = 0;
    while !is_over.load(Ordering::Relaxed) {
        let Some(connection) = leader.clone() else {
            asked += 1;
            leader = find_leader(&endpoints, asked, index).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let value = format!("{index}/{number}/{}", "x".repeat(2_000));
        match produce(&connection, "t", index, &value).await {
            Some(Ok(_)) => {
                acknowledged.push(value);
                number += 1;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            _ => leader = None,
        }
    }
    acknowledged
}

async fn find_leader(endpoints: &[Endpoint], asked: usize, index: i32) -> Option<Connection> {
    let some = &endpoints[asked % endpoints.len()];
    let connect = |endpoint: Endpoint| async move {
        let limits = Limits::default();
        Connection::connect(&endpoint, "load", limits).await.ok()
    };
    let connection = connect(some.clone()).await?;
    let leader = partition(&connection, "t", index).await?.leader_id.0;
    let leader = endpoints.get(usize::try_from(leader).ok()?)?;
    connect(leader.clone()).await
}

/// Waits until nothing moves and each partition has these replicas, all of them in sync.
async fn await_replicas(connection: &Connection, expected: &[[i32; 3]]) {
    eventually("the moves to end", async || {
        list(connection).await?.is_empty().then_some(())
    })
    .await;
    for (index, replicas) in (0..).zip(expected) {
        eventually("the new replicas to be in sync", async || {
            let found = partition(connection, "t", index).await?;
            let ids: Vec<i32> = found.replica_nodes.iter().map(|id| id.0).collect();
            let isr: BTreeSet<i32> = found.isr_nodes.iter().map(|id| id.0).collect();
            let all: BTreeSet<i32> = replicas.iter().copied().collect();
            (ids == replicas && isr == all && all.contains(&found.leader_id.0)).then_some(())
        })
        .await;
    }
}

async fn leader_of(connection: &Connection, index: i32) -> i32 {
    eventually("a leader", async || {
        let leader = partition(connection, "t", index).await?.leader_id.0;
        (leader >= 0).then_some(leader)
    })
    .await
}

fn all_to(targets: &[[i32; 3]]) -> Vec<(i32, Option<&[i32]>)> {
    let targets = (0..).zip(targets);
    targets
        .map(|(index, target)| (index, Some(&target[..])))
        .collect()
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_partitions_move_and_brokers_die() {
    let directory = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(directory.path(), 4);
    cluster.await_brokers(4).await;
    let connection = cluster.brokers[0].connect().await;
    assert_eq!(create_topic(&connection, "t", PARTITIONS, 3).await, 0);
    let load = Load::start(&cluster);

    // All well.
    let targets = [[0, 1, 2]; 3];
    let codes = alter(&connection, "t", &all_to(&targets)).await;
    assert_eq!(codes, [0, 0, 0]);
    await_replicas(&connection, &targets).await;

    // The new replica is dead when the move begins, and comes back.
    cluster.broker(3).kill();
    let targets = [[3, 1, 2], [0, 3, 2], [0, 1, 3]];
    let codes = alter(&connection, "t", &all_to(&targets)).await;
    assert_eq!(codes, [0, 0, 0]);
    let moving = list(&connection).await.unwrap();
    assert_eq!(moving[&0], (vec![3], vec![0]));
    // One is cancelled, and begun again.
    assert_eq!(alter(&connection, "t", &[(0, None)]).await, [0]);
    let again = alter(&connection, "t", &[(0, None)]).await;
    assert_eq!(again, [NONE_IN_PROGRESS]);
    let found = partition(&connection, "t", 0).await.unwrap();
    let replicas: Vec<i32> = found.replica_nodes.iter().map(|id| id.0).collect();
    assert_eq!(replicas, [0, 1, 2]);
    let codes = alter(&connection, "t", &all_to(&targets)).await;
    assert_eq!(codes, [0, 0, 0]);
    cluster.broker(3).start();
    await_replicas(&connection, &targets).await;

    // The leader is killed as the move begins; then the target, halfway.
    for round in 0..4 {
        let asked = cluster.broker(round % 2).connect().await;
        let victim = match round {
            0 | 1 => leader_of(&asked, 2).await,
            _ => (round + 1) % 4,
        };
        let asked = cluster.other_than(victim).connect().await;
        let shift = |id: i32| (id + round) % 4;
        let targets = [[3, 1, 2], [1, 2, 0], [2, 0, 3]].map(|target| target.map(shift));
        let codes = alter(&asked, "t", &all_to(&targets)).await;
        assert_eq!(codes, [0, 0, 0]);
        cluster.broker(victim).kill();
        tokio::time::sleep(Duration::from_millis(300)).await;
        cluster.broker(victim).start();
        await_replicas(&asked, &targets).await;
    }

    let acknowledged = load.end().await;
    for (index, acknowledged) in (0..).zip(acknowledged) {
        let leader = leader_of(&cluster.other_than(-1).connect().await, index).await;
        let connection = cluster.broker(leader).connect().await;
        let found: BTreeSet<String> = consume(&connection, "t", index).await.into_iter().collect();
        let lost = acknowledged.iter().filter(|value| !found.contains(*value));
        assert_eq!(lost.count(), 0, "of {} in {index}", acknowledged.len());
        println!(
            "partition {index}: {} acknowledged, none lost",
            acknowledged.len()
        );
        assert!(acknowledged.len() > 50, "the load hardly ran");
    }
    assert_only_replicas_keep_logs(&cluster, directory.path()).await;
}

/// Whoever is no replica any more has deleted its log, or set it aside if it was down meanwhile.
async fn assert_only_replicas_keep_logs(cluster: &Cluster, directory: &std::path::Path) {
    let connection = cluster.brokers[0].connect().await;
    for index in 0..PARTITIONS {
        let found = partition(&connection, "t", index).await.unwrap();
        let replicas: Vec<i32> = found.replica_nodes.iter().map(|id| id.0).collect();
        eventually("logs to be where their replicas are", async || {
            let has_log = |id: &i32| {
                let log = directory.join(format!("data-{id}/t-{index}"));
                log.exists()
            };
            let with_logs: BTreeSet<i32> = (0..4).filter(has_log).collect();
            (with_logs == replicas.iter().copied().collect()).then_some(())
        })
        .await;
    }
}
