//! The test's topic as clients see it: who leads, who is in sync.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};

/// How long one metadata request may take.
const METADATA_LIMIT: Duration = Duration::from_secs(5);
/// The time between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// One partition as the metadata shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartitionView {
    /// The leader; `None` while there is none.
    pub leader: Option<i32>,
    /// The replicas.
    pub replicas: BTreeSet<i32>,
    /// Those in sync.
    pub isr: BTreeSet<i32>,
}

/// One topic as the metadata shows it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Topology {
    /// Its name.
    pub topic: String,
    /// Its partitions.
    pub partitions: BTreeMap<i32, PartitionView>,
    /// The brokers, with their addresses for clients.
    pub brokers: BTreeMap<i32, (String, u16)>,
}

impl Topology {
    /// Asks for the topic's metadata.
    ///
    /// # Errors
    /// If nobody answers in time.
    pub fn fetch(bootstrap: &str, topic: &str) -> anyhow::Result<Self> {
        let client: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("log_level", "2")
            .create()
            .context("failed to make a client for metadata")?;
        let metadata = client
            .fetch_metadata(Some(topic), METADATA_LIMIT)
            .with_context(|| format!("failed to fetch metadata of topic {topic}"))?;
        let mut topology = Self {
            topic: topic.to_owned(),
            ..Self::default()
        };
        for broker in metadata.brokers() {
            let port = u16::try_from(broker.port()).context("a broker's port is out of range")?;
            topology
                .brokers
                .insert(broker.id(), (broker.host().to_owned(), port));
        }
        for partition in metadata
            .topics()
            .iter()
            .flat_map(|topic| topic.partitions())
        {
            let view = PartitionView {
                leader: Some(partition.leader()).filter(|id| *id >= 0),
                replicas: partition.replicas().iter().copied().collect(),
                isr: partition.isr().iter().copied().collect(),
            };
            topology.partitions.insert(partition.id(), view);
        }
        Ok(topology)
    }

    /// The partitions that a broker leads.
    #[must_use]
    pub fn led_by(&self, broker: i32) -> BTreeSet<i32> {
        let led = self
            .partitions
            .iter()
            .filter(|(_, view)| view.leader == Some(broker));
        led.map(|(id, _)| *id).collect()
    }

    /// The partitions that a broker has a replica of, but does not lead.
    #[must_use]
    pub fn followed_by(&self, broker: i32) -> BTreeSet<i32> {
        let follows =
            |view: &PartitionView| view.leader != Some(broker) && view.replicas.contains(&broker);
        self.partitions
            .iter()
            .filter(|(_, view)| follows(view))
            .map(|(id, _)| *id)
            .collect()
    }

    /// The broker that leads most, the lowest id of several.
    #[must_use]
    pub fn leads_most(&self) -> Option<i32> {
        self.leads_most_of(&BTreeMap::new())
    }

    /// The broker that leads most; of several, the one that was killed least. The kubelet waits
    /// longer with each restart of one container, so kills are spread.
    #[must_use]
    pub fn leads_most_of(&self, kills: &BTreeMap<i32, usize>) -> Option<i32> {
        let killed = |id: &i32| kills.get(id).copied().unwrap_or_default();
        let rank = |id: &i32| (self.led_by(*id).len(), std::cmp::Reverse((killed(id), *id)));
        self.brokers.keys().copied().max_by_key(rank)
    }

    /// Whether this many partitions all have a leader and every replica in sync.
    #[must_use]
    pub fn is_healthy(&self, partitions: usize) -> bool {
        let whole = |view: &PartitionView| view.leader.is_some() && view.isr == view.replicas;
        self.partitions.len() == partitions && self.partitions.values().all(whole)
    }

    /// Whether the leaders are spread as evenly as the brokers' number allows.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        let counts: Vec<usize> = self
            .brokers
            .keys()
            .map(|id| self.led_by(*id).len())
            .collect();
        let (least, most) = (counts.iter().min(), counts.iter().max());
        least
            .zip(most)
            .is_some_and(|(least, most)| most - least <= 1)
    }

    /// In a line: leaders and in-sync replicas.
    #[must_use]
    pub fn summary(&self) -> String {
        let leaderless = self
            .partitions
            .values()
            .filter(|view| view.leader.is_none())
            .count();
        let under = self
            .partitions
            .values()
            .filter(|view| view.isr != view.replicas)
            .count();
        let led: Vec<String> = self
            .brokers
            .keys()
            .map(|id| format!("{id}:{}", self.led_by(*id).len()))
            .collect();
        format!(
            "{} partitions, {leaderless} without leader, {under} under-replicated, leaders {}",
            self.partitions.len(),
            led.join(" ")
        )
    }
}

