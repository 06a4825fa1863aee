//! How long a coordinator takes to take over a partition of `__consumer_offsets`.
//!
//! `cargo run --profile image -p kintsugi-broker --example load_groups -- [commits] [offsets]`
//!
//! Commits offsets, 1,000,000 by default, each by a request of its own, to one coordinator on a real
//! file system, of so many different partitions, 1,000 by default. Then the leadership begins anew,
//! and it counts how long it takes until the first request is served, and the longest time that the
//! shard's loop was kept from other work. Once with a log that is rewritten as it grows, once with
//! one that is not.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::{GroupId, OffsetCommitRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use kintsugi_coordinator::{Client, GroupRequest, GroupResponse, TOPIC_NAME};
use kintsugi_metadata::{
    BrokerRegistration, Delta, Image, MetadataRecord, PartitionState, RecoveryState,
};
use kintsugi_node::directory::LastRun;
use kintsugi_node::message::shard::{Command, Event, GroupAsk, Token};
use kintsugi_node::shard::{Shard, ShardConfig};
use kintsugi_storage::{LogContext, LogLimits, RealFileSystem};
use kintsugi_types::{
    BootId, BrokerEpoch, BrokerId, Endpoint, ErrorCode, Generation, Incarnation, LeaderEpoch,
    MetadataOffset, PartitionEpoch, PartitionId, PartitionIndex, StartCounter, Time, TimestampMs,
    TopicId,
};
use uuid::Uuid;

const TOPIC: TopicId = TopicId(Uuid::from_u128(1));
const PARTITION: PartitionId = PartitionId {
    topic: TOPIC,
    index: PartitionIndex(0),
};
const BROKER: BrokerId = BrokerId(0);
/// Offsets of one group.
const GROUP_OFFSETS: u64 = 50;

struct Node {
    shard: Shard<RealFileSystem>,
    image: Image,
    now: Time,
    longest: Duration,
}

impl Node {
    fn open(directory: &Path, group_log_bytes: u64) -> anyhow::Result<Self> {
        let mut config = ShardConfig::new(BROKER);
        config.limits.group_log_bytes = group_log_bytes;
        config.topic_defaults.min_isr = 1;
        config.topic_defaults.log.retention_ms = None;
        let context = LogContext::new(RealFileSystem, LogLimits::default());
        let last = LastRun::default();
        let shard = Shard::open(config, context, directory, &last, Time::ZERO, 1)?;
        let mut node = Self {
            shard,
            image: Image::default(),
            now: Time::ZERO,
            longest: Duration::ZERO,
        };
        let until = Time::NEVER;
        node.handle(Event::ExtendLease { until });
        node.publish(vec![
            MetadataRecord::BrokerRestored {
                registration: Arc::new(registration()),
                epoch: BrokerEpoch(1),
                fenced: false,
                stopping: false,
            },
            MetadataRecord::TopicCreated {
                topic: TOPIC,
                name: TOPIC_NAME.parse()?,
                configs: BTreeMap::new(),
            },
            leader(1),
        ]);
        Ok(node)
    }

    fn handle(&mut self, event: Event) -> Vec<Command> {
        let mut out = Vec::new();
        let begin = Instant::now();
        self.shard
            .handle(self.now, TimestampMs(1_700_000_000_000), event, &mut out);
        self.longest = self.longest.max(begin.elapsed());
        let made = out.iter().filter_map(|command| match command {
            Command::Make { partition } => Some(*partition),
            _ => None,
        });
        for partition in made.collect::<Vec<_>>() {
            if let Some(job) = self.shard.begin_making(partition) {
                let made = job.run();
                let wall = TimestampMs(1_700_000_000_000);
                self.shard.made(self.now, wall, made, &mut out);
            }
        }
        out
    }

    fn publish(&mut self, records: Vec<MetadataRecord>) {
        let mut delta = Delta::default();
        let offset = MetadataOffset(self.image.offset.0 + 1);
        self.image.apply(offset, &records, &mut delta);
        self.handle(Event::Publish {
            image: Arc::new(self.image.clone()),
            delta: Some(Arc::new(delta)),
            broker_epoch: BrokerEpoch(1),
        });
    }

    fn ask(&mut self, request: GroupRequest) -> Option<GroupResponse> {
        let ask = GroupAsk {
            token: Token(1),
            partition: PARTITION,
            version: 8,
            client: Client::default(),
            request,
        };
        let commands = self.handle(Event::Group(Box::new(ask)));
        commands.into_iter().find_map(|command| match command {
            Command::AnswerGroup { response, .. } => Some(response),
            _ => None,
        })
    }

