//! Two shards of one broker, and a topic that is deleted and created again under its name.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use kintsugi_metadata::{Delta, Image, MetadataRecord, PartitionState, RecoveryState};
use kintsugi_storage::checkpoint::PartitionMetadata;
use kintsugi_storage::fs::OpenMode;
use kintsugi_storage::{File, FileSystem, FsError, LogContext, LogLimits, MemoryFileSystem};
use kintsugi_types::{
    BrokerEpoch, BrokerId, LeaderEpoch, MetadataOffset, PartitionEpoch, PartitionId,
    PartitionIndex, Time, TopicId,
};
use uuid::Uuid;

use super::harness::{WALL, batch, registration};
use crate::directory::LastRun;
use crate::message::shard::{Acks, Command, Event, Produce, Token};
use crate::shard::directories::remove_leftovers;
use crate::shard::{MakingJob, Shard, ShardConfig};

/// Partition 0 of the first topic whose id lies in this shard of two.
fn partition_in(shard: u16) -> PartitionId {
    let ids = (1..).map(|number| PartitionId {
        topic: TopicId(Uuid::from_u128(number)),
        index: PartitionIndex(0),
    });
    let mut found = ids.filter(|id| id.shard_of(2) == shard);
    found.next().unwrap()
}

fn created(partition: PartitionId) -> Vec<MetadataRecord> {
    let broker = BrokerId(0);
    vec![
        MetadataRecord::TopicCreated {
            topic: partition.topic,
            name: "t".parse().unwrap(),
            configs: BTreeMap::new(),
        },
        MetadataRecord::Partition {
            partition,
            state: Arc::new(PartitionState {
                replicas: vec![broker],
                isr: vec![broker],
                elr: Vec::new(),
                last_known_leader: None,
                leader: Some(broker),
                leader_epoch: LeaderEpoch(1),
                partition_epoch: PartitionEpoch(1),
                recovery: RecoveryState::Recovered,
                reassignment: None,
            }),
        },
    ]
}

struct Broker {
    fs: MemoryFileSystem,
    shards: Vec<Shard<MemoryFileSystem>>,
    image: Image,
    now: Time,
    /// Whether directories are made only when a test says so.
    holds_makings: bool,
    makings: Vec<(usize, MakingJob<MemoryFileSystem>)>,
}

impl Broker {
    fn new() -> Self {
        let fs = MemoryFileSystem::new(1);
        fs.create_dir_all(Path::new("data")).unwrap();
        let mut image = Image::default();
        let mut own = registration(0);
        own.shards = 2;
        let record = MetadataRecord::BrokerRestored {
            registration: Arc::new(own),
            epoch: BrokerEpoch(100),
            fenced: false,
            stopping: false,
        };
        image.apply(MetadataOffset(1), &[record], &mut Delta::default());
        let mut broker = Self {
            fs,
            shards: Vec::new(),
            image,
            now: Time::ZERO,
            holds_makings: false,
            makings: Vec::new(),
        };
        broker.start();
        broker
    }

    fn start(&mut self) {
        self.fs.crash_process();
        let open = |shard| {
            let mut config = ShardConfig::new(BrokerId(0));
            (config.shard, config.shards) = (shard, 2);
            config.topic_defaults.log.flush_messages = 1;
            let context = LogContext::new(self.fs.clone(), LogLimits::default());
            let last = LastRun::default();
            let root = Path::new("data");
            Shard::open(config, context, root, &last, self.now, 1).unwrap()
        };
        self.shards = (0..2).map(open).collect();
    }

    fn apply(&mut self, records: &[MetadataRecord]) -> Arc<Delta> {
        let mut delta = Delta::default();
        let next = MetadataOffset(self.image.offset.0 + 1);
        self.image.apply(next, records, &mut delta);
        Arc::new(delta)
    }

    fn publish(&mut self, shard: usize, delta: Option<&Arc<Delta>>) {
        let image = Arc::new(self.image.clone());
        self.handle(
            shard,
            Event::Publish {
                image,
                delta: delta.cloned(),
                broker_epoch: BrokerEpoch(100),
            },
        );
    }

    fn handle(&mut self, shard: usize, event: Event) {
        let mut out = Vec::new();
        self.shards[shard].handle(self.now, WALL, event, &mut out);
        self.carry_out(shard, out);
    }

    fn carry_out(&mut self, shard: usize, out: Vec<Command>) {
        let is_fatal = |command: &Command| matches!(command, Command::Fatal { .. });
        assert!(!out.iter().any(is_fatal), "{out:?}");
        for command in out {
            match command {
                Command::Make { partition } => {
                    let job = self.shards[shard].begin_making(partition).unwrap();
                    self.makings.push((shard, job));
                }
                Command::Remove { path } => {
                    let result = self.shards[shard].begin_removing(path).run();
                    self.handle(shard, Event::Removed { result });
                }
                _ => {}
            }
        }
        if !self.holds_makings && !self.makings.is_empty() {
            self.make(0);
        }
    }

