//! Apache Kafka's console tools, against a cluster that runs: what an operator of one types.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use super::Kafka;

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const REASSIGN: &str = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
const ELECTION: &str = "org.apache.kafka.tools.LeaderElectionCommand";
/// How long one tool may take.
const TOOL_LIMIT: Duration = Duration::from_secs(120);

/// The leader and the replicas of a partition, in their order, as `kafka-topics.sh --describe` says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placed {
    /// The leader; -1 while there is none.
    pub leader: i32,
    /// The replicas, the preferred leader first.
    pub replicas: Vec<i32>,
}

/// Where each partition of a cluster is, by topic and number.
pub type Placement = BTreeMap<(String, i32), Placed>;

/// The tools, against one cluster.
#[derive(Clone, Debug)]
pub struct KafkaTools {
    /// Whose jars hold them.
    pub kafka: Kafka,
    /// `--bootstrap-server`.
    pub bootstrap: String,
}

impl KafkaTools {
    /// Where everything is: `kafka-topics.sh --describe`.
    ///
    /// # Errors
    /// If the tool fails, or prints what it did not print in 4.1.1.
    pub fn placement(&self) -> anyhow::Result<Placement> {
        placement_of(&self.run(TOPICS, &["--describe"])?)
    }

    /// Runs `kafka-reassign-partitions.sh` with these options and gives what it printed.
    ///
    /// # Errors
    /// If it fails.
    pub fn reassign(&self, options: &[&str]) -> anyhow::Result<String> {
        self.run(REASSIGN, options)
    }

    /// Has every partition led by its preferred leader: `kafka-leader-election.sh`.
    ///
    /// # Errors
    /// If it fails.
    pub fn elect_preferred(&self) -> anyhow::Result<String> {
        let options = ["--election-type", "preferred", "--all-topic-partitions"];
        self.run(ELECTION, &options)
    }

    fn run(&self, class: &str, options: &[&str]) -> anyhow::Result<String> {
        let mut command = self.kafka.tool(class);
        command
            .args(["--bootstrap-server", &self.bootstrap])
            .args(options);
        run(command, TOOL_LIMIT)
    }
}

/// Runs a command to its end and gives what it wrote to its standard output.
///
/// # Errors
/// If it fails or does not end in `limit`: the message holds what it said.
pub fn run(mut command: Command, limit: Duration) -> anyhow::Result<String> {
    let name = command.get_program().display().to_string();
    let folder = tempfile::tempdir().context("failed to make a folder for a tool's output")?;
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    let child = command
        .stdin(Stdio::null())
        .stdout(File::create(&out)?)
        .stderr(File::create(&err)?)
        .spawn();
    let mut child = child.with_context(|| format!("failed to run {name}"))?;
    let deadline = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            bail!("{name} did not end in {limit:?}");
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let text = |path: &Path| std::fs::read_to_string(path);
    let (out, err) = (text(&out)?, text(&err)?);
    ensure!(status.success(), "{name} failed ({status}): {out}{err}");
    Ok(out)
}

fn placement_of(described: &str) -> anyhow::Result<Placement> {
    let mut placement = Placement::new();
    for line in described.lines() {
        let fields: BTreeMap<&str, &str> = line
            .split('\t')
            .filter_map(|field| field.split_once(':'))
            .map(|(key, value)| (key.trim(), value.trim()))
            .collect();
        let Some(partition) = fields.get("Partition") else {
            continue;
        };
        let field = |key: &str| {
            let value = fields.get(key).copied();
            value.with_context(|| format!("kafka-topics told no {key}: {line}"))
        };
        let replicas: Result<Vec<i32>, _> = field("Replicas")?.split(',').map(str::parse).collect();
        // A partition without a leader has "none" there.
        let placed = Placed {
            leader: field("Leader")?.parse().unwrap_or(-1),
            replicas: replicas.with_context(|| format!("kafka-topics told no replicas: {line}"))?,
        };
        placement.insert((field("Topic")?.to_owned(), partition.parse()?), placed);
    }
    ensure!(
        !placement.is_empty(),
        "kafka-topics told of no partition: {described}"
    );
    Ok(placement)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kafka_topics_prints_is_understood() {
        let described = "Topic: t\tTopicId: x\tPartitionCount: 2\tReplicationFactor: 2\tConfigs: a=b\n\
                         \tTopic: t\tPartition: 0\tLeader: 1\tReplicas: 1,0\tIsr: 0,1\tElr: \tLastKnownElr: \n\
                         \tTopic: t\tPartition: 1\tLeader: none\tReplicas: 0,1\tIsr: \tElr: \tLastKnownElr: \n";
        let placed = |leader, replicas: [i32; 2]| Placed {
            leader,
            replicas: replicas.to_vec(),
        };
        let expected = Placement::from([
            (("t".to_owned(), 0), placed(1, [1, 0])),
            (("t".to_owned(), 1), placed(-1, [0, 1])),
        ]);
        assert_eq!(placement_of(described).unwrap(), expected);
        assert!(placement_of("").is_err());
    }
}
