//! The console tools of Apache Kafka 4.1.1 against three brokers and three controllers.
//! `make console-tools` brings the jars and runs this; without them it is not run.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::Write as _;

use support::java::{Ran, run};
use support::{Cluster, eventually, metadata, partition};

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const CONFIGS: &str = "kafka.admin.ConfigCommand";
const ELECTION: &str = "org.apache.kafka.tools.LeaderElectionCommand";
const LOG_DIRS: &str = "org.apache.kafka.tools.LogDirsCommand";
const QUORUM: &str = "org.apache.kafka.tools.MetadataQuorumCommand";
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const DELETE_RECORDS: &str = "org.apache.kafka.tools.DeleteRecordsCommand";
const OFFSETS: &str = "org.apache.kafka.tools.GetOffsetShell";
const API_VERSIONS: &str = "org.apache.kafka.tools.BrokerApiVersionsCommand";
const CLUSTER: &str = "org.apache.kafka.tools.ClusterTool";
const PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";
const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";

/// Runs tools against one cluster.
struct Tools {
    bootstrap: String,
}

impl Tools {
    fn of(cluster: &Cluster) -> Self {
        let ports = cluster.brokers.iter().take(3).map(|node| node.client_port);
        let each: Vec<String> = ports.map(|port| format!("127.0.0.1:{port}")).collect();
        let bootstrap = each.join(",");
        Self { bootstrap }
    }

    fn run(&self, class: &str, arguments: &str) -> Ran {
        self.type_into(class, arguments, "")
    }

    /// Runs a tool; arguments are parted by blanks.
    fn type_into(&self, class: &str, arguments: &str, input: &str) -> Ran {
        let mut all: Vec<&str> = arguments.split_whitespace().collect();
        // The quorum's tool has them before its command, the cluster's after it.
        let at = if class == QUORUM { 0 } else { all.len() };
        all.splice(at..at, ["--bootstrap-server", self.bootstrap.as_str()]);
        run(class, &all, input)
    }
}

#[tokio::test]
async fn the_console_tools_of_apache_kafka_work() {
    let directory = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(directory.path(), 4);
    cluster.await_brokers(4).await;
    let tools = Tools::of(&cluster);
    describe_the_cluster(&tools);
    unregister(&mut cluster, &tools).await;
    create_topics(&tools);
    alter_topic_configs(&tools);
    alter_broker_configs(&tools);
    produce_and_consume(&tools);
    inspect_offsets(&tools);
    manage_groups(&tools);
    delete_records(&tools, directory.path());
    describe_logs(&tools);
    elect_preferred_leaders(&mut cluster, &tools).await;
    elect_unclean_leader(&mut cluster, &tools).await;
    delete_topics(&tools);
}

fn describe_the_cluster(tools: &Tools) {
    tools
        .run(API_VERSIONS, "")
        .prints(&["Produce(0): 0 to 11", "IncrementalAlterConfigs(44): 0 to 1"]);
    tools
        .run(CLUSTER, "cluster-id")
        .prints(&["Cluster ID: kintsugi-dev"]);
    tools
        .run(CLUSTER, "list-endpoints")
        .prints(&["127.0.0.1", "rack-3"]);
    tools.run(QUORUM, "describe --status").prints(&[
        "ClusterId:              kintsugi-dev",
        "HighWatermark:",
        "\"id\": 1000",
        "\"id\": 1002",
    ]);
    let replication = tools.run(QUORUM, "describe --replication");
    replication.prints(&["Leader", "Follower", "Observer"]);
}

async fn unregister(cluster: &mut Cluster, tools: &Tools) {
    tools
        .run(CLUSTER, "unregister --id 3")
        .refuses("Broker 3 is not fenced: stop it before it is unregistered.");
    assert_eq!(cluster.broker(3).stop(), Some(0));
    cluster.await_brokers(3).await;
    tools
        .run(CLUSTER, "list-endpoints --include-fenced-brokers")
        .prints(&["rack-3"]);
    tools
        .run(CLUSTER, "unregister --id 3")
        .prints(&["Broker 3 is no longer registered."]);
    tools
        .run(CLUSTER, "list-endpoints --include-fenced-brokers")
        .prints(&["rack-2"])
        .lacks(&["rack-3"]);
}

fn create_topics(tools: &Tools) {
    let create =
        "--create --topic t --partitions 2 --replication-factor 3 --config segment.ms=3600000";
    tools.run(TOPICS, create).prints(&["Created topic t."]);
    tools
        .run(TOPICS, create)
        .refuses("Topic 't' already exists.");
    tools.run(TOPICS, "--list").prints(&["t\n"]);
    tools
        .run(TOPICS, "--alter --topic t --partitions 3")
        .prints(&[]);
    tools
        .run(TOPICS, "--alter --topic t --partitions 1")
        .refuses("The topic t currently has 3 partition(s); 1 would not be an increase.");
    tools.run(TOPICS, "--describe --topic t").prints(&[
        "PartitionCount: 3",
        "ReplicationFactor: 3",
        "segment.ms=3600000",
        "Partition: 2",
        "Elr:",
    ]);
}