    /// Commits the offset `number` to one of so many partitions.
    fn commit(&mut self, number: u64, offsets: u64) -> anyhow::Result<()> {
        let place = number % offsets;
        let index = i32::try_from(place % GROUP_OFFSETS)?;
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(index)
            .with_committed_offset(i64::try_from(number)?);
        let topic = OffsetCommitRequestTopic::default()
            .with_name(TopicName(StrBytes::from_static_str("orders")))
            .with_partitions(vec![partition]);
        let request = OffsetCommitRequest::default()
            .with_group_id(group(place / GROUP_OFFSETS))
            .with_topics(vec![topic]);
        match self.ask(GroupRequest::OffsetCommit(request)) {
            Some(GroupResponse::OffsetCommit(response))
                if response.topics[0].partitions[0].error_code == 0 =>
            {
                Ok(())
            }
            other => anyhow::bail!("commit {number} failed: {other:?}"),
        }
    }

    /// Whether a request is served; what is due is done first.
    fn is_serving(&mut self) -> bool {
        self.handle(Event::Wake);
        let request = OffsetFetchRequestGroup::default()
            .with_group_id(group(0))
            .with_topics(None);
        let answer = self.ask(GroupRequest::OffsetFetch(request));
        let Some(GroupResponse::OffsetFetch(answer)) = answer else {
            return false;
        };
        answer.error_code == ErrorCode::None.code() && !answer.topics.is_empty()
    }

    fn size_bytes(&self) -> u64 {
        let sizes = self.shard.inspect().map(|view| view.log.size_bytes());
        sizes.sum()
    }
}

fn group(number: u64) -> GroupId {
    GroupId(StrBytes::from_string(format!("billing-service-{number}")))
}

fn registration() -> BrokerRegistration {
    let endpoint = Endpoint {
        host: "localhost".to_owned(),
        port: 9091,
    };
    BrokerRegistration {
        incarnation: Incarnation {
            broker: BROKER,
            generation: Generation(1),
            start: StartCounter(1),
        },
        directories: Vec::new(),
        boot: BootId(Uuid::nil()),
        rack: None,
        client_endpoint: endpoint.clone(),
        replication_endpoint: endpoint.clone(),
        control_endpoint: endpoint,
        shards: 1,
        clean_stop_epoch: None,
        recovered_to_checkpoint: true,
    }
}

fn leader(epoch: i32) -> MetadataRecord {
    MetadataRecord::Partition {
        partition: PARTITION,
        state: Arc::new(PartitionState {
            replicas: [BROKER].into_iter().collect(),
            isr: [BROKER].into_iter().collect(),
            elr: Vec::new(),
            last_known_leader: None,
            leader: Some(BROKER),
            leader_epoch: LeaderEpoch(epoch),
            partition_epoch: PartitionEpoch(epoch),
            recovery: RecoveryState::Recovered,
            reassignment: None,
        }),
    }
}

fn measure(commits: u64, offsets: u64, group_log_bytes: u64) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let mut node = Node::open(directory.path(), group_log_bytes)?;
    while node.shard.next_wake() == Time::ZERO {
        node.handle(Event::Wake);
    }
    let begin = Instant::now();
    for number in 0..commits {
        // 10,000 commits a second.
        node.now = node.now + Duration::from_micros(100);
        node.commit(number, offsets)?;
    }
    let committing = begin.elapsed();
    let longest_commit = std::mem::take(&mut node.longest);
    let size_bytes = node.size_bytes();
    node.publish(vec![leader(2)]);
    let begin = Instant::now();
    while !node.is_serving() {
        anyhow::ensure!(begin.elapsed() < Duration::from_secs(30), "never served");
    }
    println!(
        "{commits} commits of {offsets} offsets, log of {:.1} MB (rewritten from {} on): serves after {:.0} ms, loop held at most {:.1} ms; committing: {:.1} us each, loop held at most {:.1} ms",
        size_bytes as f64 / 1e6,
        match group_log_bytes {
            u64::MAX => "never".to_owned(),
            bytes => format!("{} MiB", bytes >> 20),
        },
        begin.elapsed().as_secs_f64() * 1e3,
        node.longest.as_secs_f64() * 1e3,
        committing.as_secs_f64() * 1e6 / commits as f64,
        longest_commit.as_secs_f64() * 1e3,
    );
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|argument| argument.parse::<u64>());
    let commits = arguments.next().transpose()?.unwrap_or(1_000_000);
    let offsets = arguments.next().transpose()?.unwrap_or(1_000);
    measure(commits, offsets, 4 << 20)?;
    measure(commits, offsets, u64::MAX)
}