/// Waits until the topic's metadata is as wanted; prints what it waits for every few seconds.
///
/// # Errors
/// If it is not so within `limit`: the message says how it was last.
pub fn wait_for(
    bootstrap: &str,
    topic: &str,
    what: &str,
    limit: Duration,
    wanted: impl Fn(&Topology) -> bool,
) -> anyhow::Result<Topology> {
    let started = Instant::now();
    let mut said = started;
    loop {
        let looked = Instant::now();
        let last = Topology::fetch(bootstrap, topic);
        // A look at many partitions is work for the brokers: they are left alone for longer.
        let pause = LOOK_INTERVAL.max(looked.elapsed() * 4);
        if let Ok(topology) = &last
            && wanted(topology)
        {
            return last;
        }
        let state = match last {
            Ok(topology) => topology.summary(),
            Err(error) => format!("{error:#}"),
        };
        if started.elapsed() > limit {
            bail!("waited {limit:?} for {what}, but: {state}");
        }
        if said.elapsed() > Duration::from_secs(5) {
            said = Instant::now();
            eprintln!("  waiting for {what} ({:.0?}): {state}", started.elapsed());
        }
        std::thread::sleep(pause);
    }
}

/// Creates a topic, waiting for the cluster to accept it.
///
/// # Errors
/// If it is not created within `limit`.
pub fn create_topic(
    bootstrap: &str,
    topic: &str,
    partitions: i32,
    replication_factor: i32,
    limit: Duration,
) -> anyhow::Result<()> {
    let spread = TopicReplication::Fixed(replication_factor);
    create(bootstrap, &NewTopic::new(topic, partitions, spread), limit)
}

/// As [`create_topic`], with every partition on the same brokers, the first of them leading.
///
/// # Errors
/// If it is not created within `limit`.
pub fn create_topic_on(
    bootstrap: &str,
    topic: &str,
    partitions: i32,
    brokers: &[i32],
    limit: Duration,
) -> anyhow::Result<()> {
    let each = vec![brokers; usize::try_from(partitions)?];
    let placed = TopicReplication::Variable(&each);
    create(bootstrap, &NewTopic::new(topic, partitions, placed), limit)
}

/// Deletes a topic.
///
/// # Errors
/// If the cluster refuses, or does not answer.
pub fn delete_topic(bootstrap: &str, topic: &str) -> anyhow::Result<()> {
    let (admin, runtime) = (admin(bootstrap)?, runtime()?);
    let options = AdminOptions::new().operation_timeout(Some(METADATA_LIMIT));
    for deleted in runtime.block_on(admin.delete_topics(&[topic], &options))? {
        deleted.map_err(|(_, code)| anyhow::anyhow!("failed to delete topic {topic}: {code}"))?;
    }
    Ok(())
}

fn admin(bootstrap: &str) -> anyhow::Result<AdminClient<DefaultClientContext>> {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("log_level", "2")
        .create()
        .context("failed to make a client for topics")
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    Ok(builder.enable_all().build()?)
}

fn create(bootstrap: &str, new: &NewTopic<'_>, limit: Duration) -> anyhow::Result<()> {
    let topic = new.name;
    let (admin, runtime) = (admin(bootstrap)?, runtime()?);
    let started = Instant::now();
    loop {
        let options = AdminOptions::new().operation_timeout(Some(METADATA_LIMIT));
        let result = runtime.block_on(admin.create_topics([new], &options));
        let problem = match result {
            Ok(results) => match results.into_iter().next() {
                Some(Ok(_)) => return Ok(()),
                Some(Err((_, rdkafka::types::RDKafkaErrorCode::TopicAlreadyExists))) => {
                    return Ok(());
                }
                Some(Err((_, code))) => code.to_string(),
                None => "no answer".to_owned(),
            },
            Err(error) => error.to_string(),
        };
        if started.elapsed() > limit {
            bail!("failed to create topic {topic} in {limit:?}: {problem}");
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