fn alter_topic_configs(tools: &Tools) {
    let of_topic = "--entity-type topics --entity-name t";
    let alter = |change: &str| tools.run(CONFIGS, &format!("{of_topic} --alter {change}"));
    let describe = || tools.run(CONFIGS, &format!("{of_topic} --describe"));
    alter("--add-config max.message.bytes=2000000,retention.ms=7200000")
        .prints(&["Completed updating config for topic t."]);
    describe().prints(&[
        "max.message.bytes=2000000 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:max.message.bytes=2000000, DEFAULT_CONFIG:message.max.bytes=1048588}",
        "retention.ms=7200000",
    ]);
    alter("--add-config preallocate=true")
        .refuses("Topic config preallocate cannot be set: no broker of this cluster obeys it.");
    alter("--add-config retention.ms=soon")
        .refuses("Invalid value soon for configuration retention.ms: Not a number of type LONG");
    alter("--delete-config max.message.bytes").prints(&["Completed updating config"]);
    describe()
        .prints(&["retention.ms=7200000"])
        .lacks(&["max.message.bytes=2000000"]);
    let all = format!("{of_topic} --describe --all");
    tools.run(CONFIGS, &all).prints(&[
        "min.insync.replicas=2 sensitive=false synonyms={STATIC_BROKER_CONFIG:min.insync.replicas=2, DEFAULT_CONFIG:min.insync.replicas=2}",
        "unclean.leader.election.enable=false",
    ]);
}

fn alter_broker_configs(tools: &Tools) {
    let of_one = "--entity-type brokers --entity-name 0";
    let of_all = "--entity-type brokers --entity-default";
    let run = |whose: &str, what: &str| tools.run(CONFIGS, &format!("{whose} {what}"));
    run(of_all, "--alter --add-config log.retention.ms=86400000")
        .prints(&["Completed updating default config for brokers in the cluster."]);
    run(of_one, "--alter --add-config log.retention.ms=43200000")
        .prints(&["Completed updating config for broker 0."]);
    run(of_one, "--describe").prints(&[
        "log.retention.ms=43200000 sensitive=false synonyms={DYNAMIC_BROKER_CONFIG:log.retention.ms=43200000, DYNAMIC_DEFAULT_BROKER_CONFIG:log.retention.ms=86400000, DEFAULT_CONFIG:log.retention.ms=604800000}",
    ]);
    run(of_all, "--describe").prints(&["log.retention.ms=86400000"]);
    run(of_one, "--alter --add-config num.network.threads=3")
        .refuses("Cannot update these configs dynamically: Set(num.network.threads)");
    run(of_one, "--alter --add-config min.insync.replicas=1")
        .refuses("Broker-level min.insync.replicas cannot be altered");
    run(of_one, "--alter --delete-config log.retention.ms").prints(&["Completed"]);
    run(of_all, "--alter --delete-config log.retention.ms").prints(&["Completed"]);
    run(of_one, "--describe --all")
        .prints(&["log.retention.ms=604800000", "node.id=0"])
        .lacks(&["43200000"]);
}

fn produce_and_consume(tools: &Tools) {
    let input: String = (0..20)
        .map(|number| format!("key-{number}:value-{number}\n"))
        .collect();
    let produce = "--topic t --property parse.key=true --property key.separator=:";
    tools.type_into(PRODUCER, produce, &input).prints(&[]);
    tools
        .run(
            CONSUMER,
            "--topic t --group g --from-beginning --max-messages 20",
        )
        .prints(&[
            "value-0\n",
            "value-19\n",
            "Processed a total of 20 messages",
        ]);
}

/// The sum of the offsets that kafka-get-offsets prints for topic `t`.
fn sum(ran: &Ran) -> i64 {
    let lines = ran.output.lines().filter(|line| line.starts_with("t:"));
    lines
        .map(|line| line.rsplit(':').next().unwrap().parse::<i64>().unwrap_or(0))
        .sum()
}

fn inspect_offsets(tools: &Tools) {
    let at = |time: &str| {
        tools
            .run(OFFSETS, &format!("--topic t --time {time}"))
            .prints(&["t:0:"])
    };
    assert_eq!(sum(&at("-1")), 20);
    assert_eq!(sum(&at("-2")), 0);
    assert_eq!(sum(&at("-4")), 0);
    let last = sum(&at("-3"));
    assert!((0..20).contains(&last), "{last}");
    assert_eq!(sum(&at("1")), 0, "every record is later than 1970");
}

