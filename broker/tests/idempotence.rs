//! Idempotent producers of whole clusters: ids, retries through a kill, and a foreign client.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse};
use kintsugi_client::Connection;
use kintsugi_types::{ProducerEpoch, ProducerId};
use kintsugi_wire::records::{BatchOptions, Record, build_with};

use support::python::Script;
use support::records::{consume, create_topic, produce_batch};
use support::{Cluster, eventually, metadata, partition, text};

async fn init(connection: &Connection, request: &InitProducerIdRequest) -> InitProducerIdResponse {
    connection.request(4, request).await.unwrap()
}

/// An id from this broker, asked for until there is one.
async fn producer_id(cluster: &Cluster, broker: usize) -> i64 {
    eventually("a producer id", async || {
        let connection = cluster.brokers[broker].connect().await;
        let request = InitProducerIdRequest::default().with_transactional_id(None);
        let answer: InitProducerIdResponse = connection.request(4, &request).await.ok()?;
        (answer.error_code == 0).then_some(answer.producer_id.0)
    })
    .await
}

fn numbered(producer: i64, sequence: i32) -> Bytes {
    let options = BatchOptions {
        producer_id: ProducerId(producer),
        producer_epoch: ProducerEpoch(0),
        base_sequence: sequence,
        ..BatchOptions::default()
    };
    let record = Record {
        value: Some(Bytes::from(sequence.to_string())),
        ..Record::default()
    };
    build_with(options, &[record]).unwrap()
}

/// Sends a batch to whoever leads until it is acknowledged; gives its offset.
async fn send(cluster: &Cluster, except: i32, producer: i64, sequence: i32) -> i64 {
    eventually("an acknowledgement", async || {
        let leader = leader(cluster, except).await;
        let node = cluster.brokers.iter().find(|node| node.id == leader)?;
        let connection = node.connect().await;
        let batch = numbered(producer, sequence);
        match produce_batch(&connection, "t", 0, batch).await? {
            Ok(offset) => Some(offset),
            // OUT_OF_ORDER_SEQUENCE_NUMBER would mean that something was lost.
            Err(error) => {
                assert_ne!(error, 45, "sequence {sequence}");
                None
            }
        }
    })
    .await
}

async fn leader(cluster: &Cluster, except: i32) -> i32 {
    let connection = cluster.other_than(except).connect().await;
    eventually("a leader", async || {
        let leader = partition(&connection, "t", 0).await?.leader_id.0;
        (leader >= 0 && leader != except).then_some(leader)
    })
    .await
}

async fn full_isr(cluster: &Cluster, except: i32) {
    let connection = cluster.other_than(except).connect().await;
    eventually("a full ISR", async || {
        let metadata = metadata(&connection, &["t"]).await?;
        let mut partitions = metadata.topics.first()?.partitions.iter();
        partitions.all(|p| p.isr_nodes.len() == 3).then_some(())
    })
    .await;
}

#[tokio::test]
async fn no_producer_id_is_given_twice_though_brokers_and_controllers_start_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(directory.path(), 3);
    cluster.await_brokers(3).await;
    let mut given = BTreeSet::new();
    for _ in 0..3 {
        for broker in 0..3 {
            for _ in 0..5 {
                let id = producer_id(&cluster, broker).await;
                assert!(given.insert(id), "{id} was given before: {given:?}");
            }
        }
        for node in cluster.controllers.iter_mut().chain(&mut cluster.brokers) {
            node.kill();
        }
        for node in cluster.controllers.iter_mut().chain(&mut cluster.brokers) {
            node.start();
        }
        cluster.await_brokers(3).await;
    }
}

#[tokio::test]
async fn a_transactional_producer_is_refused_and_not_made_an_idempotent_one() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(directory.path(), 3);
    cluster.await_brokers(3).await;
    let connection = cluster.brokers[0].connect().await;
    let plain = InitProducerIdRequest::default();
    let transactional = plain.with_transactional_id(Some(text("transactional").into()));
    let refused = init(&connection, &transactional).await;
    assert_eq!((refused.error_code, refused.producer_id.0), (35, -1));
}

#[tokio::test]
async fn batches_sent_again_after_kills_and_stops_are_in_the_log_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(directory.path(), 3);
    cluster.await_brokers(3).await;
    let connection = cluster.brokers[0].connect().await;
    assert_eq!(create_topic(&connection, "t", 1, 3).await, 0);
    let producer = producer_id(&cluster, 0).await;
    let mut next = 0;
    for is_killed in [true, false, true] {
        for sequence in next..next + 5 {
            assert_eq!(
                send(&cluster, -1, producer, sequence).await,
                i64::from(sequence)
            );
        }
        let gone = leader(&cluster, -1).await;
        if is_killed {
            cluster.broker(gone).kill();
        } else {
            assert_eq!(cluster.broker(gone).stop(), Some(0));
        }
        // The producer did not hear the last five answers.
        for sequence in next..next + 6 {
            assert_eq!(
                send(&cluster, gone, producer, sequence).await,
                i64::from(sequence)
            );
        }
        next += 6;
        cluster.broker(gone).start();
        full_isr(&cluster, gone).await;
    }
    let present = leader(&cluster, -1).await;
    let connection = cluster.broker(present).connect().await;
    let expected: Vec<String> = (0..next).map(|n| n.to_string()).collect();
    assert_eq!(consume(&connection, "t", 0).await, expected);
}

/// Kills a broker while another is frozen for a moment: the third then has what nobody was answered
/// about, and clients send it again.
async fn kill_with_answers_due(cluster: &mut Cluster, dead: i32) {
    let frozen = cluster.other_than(dead).pid().to_string();
    let signal = |name: &str| {
        let status = Command::new("kill").args([name, &frozen]).status();
        assert!(status.unwrap().success());
    };
    signal("-STOP");
    tokio::time::sleep(Duration::from_millis(300)).await;
    cluster.broker(dead).kill();
    signal("-CONT");
}

/// How many records the foreign client produces.
const COUNT: usize = 15_000;

#[tokio::test]
async fn a_default_producer_of_kafka_python_loses_and_repeats_nothing_through_kills_of_leaders() {
    let directory = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(directory.path(), 3);
    cluster.await_brokers(3).await;
    let connection = cluster.brokers[0].connect().await;
    assert_eq!(create_topic(&connection, "t", 6, 3).await, 0);
    let arguments = [&*cluster.bootstrap(), "t", &COUNT.to_string()];
    let mut client = Script::start("tests/clients/kafka_python.py", &arguments);
    let mut kills = 0;
    while let Some(line) = client.line().await {
        let due = (kills + 1) * COUNT / 4;
        let acknowledged = line.strip_prefix("acknowledged ");
        let acknowledged = acknowledged.and_then(|n| n.parse::<usize>().ok());
        if kills < 3 && acknowledged.is_some_and(|acknowledged| acknowledged >= due) {
            let dead = leader(&cluster, -1).await;
            println!("killing broker {dead}");
            kill_with_answers_due(&mut cluster, dead).await;
            kills += 1;
            tokio::time::sleep(Duration::from_secs(1)).await;
            cluster.broker(dead).start();
            full_isr(&cluster, dead).await;
        }
    }
    assert_eq!(kills, 3);
    client.finish().await;
}
