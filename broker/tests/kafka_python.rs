//! The example that README shows, with kafka-python, while brokers die under it.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use support::python::Script;
use support::{Cluster, eventually, metadata, partition};

/// How long the example sends, in seconds: long enough for two kills and two returns.
const SECONDS: &str = "20";

/// After how many seconds of progress brokers are killed.
const KILLS: [usize; 2] = [4, 12];

async fn leader(cluster: &Cluster) -> i32 {
    let connection = cluster.other_than(-1).connect().await;
    eventually("a leader", async || {
        let leader = partition(&connection, "test_topic", 0).await?.leader_id.0;
        (leader >= 0).then_some(leader)
    })
    .await
}

async fn full_isr(cluster: &Cluster, except: i32) {
    let connection = cluster.other_than(except).connect().await;
    eventually("a full ISR", async || {
        let metadata = metadata(&connection, &["test_topic"]).await?;
        let mut partitions = metadata.topics.first()?.partitions.iter();
        partitions.all(|p| p.isr_nodes.len() == 3).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_kafka_python_example_goes_on_while_leaders_of_its_topic_are_killed_and_come_back() {
    let directory = tempfile::tempdir().unwrap();
    // Leadership goes back soon after a broker is back, so that clients are sent to it by those
    // that led in its absence.
    let settings = [("leader.imbalance.check.interval.seconds", "1")];
    let mut cluster = Cluster::start_with(directory.path(), 3, &settings);
    cluster.await_brokers(3).await;
    let arguments = [&*cluster.bootstrap(), SECONDS];
    let mut example = Script::start("../examples/kafka-python.py", &arguments);
    let (mut rounds, mut killed) = (0, 0);
    while let Some(line) = example.line().await {
        rounds += usize::from(line.starts_with("sent"));
        if KILLS.get(killed).is_some_and(|after| rounds >= *after) {
            let dead = leader(&cluster).await;
            println!("killing broker {dead}");
            cluster.broker(dead).kill();
            tokio::time::sleep(Duration::from_secs(2)).await;
            cluster.broker(dead).start();
            full_isr(&cluster, dead).await;
            killed += 1;
        }
    }
    assert_eq!(killed, KILLS.len());
    example.finish().await;
}