    /// Makes the directory that was asked for as the `number`th of those that are not made yet.
    fn make(&mut self, number: usize) {
        let (shard, job) = self.makings.remove(number);
        let made = job.run();
        let mut out = Vec::new();
        self.shards[shard].made(self.now, WALL, made, &mut out);
        self.carry_out(shard, out);
    }

    fn topic_of_directory(&self) -> Option<TopicId> {
        let path = Path::new("data/t-0");
        let found = self.fs.exists(path).unwrap();
        let metadata = found.then(|| PartitionMetadata::read(&self.fs, path).unwrap());
        metadata.flatten().map(|metadata| metadata.topic_id)
    }

    fn serves(&self, shard: usize, id: PartitionId) -> bool {
        self.shards[shard]
            .inspect()
            .any(|view| view.partition == id)
    }
}

#[test]
fn a_topic_created_again_in_another_shard_waits_for_its_name() {
    let (old, new) = (partition_in(0), partition_in(1));
    for restarts in [false, true] {
        let mut broker = Broker::new();
        let delta = broker.apply(&created(old));
        broker.publish(0, Some(&delta));
        broker.publish(1, Some(&delta));
        assert!(broker.serves(0, old));
        let mut records = vec![MetadataRecord::TopicDeleted { topic: old.topic }];
        records.extend(created(new));
        let delta = broker.apply(&records);
        let delta = Some(&delta).filter(|_| !restarts);
        if restarts {
            broker.start();
        }
        // The new one's shard hears of it first.
        broker.publish(1, delta);
        assert_eq!(broker.topic_of_directory(), Some(old.topic));
        assert!(!broker.serves(1, new));
        broker.publish(0, delta);
        assert_eq!(broker.topic_of_directory(), None);
        broker.now = broker.shards[1].next_wake();
        broker.handle(1, Event::Wake);
        assert!(broker.serves(1, new));
        assert_eq!(broker.topic_of_directory(), Some(new.topic));
    }
}

#[test]
fn a_topic_that_is_deleted_while_its_log_is_synced_ends_nobody() {
    let id = partition_in(0);
    let mut broker = Broker::new();
    let delta = broker.apply(&created(id));
    broker.publish(0, Some(&delta));
    let until = Time::from_millis(60_000);
    broker.handle(0, Event::ExtendLease { until });
    let produce = Produce {
        token: Token(1),
        acks: Acks::Leader,
        timeout_ms: 1_000,
        batches: vec![(id, batch("one"))],
    };
    broker.handle(0, Event::Produce(produce));
    let job = broker.shards[0].begin_sync(id).unwrap();
    let delta = broker.apply(&[MetadataRecord::TopicDeleted { topic: id.topic }]);
    broker.publish(0, Some(&delta));
    let result = job.run();
    assert!(result.as_ref().is_err_and(FsError::is_not_found));
    let partition = id;
    broker.handle(0, Event::Synced { partition, result });
}

#[test]
fn of_two_topics_of_one_name_that_are_made_at_once_the_one_that_is_left_gets_it() {
    let (old, new) = (partition_in(0), partition_in(1));
    for is_old_first in [true, false] {
        let mut broker = Broker::new();
        broker.holds_makings = true;
        let delta = broker.apply(&created(old));
        broker.publish(0, Some(&delta));
        broker.publish(1, Some(&delta));
        let mut records = vec![MetadataRecord::TopicDeleted { topic: old.topic }];
        records.extend(created(new));
        let delta = broker.apply(&records);
        broker.publish(0, Some(&delta));
        broker.publish(1, Some(&delta));
        broker.holds_makings = false;
        broker.make(usize::from(!is_old_first));
        while broker.shards[1].next_wake() <= broker.now + std::time::Duration::from_millis(20) {
            broker.now = broker.shards[1].next_wake();
            broker.handle(1, Event::Wake);
        }
        assert_eq!(broker.topic_of_directory(), Some(new.topic));
        assert!(broker.serves(1, new) && !broker.serves(0, old));
        let names = broker.fs.read_dir(Path::new("data")).unwrap();
        assert_eq!(names, ["t-0"]);
    }
}

#[test]
fn a_directory_that_was_half_made_is_removed_at_the_start_and_a_nameless_one_is_kept_aside() {
    let id = partition_in(0);
    let mut broker = Broker::new();
    let path = |name: &str| Path::new("data").join(name);
    for name in ["0-0.new", "t-0"] {
        broker.fs.create_dir_all(&path(name)).unwrap();
        let file = broker.fs.open(&path(name).join("f"), OpenMode::Create);
        file.unwrap().write_at(b"kept", 0).unwrap();
    }
    remove_leftovers(&broker.fs, Path::new("data")).unwrap();
    let delta = broker.apply(&created(id));
    broker.publish(0, Some(&delta));
    assert!(broker.serves(0, id));
    let names = broker.fs.read_dir(Path::new("data")).unwrap();
    assert_eq!(names, ["t-0", "t-0.0-stray"]);
    assert!(broker.fs.exists(&path("t-0.0-stray/f")).unwrap());
}
