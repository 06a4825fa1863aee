//! Three controllers and three brokers on loopback.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::{Duration, Instant};

use support::records::{consume, create_topic, produce};
use support::{Cluster, PATIENCE, eventually, metadata, partition};

/// The leader of a partition as some broker other than `except` tells it.
async fn leader(cluster: &Cluster, topic: &str, index: i32, except: i32) -> i32 {
    let connection = cluster.other_than(except).connect().await;
    eventually("a leader", async || {
        let found = partition(&connection, topic, index).await?;
        let leader = found.leader_id.0;
        (leader >= 0 && leader != except).then_some(leader)
    })
    .await
}

/// Produces until it is acknowledged, wherever the leader is.
async fn produce_somehow(cluster: &Cluster, topic: &str, index: i32, value: &str, except: i32) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "{value} was never acknowledged");
        let leader = leader(cluster, topic, index, except).await;
        let node = cluster
            .brokers
            .iter()
            .find(|node| node.id == leader)
            .unwrap();
        let connection = node.connect().await;
        if let Some(Ok(_)) = produce(&connection, topic, index, value).await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn produce_goes_on_when_the_leader_is_killed_and_its_return_fills_the_isr() {
    let directory = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(directory.path(), 3);
    cluster.await_brokers(3).await;
    let connection = cluster.brokers[0].connect().await;
    assert_eq!(create_topic(&connection, "t", 3, 3).await, 0);
    for number in 0..10 {
        produce_somehow(&cluster, "t", 0, &format!("before {number}"), -1).await;
    }
    let dead = leader(&cluster, "t", 0, -1).await;
    cluster.broker(dead).kill();
    let killed = Instant::now();
    produce_somehow(&cluster, "t", 0, "first after", dead).await;
    println!(
        "first acknowledgement {} ms after the kill",
        killed.elapsed().as_millis()
    );
    for number in 0..10 {
        produce_somehow(&cluster, "t", 0, &format!("after {number}"), dead).await;
    }
    cluster.broker(dead).start();
    let connection = cluster.other_than(dead).connect().await;
    eventually("a full ISR", async || {
        let metadata = metadata(&connection, &["t"]).await?;
        let partitions = &metadata.topics.first()?.partitions;
        let is_full = partitions
            .iter()
            .all(|partition| partition.isr_nodes.len() == 3);
        is_full.then_some(())
    })
    .await;
    let present = leader(&cluster, "t", 0, -1).await;
    let connection = cluster.broker(present).connect().await;
    let values = consume(&connection, "t", 0).await;
    for number in 0..10 {
        assert!(values.contains(&format!("before {number}")), "{values:?}");
        assert!(values.contains(&format!("after {number}")), "{values:?}");
    }
    assert!(values.contains(&"first after".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_as_a_leaders_connection_breaks_is_not_told_of_that_leader() {
    let directory = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(directory.path(), 3);
    cluster.await_brokers(3).await;
    let connection = cluster.brokers[0].connect().await;
    assert_eq!(create_topic(&connection, "t", 60, 3).await, 0);
    for index in [0, 1, 2] {
        produce_somehow(&cluster, "t", index, "before", -1).await;
    }
    let dead = leader(&cluster, "t", 0, -1).await;
    let survivor = cluster.other_than(dead).connect().await;
    // The newest connection of all is the first that the dying process's kernel closes.
    let address = cluster.broker(dead).endpoint();
    let dying = tokio::net::TcpStream::connect((address.host.as_str(), address.port));
    let mut dying = dying.await.unwrap();
    let asked = tokio::spawn(async move {
        let mut nothing = [0; 1];
        let broke = tokio::io::AsyncReadExt::read(&mut dying, &mut nothing).await;
        assert!(matches!(broke, Ok(0) | Err(_)), "{broke:?}");
        metadata(&survivor, &["t"]).await
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    tokio::task::block_in_place(|| cluster.broker(dead).kill());
    let told = asked.await.unwrap().expect("the survivor answers");
    let partitions = &told.topics[0].partitions;
    let named = partitions.iter().filter(|one| one.leader_id.0 == dead);
    assert_eq!((partitions.len(), named.count()), (60, 0));
}

#[tokio::test]
async fn a_planned_stop_hands_over_and_ends_with_status_zero() {
    let directory = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(directory.path(), 3);
    cluster.await_brokers(3).await;
    let connection = cluster.brokers[0].connect().await;
    assert_eq!(create_topic(&connection, "t", 6, 3).await, 0);
    produce_somehow(&cluster, "t", 0, "before", -1).await;
    let stopped = leader(&cluster, "t", 0, -1).await;
    assert_eq!(cluster.broker(stopped).stop(), Some(0));
    produce_somehow(&cluster, "t", 0, "after", stopped).await;
    for controller in &mut cluster.controllers {
        assert_eq!(controller.stop(), Some(0));
    }
}
