//! Some brokers of one shard each, wired by hand over in-memory file systems.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use kintsugi_metadata::{
    BrokerRegistration, Delta, Image, MetadataRecord, PartitionState, RecoveryState,
};
use kintsugi_replica::bugs::Bugs;
use kintsugi_storage::{FileSystem, LogContext, LogLimits, MemoryFileSystem, SyncJob};
use kintsugi_types::{
    BootId, BrokerEpoch, BrokerId, Endpoint, Generation, Incarnation, LeaderEpoch, MetadataOffset,
    Offset, PartitionEpoch, PartitionId, PartitionIndex, ProducerEpoch, ProducerId, StartCounter,
    Time, TimestampMs, TopicId,
};
use kintsugi_wire::records::{BatchOptions, Record, build, build_with};
use uuid::Uuid;

use crate::directory::LastRun;
use crate::message::replication::FetchClass;
use crate::message::shard::{Acks, ClientPosition, Command, Counts, Event, Fetch, Produce, Token};
use crate::shard::{Made, MakingJob, RemovingJob, Shard, ShardConfig};

pub const TOPIC: TopicId = TopicId(Uuid::from_u128(1));
pub const PARTITION: PartitionId = PartitionId {
    topic: TOPIC,
    index: PartitionIndex(0),
};
pub const WALL: TimestampMs = TimestampMs(1_000);

/// From this size on a coordinator's log is rewritten: a hundred commits or so.
pub const GROUP_LOG_BYTES: u64 = 16 << 10;

/// The most deliveries of one run: more means that something goes round in circles.
const DELIVERIES_MAX: usize = 10_000;

/// What is under way to a shard.
#[derive(Debug)]
enum Input {
    Event(Event),
    Made(Box<Made<MemoryFileSystem>>),
}

pub struct Broker {
    pub shard: Option<Shard<MemoryFileSystem>>,
    pub fs: MemoryFileSystem,
    /// What it wanted done other than what the harness does.
    pub commands: Vec<Command>,
}

pub struct Cluster {
    pub brokers: Vec<Broker>,
    pub image: Image,
    pub now: Time,
    /// Brokers that no fetch reaches and that reach none.
    pub cut_off: BTreeSet<usize>,
    /// Brokers whose syncs take for ever.
    pub slow_disks: BTreeSet<usize>,
    syncs: Vec<(usize, PartitionId, SyncJob<MemoryFileSystem>)>,
    /// Whether directories are made only when a test says so.
    pub holds_makings: bool,
    /// The directories that are asked for and not made yet.
    pub makings: Vec<(usize, MakingJob<MemoryFileSystem>)>,
    /// Whether directories are removed only when a test says so.
    pub holds_removals: bool,
    /// The directories that are to be removed and are not yet.
    pub removals: Vec<(usize, RemovingJob<MemoryFileSystem>)>,
    /// What each broker told last as applied.
    pub applied: [MetadataOffset; 3],
    queue: VecDeque<(usize, Input)>,
    /// Who awaits the answer to a follower's fetch.
    fetches: BTreeMap<u64, (usize, usize, FetchClass)>,
    last_token: u64,
    /// What each broker counted last.
    pub counts: [Counts; 3],
    /// How many checkpoints each broker gave.
    pub checkpoints: [usize; 3],
    /// Produces that asked for all in-sync replicas.
    pub acks_all: BTreeSet<u64>,
}