fn manage_groups(tools: &Tools) {
    tools.run(GROUPS, "--list").prints(&["g\n"]);
    tools
        .run(GROUPS, "--describe --group g")
        .prints(&["has no active members", "CURRENT-OFFSET"]);
    tools
        .run(GROUPS, "--describe --group g --state")
        .prints(&["Empty"]);
    tools
        .run(GROUPS, "--describe --group g --members")
        .prints(&["has no active members"]);
    let reset = "--reset-offsets --group g --topic t --to-earliest";
    tools
        .run(GROUPS, &format!("{reset} --dry-run"))
        .prints(&["NEW-OFFSET"]);
    tools
        .run(GROUPS, &format!("{reset} --execute"))
        .prints(&["NEW-OFFSET"]);
    tools
        .run(CONSUMER, "--topic t --group g --max-messages 20")
        .prints(&["Processed a total of 20 messages"]);
    tools
        .run(GROUPS, "--delete --group g")
        .prints(&["was successful"]);
    tools.run(GROUPS, "--list").lacks(&["g\n"]);
}

fn delete_records(tools: &Tools, directory: &std::path::Path) {
    let path = directory.join("offsets.json");
    let partitions =
        (0..3).map(|index| format!(r#"{{"topic":"t","partition":{index},"offset":-1}}"#));
    let partitions: Vec<String> = partitions.collect();
    let json = format!(r#"{{"version":1,"partitions":[{}]}}"#, partitions.join(","));
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(json.as_bytes()).unwrap();
    tools
        .run(
            DELETE_RECORDS,
            &format!("--offset-json-file {}", path.display()),
        )
        .prints(&["low_watermark:"])
        .lacks(&["error"]);
    let first = tools.run(OFFSETS, "--topic t --time -2").prints(&["t:0:"]);
    assert_eq!(sum(&first), 20, "nothing is left");
    tools
        .type_into(PRODUCER, "--topic t", "after\n")
        .prints(&[]);
    tools
        .run(CONSUMER, "--topic t --from-beginning --max-messages 1")
        .prints(&["after\n"])
        .lacks(&["value-"]);
}

fn describe_logs(tools: &Tools) {
    tools
        .run(LOG_DIRS, "--describe --broker-list 0,1 --topic-list t")
        .prints(&[
            "\"broker\":0",
            "\"broker\":1",
            "\"partition\":\"t-0\"",
            "\"offsetLag\":0",
        ])
        .lacks(&["\"broker\":2"]);
}

async fn elect_preferred_leaders(cluster: &mut Cluster, tools: &Tools) {
    tools
        .run(
            ELECTION,
            "--election-type preferred --topic t --partition 0",
        )
        .prints(&["Valid replica already elected"]);
    assert_eq!(cluster.broker(1).stop(), Some(0));
    cluster.broker(1).start();
    let connection = cluster.brokers[0].connect().await;
    eventually("full ISRs", async || {
        let found = metadata(&connection, &["t"]).await?;
        let partitions = &found.topics.first()?.partitions;
        partitions
            .iter()
            .all(|p| p.isr_nodes.len() == 3)
            .then_some(())
    })
    .await;
    tools
        .run(ELECTION, "--election-type preferred --all-topic-partitions")
        .prints(&["Successfully completed leader election (PREFERRED) for partitions"]);
    let found = metadata(&connection, &["t"]).await.unwrap();
    for partition in &found.topics[0].partitions {
        assert_eq!(
            partition.leader_id, partition.replica_nodes[0],
            "{partition:?}"
        );
    }
}

async fn elect_unclean_leader(cluster: &mut Cluster, tools: &Tools) {
    let create = "--create --topic u --replica-assignment 1:2 --config min.insync.replicas=1";
    tools.run(TOPICS, create).prints(&["Created topic u."]);
    let connection = cluster.brokers[0].connect().await;
    let leads = async |id: i32| {
        eventually("a leader", async || {
            let found = partition(&connection, "u", 0).await?;
            (found.leader_id.0 == id).then_some(())
        })
        .await;
    };
    leads(1).await;
    cluster.broker(1).kill();
    leads(2).await;
    // Only the second replica holds everything, and it dies before the first one is back.
    cluster.broker(2).kill();
    leads(-1).await;
    cluster.broker(1).start();
    eventually("only the first replica to be live", async || {
        let found = metadata(&connection, &[]).await?;
        let mut ids: Vec<i32> = found
            .brokers
            .iter()
            .map(|broker| broker.node_id.0)
            .collect();
        ids.sort_unstable();
        (ids == [0, 1]).then_some(())
    })
    .await;
    let tool = "--election-type unclean --topic u --partition 0";
    tools
        .run(ELECTION, tool)
        .prints(&["Successfully completed leader election (UNCLEAN) for partitions u-0"]);
    leads(1).await;
    cluster.broker(2).start();
    cluster.await_brokers(3).await;
}

fn delete_topics(tools: &Tools) {
    tools.run(TOPICS, "--delete --topic u").prints(&[]);
    tools.run(TOPICS, "--delete --topic t").prints(&[]);
    tools.run(TOPICS, "--list").lacks(&["t\n", "u\n"]);
    tools
        .run(TOPICS, "--describe --topic t")
        .refuses("Topic 't' does not exist as expected");
}
