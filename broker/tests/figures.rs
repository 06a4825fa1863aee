//! Figures of one machine, printed. Run by hand, against a binary of the `image` profile:
//! `KINTSUGI_BROKER=target/image/kintsugi-broker cargo test -p kintsugi-broker --test figures -- --ignored --nocapture --test-threads 1`
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use support::records::{create_topic, produce};
use support::{Cluster, PATIENCE, eventually, metadata, single};

const PARTITIONS: i32 = 120;
const KILLS: usize = 5;

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
#[ignore = "prints figures"]
async fn start_to_serving_and_idle_memory() {
    for _ in 0..5 {
        let directory = tempfile::tempdir().unwrap();
        let mut node = single(directory.path());
        let started = Instant::now();
        node.start();
        let connection = node.connect().await;
        metadata(&connection, &[]).await.unwrap();
        println!(
            "start to the first Metadata answer: {} ms",
            started.elapsed().as_millis()
        );
        tokio::time::sleep(Duration::from_secs(1)).await;
        println!("idle, resident: {} KiB", resident_kib(node.pid()));
    }
}

/// Who leads each partition, as one broker tells it; partitions without a leader are left out.
async fn leaders(connection: &kintsugi_client::Connection) -> BTreeMap<i32, i32> {
    let metadata = metadata(connection, &["t"]).await.unwrap();
    let partitions = metadata.topics[0].partitions.iter();
    partitions
        .filter(|partition| partition.leader_id.0 >= 0)
        .map(|partition| (partition.partition_index, partition.leader_id.0))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "prints figures"]
async fn kill_of_a_leader_to_the_next_acknowledgement() {
    let directory = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(directory.path(), 3);
    cluster.await_brokers(3).await;
    let connection = cluster.brokers[0].connect().await;
    assert_eq!(create_topic(&connection, "t", PARTITIONS, 3).await, 0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut led_gaps = Vec::new();
    let mut followed_gaps = Vec::new();
    for round in 0..KILLS {
        let dead = i32::try_from(round % 3).unwrap();
        await_full_isr(&cluster).await;
        // Two deaths within a second count as suspicion only.
        tokio::time::sleep(Duration::from_secs(3)).await;
        let before = leaders(&cluster.other_than(dead).connect().await).await;
        let mut connections = BTreeMap::new();
        for node in cluster.brokers.iter().filter(|node| node.id != dead) {
            connections.insert(node.id, node.connect().await);
        }
        cluster.broker(dead).kill();
        let killed = Instant::now();
        let (tell, told) = watch::channel(BTreeMap::new());
        let any = connections.values().next().unwrap().clone();
        let poller = tokio::spawn(async move {
            loop {
                tell.send_replace(leaders(&any).await);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        let probes = (0..PARTITIONS).map(|index| {
            let (connections, told) = (connections.clone(), told.clone());
            let was_led = before.get(&index) == Some(&dead);
            tokio::spawn(async move { (was_led, probe(&connections, index, killed, told).await) })
        });
        for probe in probes.collect::<Vec<_>>() {
            let (was_led, gap) = probe.await.unwrap();
            if was_led {
                &mut led_gaps
            } else {
                &mut followed_gaps
            }
            .push(gap);
        }
        poller.abort();
        cluster.broker(dead).start();
    }
    print_gaps("led by the dead broker", led_gaps);
    print_gaps("followed by the dead broker", followed_gaps);
}

/// Time from the kill to the first acknowledged (acks=all) record.
async fn probe(
    connections: &BTreeMap<i32, kintsugi_client::Connection>,
    index: i32,
    killed: Instant,
    told: watch::Receiver<BTreeMap<i32, i32>>,
) -> Duration {
    let deadline = killed + PATIENCE;
    while Instant::now() < deadline {
        let leader = told.borrow().get(&index).copied();
        if let Some(connection) = leader.and_then(|id| connections.get(&id))
            && let Some(Ok(_)) = produce(connection, "t", index, "probe").await
        {
            return killed.elapsed();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("partition {index} never took a record");
}

async fn await_full_isr(cluster: &Cluster) {
    cluster.await_brokers(3).await;
    let connection = cluster.brokers[0].connect().await;
    eventually("full ISRs", async || {
        let metadata = metadata(&connection, &["t"]).await?;
        let mut partitions = metadata.topics.first()?.partitions.iter();
        partitions
            .all(|partition| partition.isr_nodes.len() == 3)
            .then_some(())
    })
    .await;
}

fn print_gaps(what: &str, mut gaps: Vec<Duration>) {
    gaps.sort();
    let at = |share: f64| gaps[((gaps.len() - 1) as f64 * share) as usize].as_millis();
    println!(
        "{what}: {} gaps, p50 {} ms, p99 {} ms, max {} ms",
        gaps.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
}