pub fn registration(id: i32) -> BrokerRegistration {
    let endpoint = Endpoint {
        host: "broker".to_owned(),
        port: 9091,
    };
    BrokerRegistration {
        incarnation: Incarnation {
            broker: BrokerId(id),
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

pub fn state(leader: i32, epoch: i32, partition_epoch: i32, isr: &[i32]) -> MetadataRecord {
    let ids = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect();
    MetadataRecord::Partition {
        partition: PARTITION,
        state: Arc::new(PartitionState {
            replicas: ids(&[0, 1, 2]),
            isr: ids(isr),
            elr: Vec::new(),
            last_known_leader: None,
            leader: Some(BrokerId(leader)),
            leader_epoch: LeaderEpoch(epoch),
            partition_epoch: PartitionEpoch(partition_epoch),
            recovery: RecoveryState::Recovered,
            reassignment: None,
        }),
    }
}

pub fn batch(value: &str) -> Bytes {
    let record = Record {
        timestamp: TimestampMs(5),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        ..Record::default()
    };
    build(&[record]).unwrap()
}

/// The same of producer 7 in this epoch, numbered `sequence`.
pub fn numbered(epoch: i16, sequence: i32, value: &str) -> Bytes {
    let record = Record {
        timestamp: TimestampMs(5),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        ..Record::default()
    };
    let options = BatchOptions {
        producer_id: ProducerId(7),
        producer_epoch: ProducerEpoch(epoch),
        base_sequence: sequence,
        ..BatchOptions::default()
    };
    build_with(options, &[record]).unwrap()
}

pub fn open(fs: &MemoryFileSystem, id: usize, last: &LastRun) -> Shard<MemoryFileSystem> {
    open_with(fs, id, last, Bugs::default())
}

pub fn open_with(
    fs: &MemoryFileSystem,
    id: usize,
    last: &LastRun,
    bugs: Bugs,
) -> Shard<MemoryFileSystem> {
    let mut config = ShardConfig::new(BrokerId(i32::try_from(id).unwrap()));
    config.bugs = bugs;
    config.limits.group_log_bytes = GROUP_LOG_BYTES;
    let context = LogContext::new(fs.clone(), LogLimits::default());
    let seed = id as u64;
    let root = Path::new("data");
    Shard::open(config, context, root, last, Time::ZERO, seed).unwrap()
}

impl Cluster {
    /// Three brokers that know of nothing but each other, with leases for a long time.
    pub fn new() -> Self {
        Self::with_bugs(Bugs::default())
    }

    pub fn with_bugs(bugs: Bugs) -> Self {
        let brokers = (0..3).map(|id| {
            let fs = MemoryFileSystem::new(id as u64);
            fs.create_dir_all(Path::new("data")).unwrap();
            fs.sync_dir(Path::new("/")).unwrap();
            Broker {
                shard: Some(open_with(&fs, id, &LastRun::default(), bugs)),
                fs,
                commands: Vec::new(),
            }
        });
        let mut cluster = Self {
            brokers: brokers.collect(),
            image: Image::default(),
            now: Time::ZERO,
            cut_off: BTreeSet::new(),
            slow_disks: BTreeSet::new(),
            syncs: Vec::new(),
            holds_makings: false,
            makings: Vec::new(),
            holds_removals: false,
            removals: Vec::new(),
            applied: [MetadataOffset(0); 3],
            queue: VecDeque::new(),
            fetches: BTreeMap::new(),
            last_token: 0,
            counts: [Counts::default(); 3],
            checkpoints: [0; 3],
            acks_all: BTreeSet::new(),
        };
        let mut records = Vec::new();
        for id in 0..3 {
            records.push(MetadataRecord::BrokerRestored {
                registration: Arc::new(registration(id)),
                epoch: BrokerEpoch(100 + i64::from(id)),
                fenced: false,
                stopping: false,
            });
        }
        cluster.publish(records);
        let until = Time::from_millis(3_600_000);
        for id in 0..3 {
            cluster.send(id, Event::ExtendLease { until });
        }
        cluster
    }

    /// Three brokers with topic "t", whose only partition broker 0 leads in epoch 1.
    pub fn with_topic() -> Self {
        let mut cluster = Self::new();
        cluster.create_topic();
        cluster
    }

    /// The same with these settings.
    pub fn with_configs(configs: &[(&str, &str)]) -> Self {
        let mut cluster = Self::new();
        let configs = configs.iter();
        cluster.create_topic_with(configs.map(|(k, v)| ((*k).into(), (*v).into())).collect());
        cluster
    }

    pub fn create_topic(&mut self) {
        self.create_topic_with(BTreeMap::new());
    }

    fn create_topic_with(&mut self, configs: BTreeMap<String, String>) {
        self.publish(vec![
            MetadataRecord::TopicCreated {
                topic: TOPIC,
                name: "t".parse().unwrap(),
                configs,
            },
            state(0, 1, 1, &[0, 1, 2]),
        ]);
    }

    /// Gives new metadata to all brokers, in order.
    pub fn publish(&mut self, records: Vec<MetadataRecord>) {
        self.publish_to(records, &[0, 1, 2]);
    }

    pub fn publish_to(&mut self, records: Vec<MetadataRecord>, brokers: &[usize]) {
        let mut delta = Delta::default();
        let offset = MetadataOffset(self.image.offset.0 + 1);
        self.image.apply(offset, &records, &mut delta);
        self.push_image(Some(delta), brokers);
    }

    pub fn push_image(&mut self, delta: Option<Delta>, brokers: &[usize]) {
        let image = Arc::new(self.image.clone());
        let delta = delta.map(Arc::new);
        for id in brokers {
            let own = BrokerId(i32::try_from(*id).unwrap());
            let broker_epoch = image.brokers[&own].epoch;
            let (image, delta) = (Arc::clone(&image), delta.clone());
            let publish = Event::Publish {
                image,
                delta,
                broker_epoch,
            };
            self.post(*id, publish);
        }
        self.run();
    }

    pub fn send(&mut self, id: usize, event: Event) {
        self.post(id, event);
        self.run();
    }

    fn post(&mut self, id: usize, event: Event) {
        self.queue.push_back((id, Input::Event(event)));
    }

    /// Delivers everything that is under way, without time passing.
    fn run(&mut self) {
        let mut deliveries = 0;
        while let Some((id, input)) = self.queue.pop_front() {
            deliveries += 1;
            assert!(
                deliveries < DELIVERIES_MAX,
                "messages go round in circles, such as {input:?} to broker {id}"
            );
            let mut out = Vec::new();
            if let Some(shard) = &mut self.brokers[id].shard {
                match input {
                    Input::Event(event) => shard.handle(self.now, WALL, event, &mut out),
                    Input::Made(made) => shard.made(self.now, WALL, *made, &mut out),
                }
            }
            for command in out {
                self.carry_out(id, command);
            }
        }
    }

    fn carry_out(&mut self, from: usize, command: Command) {
        match command {
            Command::ReplicaFetch {
                leader, request, ..
            } => {
                let to = usize::try_from(leader.0).unwrap();
                let leader_shard = request.leader_shard;
                let is_cut = self.cut_off.contains(&from) || self.cut_off.contains(&to);
                if is_cut || self.brokers[to].shard.is_none() {
                    let failed = Event::ReplicaFetchFailed {
                        leader,
                        leader_shard,
                        class: request.class,
                    };
                    self.post(from, failed);
                    return;
                }
                self.last_token += 1;
                self.fetches
                    .insert(self.last_token, (from, to, request.class));
                let token = Token(self.last_token);
                self.post(to, Event::ReplicaFetch { token, request });
            }
            Command::AnswerReplicaFetch { token, response } => {
                // The answer to a connection that broke goes nowhere.
                let Some((follower, leader, _)) = self.fetches.remove(&token.0) else {
                    return;
                };
                if self.cut_off.contains(&follower) || self.cut_off.contains(&leader) {
                    return;
                }
                let leader = BrokerId(i32::try_from(leader).unwrap());
                let fetched = Event::ReplicaFetched {
                    leader,
                    leader_shard: 0,
                    response,
                };
                self.post(follower, fetched);
            }
            Command::Sync { partition } => {
                let shard = self.brokers[from].shard.as_mut().unwrap();
                let job = shard.begin_sync(partition);
                self.syncs.extend(job.map(|job| (from, partition, job)));
                self.run_syncs();
            }
            Command::Make { partition } => {
                let shard = self.brokers[from].shard.as_mut().unwrap();
                let job = shard.begin_making(partition);
                self.makings.extend(job.map(|job| (from, job)));
                if !self.holds_makings {
                    let all = self.makings.len();
                    self.queue_makings(all);
                }
            }
            Command::Remove { path } => {
                let shard = self.brokers[from].shard.as_mut().unwrap();
                let job = shard.begin_removing(path);
                self.removals.push((from, job));
                if !self.holds_removals {
                    self.queue_removals();
                }
            }
            Command::Applied { offset } => self.applied[from] = offset,
            Command::Checkpoint { .. } => self.checkpoints[from] += 1,
            Command::Counted(counts) => self.counts[from] = counts,
            other => self.brokers[from].commands.push(other),
        }
    }

    /// Makes so many of the directories that are asked for.
    pub fn run_makings(&mut self, count: usize) {
        self.queue_makings(count);
        self.run();
    }

    fn queue_makings(&mut self, count: usize) {
        for (id, job) in self.makings.drain(..count) {
            self.queue.push_back((id, Input::Made(Box::new(job.run()))));
        }
    }

    /// Removes the directories that are to be removed.
    pub fn run_removals(&mut self) {
        self.queue_removals();
        self.run();
    }

    fn queue_removals(&mut self) {
        for (id, job) in self.removals.drain(..) {
            let result = job.run();
            self.queue
                .push_back((id, Input::Event(Event::Removed { result })));
        }
    }

    fn run_syncs(&mut self) {
        for (id, partition, job) in std::mem::take(&mut self.syncs) {
            if self.slow_disks.contains(&id) {
                self.syncs.push((id, partition, job));
            } else {
                let result = job.run();
                let event = Event::Synced { partition, result };
                self.post(id, event);
            }
        }
    }

    /// The disks are as fast as others again.
    pub fn finish_syncs(&mut self) {
        self.slow_disks.clear();
        self.run_syncs();
        self.run();
    }

    /// Lets time pass, waking every shard when it wants to be woken.
    pub fn pass(&mut self, millis: u64) {
        let end = Time(self.now.0 + millis * 1_000);
        for _ in 0..DELIVERIES_MAX {
            let wakes = self.brokers.iter().filter_map(|b| b.shard.as_ref());
            let next = wakes.map(Shard::next_wake).min().unwrap_or(end);
            self.now = next.clamp(self.now, end);
            if next > end {
                return;
            }
            for id in 0..self.brokers.len() {
                self.post(id, Event::Wake);
            }
            self.run();
        }
        panic!("time does not pass: a shard wants to be woken at once, again and again");
    }

    pub fn produce(&mut self, id: usize, token: u64, acks: Acks, value: &str) {
        self.produce_batch(id, token, acks, batch(value));
    }

    pub fn produce_batch(&mut self, id: usize, token: u64, acks: Acks, batch: Bytes) {
        if acks == Acks::All {
            self.acks_all.insert(token);
        }
        let produce = Produce {
            token: Token(token),
            acks,
            timeout_ms: 30_000,
            batches: vec![(PARTITION, batch)],
        };
        self.send(id, Event::Produce(produce));
    }

    pub fn fetch(&mut self, id: usize, token: u64, offset: i64, max_wait_ms: u32) {
        let position = ClientPosition {
            partition: PARTITION,
            leader_epoch: LeaderEpoch::UNKNOWN,
            offset: Offset(offset),
            max_bytes: 1 << 20,
        };
        let fetch = Fetch {
            token: Token(token),
            positions: vec![position],
            min_bytes: 1,
            max_bytes: 1 << 20,
            max_wait_ms,
        };
        self.send(id, Event::Fetch(fetch));
    }

    /// The connections of a killed broker break: whoever fetched from it is told.
    pub fn drop_fetches(&mut self, id: usize) {
        let fetches = std::mem::take(&mut self.fetches);
        let (gone, kept): (BTreeMap<_, _>, BTreeMap<_, _>) = fetches
            .into_iter()
            .partition(|(_, (follower, leader, _))| *follower == id || *leader == id);
        self.fetches = kept;
        for (follower, leader, class) in gone.into_values() {
            let leader = BrokerId(i32::try_from(leader).unwrap());
            let failed = Event::ReplicaFetchFailed {
                leader,
                leader_shard: 0,
                class,
            };
            self.send(follower, failed);
        }
    }
}
