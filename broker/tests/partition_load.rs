//! What brokers tell of their load under traffic that is known to the byte: three brokers, a model fed
//! by their answers, a leader that goes, and a group that stops reading.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::{FindCoordinatorRequest, GroupId, OffsetCommitRequest};
use kintsugi_client::{Connection, Limits};
use kintsugi_load::{Counters, GroupModel, HALF_LIFE, LoadModel, TopicPartition, WARM_UP, read};
use kintsugi_types::{Endpoint, TimestampMs};
use kintsugi_wire::records::{Record, build};
use support::records::{consume, create_topic, produce_batch};
use support::{Cluster, eventually, http, partition, text};

const PARTITIONS: i32 = 3;

/// Records a batch, so that messages and requests differ.
const RECORDS: u64 = 3;

/// How often brokers are sampled.
const ROUND: Duration = Duration::from_secs(1);

/// Between what the client counted when an answer came and what the broker counted when it made it
/// lie a few milliseconds, and a batch or two, of a second.
const TOLERANCE: f64 = 0.10;

fn batch(partition: i32) -> Bytes {
    let value = vec![b'x'; 1_000 * usize::try_from(partition + 1).unwrap()];
    let record = Record {
        timestamp: TimestampMs(1),
        value: Some(value.into()),
        ..Record::default()
    };
    build(&vec![record; usize::try_from(RECORDS).unwrap()]).unwrap()
}

/// Producers of steady batches, one a partition; the larger its number, the larger its batches.
struct Load {
    is_over: Arc<AtomicBool>,
    /// Acknowledged batches by partition.
    acknowledged: Vec<Arc<AtomicU64>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn start(cluster: &Cluster) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let endpoints: Vec<Endpoint> = cluster.brokers.iter().map(|b| b.endpoint()).collect();
        let acknowledged: Vec<_> = (0..PARTITIONS)
            .map(|_| Arc::new(AtomicU64::new(0)))
            .collect();
        let tasks = acknowledged.iter().zip(0..).map(|(counter, index)| {
            let (counter, is_over) = (Arc::clone(counter), Arc::clone(&is_over));
            tokio::spawn(produce_until(endpoints.clone(), index, counter, is_over))
        });
        Self {
            tasks: tasks.collect(),
            is_over,
            acknowledged,
        }
    }

    fn batches(&self, partition: usize) -> u64 {
        self.acknowledged[partition].load(Ordering::Relaxed)
    }

    async fn stop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for task in self.tasks.drain(..) {
            task.await.unwrap();
        }
    }
}

