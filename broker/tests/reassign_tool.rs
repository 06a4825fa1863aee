//! `kafka-reassign-partitions.sh` of Apache Kafka 4.1.1 against four brokers and three controllers.
//! `make console-tools` brings the jars and runs this; without them it is not run.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use kintsugi_types::TimestampMs;
use kintsugi_wire::records::{Record, build};
use support::java::{Ran, run};
use support::reassign::{alter, list};
use support::records::{create_topic, write_batch};
use support::{Cluster, eventually, partition};

const TOOL: &str = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
const CONFIGS: &str = "kafka.admin.ConfigCommand";

/// At this rate the copy of what the test writes takes more than a minute.
const SLOW: &str = "50000";
/// At this one it does not matter.
const FAST: &str = "1000000000";

struct Tool {
    bootstrap: String,
    folder: PathBuf,
}

impl Tool {
    /// Runs the tool; `json` is the file of moves, or of topics to move.
    fn run(&self, action: &str, json: Option<&str>, more: &[&str]) -> Ran {
        let file = self.folder.join("moves.json");
        let file = file.to_str().unwrap();
        let option = match action {
            "--generate" => "--topics-to-move-json-file",
            _ => "--reassignment-json-file",
        };
        let mut arguments = vec!["--bootstrap-server", &self.bootstrap, action];
        if let Some(json) = json {
            std::fs::write(file, json).unwrap();
            arguments.extend([option, file]);
        }
        arguments.extend(more);
        run(TOOL, &arguments, "")
    }

    fn configs(&self, entity: &str, name: &str) -> Ran {
        let arguments = [
            "--bootstrap-server",
            &self.bootstrap,
            "--describe",
            "--entity-type",
            entity,
            "--entity-name",
            name,
        ];
        run(CONFIGS, &arguments, "")
    }
}

/// The file of moves of both partitions to these replicas.
fn moves(replicas: &str) -> String {
    let of = |index| format!(r#"{{"topic":"t","partition":{index},"replicas":{replicas}}}"#);
    format!(r#"{{"version":1,"partitions":[{},{}]}}"#, of(0), of(1))
}

/// Two partitions on brokers 0, 1 and 2, with about 2 MB each.
async fn fill(cluster: &Cluster) {
    let connection = cluster.brokers[0].connect().await;
    assert_eq!(create_topic(&connection, "t", 2, 3).await, 0);
    let replicas = &[0, 1, 2][..];
    let codes = alter(
        &connection,
        "t",
        &[(0, Some(replicas)), (1, Some(replicas))],
    )
    .await;
    assert_eq!(codes, [0, 0]);
    eventually("the topic to be in its place", async || {
        list(&connection).await?.is_empty().then_some(())
    })
    .await;
    for index in 0..2 {
        for _ in 0..40 {
            let record = Record {
                timestamp: TimestampMs(1),
                value: Some(Bytes::from(vec![b'x'; 50_000])),
                ..Record::default()
            };
            let batch = build(&[record]).unwrap();
            write_batch(&cluster, "t", index, &batch).await;
        }
    }
}

#[tokio::test]
async fn partitions_move_by_the_reassignment_tool_of_apache_kafka() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(directory.path(), 4);
    cluster.await_brokers(4).await;
    fill(&cluster).await;
    let ports = cluster.brokers.iter().map(|node| node.client_port);
    let each: Vec<String> = ports.map(|port| format!("127.0.0.1:{port}")).collect();
    let tool = Tool {
        bootstrap: each.join(","),
        folder: directory.path().to_owned(),
    };

    let topics = r#"{"version":1,"topics":[{"topic":"t"}]}"#;
    let brokers = ["--broker-list", "1,2,3"];
    tool.run("--generate", Some(topics), &brokers).prints(&[
        "Current partition replica assignment",
        r#""replicas":[0,1,2]"#,
        "Proposed partition reassignment configuration",
    ]);
    tool.run("--list", None, &[])
        .prints(&["No partition reassignments found."]);

    begin_and_cancel(&tool);

    // Once more; in the middle the throttle is lifted.
    let target = moves("[3,1,2]");
    tool.run("--execute", Some(&target), &["--throttle", SLOW])
        .prints(&["Successfully started partition reassignments for t-0,t-1"]);
    tool.run(
        "--execute",
        Some(&target),
        &["--additional", "--throttle", FAST],
    )
    .prints(&["The inter-broker throttle limit was set to 1000000000 B/s"]);
    let connection = cluster.brokers[3].connect().await;
    eventually("the moves to end", async || {
        list(&connection).await?.is_empty().then_some(())
    })
    .await;
    verify(&tool, &target);
    for index in 0..2 {
        let found = partition(&connection, "t", index).await.unwrap();
        let replicas: Vec<i32> = found.replica_nodes.iter().map(|id| id.0).collect();
        assert_eq!(replicas, [3, 1, 2]);
        assert!(!directory.path().join(format!("data-0/t-{index}")).exists());
    }

    // More replicas, and fewer.
    for replicas in ["[3,1,2,0]", "[0,3]"] {
        let target = moves(replicas);
        tool.run("--execute", Some(&target), &[])
            .prints(&["Successfully started partition reassignments"]);
        eventually("the moves to end", async || {
            list(&connection).await?.is_empty().then_some(())
        })
        .await;
        verify(&tool, &target);
    }
    let unknown = moves("[0,9]");
    tool.run("--execute", Some(&unknown), &[])
        .refuses("Unknown broker id 9");
}

/// A throttled move goes slowly, is seen by the tool, and can be cancelled.
fn begin_and_cancel(tool: &Tool) {
    let target = moves("[3,1,2]");
    tool.run("--execute", Some(&target), &["--throttle", SLOW])
        .prints(&[
            "The inter-broker throttle limit was set to 50000 B/s",
            "Successfully started partition reassignments for t-0,t-1",
        ]);
    tool.configs("brokers", "3").prints(&[
        "leader.replication.throttled.rate=50000",
        "follower.replication.throttled.rate=50000",
    ]);
    tool.configs("topics", "t").prints(&[
        "leader.replication.throttled.replicas=0:0,0:1,0:2,1:0,1:1,1:2",
        "follower.replication.throttled.replicas=0:3,1:3",
    ]);
    std::thread::sleep(Duration::from_secs(2));
    tool.run("--list", None, &[]).prints(&[
        "Current partition reassignments:",
        "t-0: replicas: 3,1,2,0. adding: 3. removing: 0.",
        "t-1: replicas: 3,1,2,0. adding: 3. removing: 0.",
    ]);
    tool.run("--verify", Some(&target), &["--preserve-throttles"])
        .prints(&["Reassignment of partition t-0 is still in progress."]);
    tool.run("--cancel", Some(&target), &[]).prints(&[
        "Successfully cancelled partition reassignments for: t-0,t-1",
        "Clearing broker-level throttles on brokers 0,1,2,3",
        "Clearing topic-level throttles on topic t",
    ]);
    tool.run("--list", None, &[])
        .prints(&["No partition reassignments found."]);
}

/// The tool finds the moves complete, and takes its throttles away.
fn verify(tool: &Tool, target: &str) {
    tool.run("--verify", Some(target), &[]).prints(&[
        "Reassignment of partition t-0 is completed.",
        "Reassignment of partition t-1 is completed.",
        "Clearing broker-level throttles on brokers 0,1,2,3",
    ]);
    tool.configs("brokers", "3")
        .lacks(&["throttled.rate=50000"]);
    tool.configs("topics", "t")
        .lacks(&["throttled.replicas=0:"]);
}