async fn produce_until(
    endpoints: Vec<Endpoint>,
    index: i32,
    acknowledged: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
) {
    let batch = batch(index);
    let mut leader: Option<Connection> = None;
    let mut asked = 0;
    while !is_over.load(Ordering::Relaxed) {
        let Some(connection) = &leader else {
            asked += 1;
            leader = find_leader(&endpoints, asked, index).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        match produce_batch(connection, "t", index, batch.clone()).await {
            Some(Ok(_)) => {
                acknowledged.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            _ => leader = None,
        }
    }
}

async fn find_leader(endpoints: &[Endpoint], asked: usize, index: i32) -> Option<Connection> {
    let endpoint = &endpoints[asked % endpoints.len()];
    let connection = Connection::connect(endpoint, "test", Limits::default())
        .await
        .ok()?;
    let metadata = support::metadata(&connection, &["t"]).await?;
    let topic = metadata.topics.first()?;
    let found = topic
        .partitions
        .iter()
        .find(|p| p.partition_index == index)?;
    let broker = metadata
        .brokers
        .iter()
        .find(|b| b.node_id == found.leader_id)?;
    let endpoint = Endpoint {
        host: broker.host.to_string(),
        port: u16::try_from(broker.port).ok()?,
    };
    Connection::connect(&endpoint, "test", Limits::default())
        .await
        .ok()
}

/// The model, and the same rates from what the client counted, by the half-life alone.
struct Watch {
    began: Instant,
    model: LoadModel,
    groups: GroupModel,
    /// When, and how many batches of each partition were acknowledged by then.
    seen: Vec<(Duration, Vec<u64>)>,
}

impl Watch {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            model: LoadModel::default(),
            groups: GroupModel::default(),
            seen: Vec::new(),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap()
    }

    async fn round(&mut self, cluster: &Cluster, load: &Load) {
        let batches = (0..3).map(|p| load.batches(p)).collect();
        self.seen.push((self.began.elapsed(), batches));
        for node in &cluster.brokers {
            let (id, port) = (node.id, node.http_port);
            if let Some((200, answer)) = http::request(port, "GET", "/v1/load", "").await {
                let sample = read::load(&serde_json::to_vec(&answer).unwrap()).unwrap();
                self.model.take(id, self.now(), &sample);
            }
            if let Some((200, answer)) = http::request(port, "GET", "/v1/group-offsets", "").await {
                let told = read::group_offsets(&serde_json::to_vec(&answer).unwrap()).unwrap();
                self.groups.take(self.now(), told.0);
            }
        }
    }

    async fn rounds(&mut self, cluster: &Cluster, load: &Load, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.round(cluster, load).await;
            tokio::time::sleep(ROUND).await;
        }
    }

    /// Batches a second, as the client saw it.
    fn expected(&self, partition: usize) -> f64 {
        let (last, _) = self.seen.last().unwrap();
        let (mut sum, mut weight) = (0.0, 0.0);
        for pair in self.seen.windows(2) {
            let [(from, before), (to, after)] = pair else {
                unreachable!()
            };
            let seconds = (*to - *from).as_secs_f64();
            let age = (*last - *to).as_secs_f64() / HALF_LIFE.as_secs_f64();
            let share = (-age).exp2() * (1.0 - (-seconds / HALF_LIFE.as_secs_f64()).exp2());
            sum += share * (after[partition] - before[partition]) as f64 / seconds;
            weight += share;
        }
        sum / weight
    }

    fn assert_rates(&self, when: &str) {
        assert!(self.model.is_useful(), "{when}");
        for number in 0..PARTITIONS {
            let place = usize::try_from(number).unwrap();
            let rates = self.model.rates(&key(number));
            let batches = self.expected(place);
            let bytes = batches * batch(number).len() as f64;
            let off = |found: f64, expected: f64| (found / expected - 1.0).abs();
            eprintln!("{when}: partition {number}: {rates:?}, the client sent {bytes:.0} bytes/s");
            assert!(
                off(rates.bytes_in, bytes) < TOLERANCE,
                "{when}: partition {number}"
            );
            let messages = batches * RECORDS as f64;
            assert!(
                off(rates.messages_in, messages) < TOLERANCE,
                "{when}: partition {number}"
            );
            // Each of two followers takes every byte.
            let replicated = rates.replication_bytes_out / (2.0 * bytes);
            assert!((0.4..1.2).contains(&replicated), "{when}: {replicated}");
        }
    }
}

fn key(number: i32) -> TopicPartition {
    TopicPartition {
        topic: "t".into(),
        number,
    }
}

/// The counters of the partition's leader.
async fn counters(cluster: &Cluster, number: i32) -> Counters {
    for node in &cluster.brokers {
        let Some((200, answer)) = http::request(node.http_port, "GET", "/v1/load", "").await else {
            continue;
        };
        let sample = read::load(&serde_json::to_vec(&answer).unwrap()).unwrap();
        let topic = sample.topics.into_iter().find(|topic| &*topic.name == "t");
        let partitions = topic.map(|topic| topic.partitions).unwrap_or_default();
        let found = partitions
            .iter()
            .find(|p| p.number == number && p.is_leader);
        if let Some(counters) = found.and_then(|found| found.counters) {
            return counters;
        }
    }
    panic!("nobody leads partition {number}");
}

async fn commit(cluster: &Cluster, offsets: &[i64]) {
    eventually("the commit", async || {
        let any = cluster.brokers[0].connect().await;
        let find = FindCoordinatorRequest::default().with_key(text("g"));
        let found = any.request(3, &find).await.ok()?;
        let node = cluster
            .brokers
            .iter()
            .find(|node| node.id == found.node_id.0)?;
        let partitions = offsets.iter().zip(0..).map(|(offset, index)| {
            OffsetCommitRequestPartition::default()
                .with_partition_index(index)
                .with_committed_offset(*offset)
        });
        let topic = OffsetCommitRequestTopic::default()
            .with_name(text("t").into())
            .with_partitions(partitions.collect());
        let request = OffsetCommitRequest::default()
            .with_group_id(GroupId(text("g")))
            .with_topics(vec![topic]);
        let response = node.connect().await.request(8, &request).await.ok()?;
        let partitions = &response.topics.first()?.partitions;
        partitions.iter().all(|p| p.error_code == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rates_are_the_clients_own_through_a_leader_move_and_lag_is_right_to_the_record() {
    let directory = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(directory.path(), 3);
    cluster.await_brokers(3).await;
    let connection = cluster.brokers[0].connect().await;
    assert_eq!(create_topic(&connection, "t", PARTITIONS, 3).await, 0);
    eventually("leaders", async || {
        for index in 0..PARTITIONS {
            let found = partition(&connection, "t", index).await?;
            (found.isr_nodes.len() == 3).then_some(())?;
        }
        Some(())
    })
    .await;

    let mut load = Load::start(&cluster);
    let mut watch = Watch::new();
    watch
        .rounds(&cluster, &load, WARM_UP + Duration::from_secs(4))
        .await;
    watch.assert_rates("before the move");

    // The leader of partition 0 is stopped; the others take over what it led.
    let leader = partition(&connection, "t", 0).await.unwrap().leader_id.0;
    assert_eq!(cluster.broker(leader).stop(), Some(0));
    watch.rounds(&cluster, &load, Duration::from_secs(15)).await;
    watch.assert_rates("after the move");
    let moved = watch.model.partitions();
    let moved = moved.iter().find(|load| load.partition == key(0)).unwrap();
    assert!(moved.leader.is_some_and(|now| now != leader), "{moved:?}");

    load.stop().await;
    cluster.broker(leader).start();
    cluster.await_brokers(3).await;
    lag(&cluster, &load, &mut watch).await;
}

/// A group has committed part of what is there, and stands still.
async fn lag(cluster: &Cluster, load: &Load, watch: &mut Watch) {
    let mut ends = Vec::new();
    for index in 0..PARTITIONS {
        let endpoints: Vec<Endpoint> = cluster.brokers.iter().map(|b| b.endpoint()).collect();
        let leader = eventually("a leader", async || find_leader(&endpoints, 0, index).await).await;
        let values = consume(&leader, "t", index).await;
        ends.push(i64::try_from(values.len()).unwrap());
    }
    let committed: Vec<i64> = ends
        .iter()
        .zip(0..)
        .map(|(end, index)| end - 7 * (index + 1))
        .collect();
    commit(cluster, &committed).await;
    tokio::time::sleep(ROUND).await;
    watch.round(cluster, load).await;
    let lags = watch.groups.lags(watch.now(), &watch.model);
    assert_eq!(lags.len(), 1);
    let records: Vec<f64> = lags[0].partitions.iter().map(|lag| lag.records).collect();
    assert_eq!(records, [7.0, 14.0, 21.0]);
    assert_eq!(lags[0].records, 42.0);
    assert!(
        lags[0].age().is_some_and(|age| age.millis() > 0),
        "{lags:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_are_what_clients_sent_and_got_to_the_byte() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(directory.path(), 3);
    cluster.await_brokers(3).await;
    let connection = cluster.brokers[0].connect().await;
    assert_eq!(create_topic(&connection, "t", PARTITIONS, 3).await, 0);
    let endpoints: Vec<Endpoint> = cluster.brokers.iter().map(|b| b.endpoint()).collect();
    for index in 0..PARTITIONS {
        let leader = eventually("a leader", async || find_leader(&endpoints, 0, index).await).await;
        let batches = 10 * (u64::try_from(index).unwrap() + 1);
        for _ in 0..batches {
            eventually("an ack", async || {
                produce_batch(&leader, "t", index, batch(index)).await?.ok()
            })
            .await;
        }
        let records = consume(&leader, "t", index).await.len() as f64;
        tokio::time::sleep(Duration::from_millis(600)).await;
        let found = counters(&cluster, index).await;
        let bytes = batches as f64 * batch(index).len() as f64;
        assert_eq!(found.bytes_in, bytes);
        assert_eq!(found.bytes_out, bytes);
        assert_eq!(found.replication_bytes_out, 2.0 * bytes);
        assert_eq!(found.messages_in, records);
        assert!(found.produce_requests >= batches as f64);
        assert!(found.fetch_requests >= 2.0);
    }
    let port = cluster.brokers[0].http_port;
    let metrics = http::text(port, "/metrics").await.unwrap();
    for name in [
        "process_cpu_seconds_total ",
        "process_start_time_seconds ",
        "kintsugi_log_directory_total_bytes ",
    ] {
        assert!(metrics.lines().any(|line| line.starts_with(name)), "{name}");
    }
    // What Kafka's exporter names so reads the same here.
    let sample =
        read::jmx_exporter(&http::text(port, "/metrics/partitions").await.unwrap()).unwrap();
    let topic = sample
        .topics
        .iter()
        .find(|topic| &*topic.name == "t")
        .unwrap();
    assert_eq!(topic.partitions.len(), 3);
    for partition in topic.partitions.iter().filter(|p| p.is_leader) {
        let expected = counters(&cluster, partition.number).await;
        assert_eq!(partition.counters.unwrap().bytes_in, expected.bytes_in);
    }
}
