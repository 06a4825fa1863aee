//! Brokers with different numbers of shards follow each other.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use kintsugi_metadata::{Image, MetadataRecord, PartitionState, RecoveryState};
use kintsugi_storage::{LogContext, LogLimits, MemoryFileSystem};
use kintsugi_types::{
    BrokerEpoch, BrokerId, ErrorCode, LeaderEpoch, MetadataOffset, PartitionEpoch, PartitionId,
    PartitionIndex, Time,
};

use super::harness::{TOPIC, WALL, batch, registration};
use crate::directory::LastRun;
use crate::message::shard::{Acks, Command, Event, Produce, Token};
use crate::shard::{Shard, ShardConfig};

const PARTITIONS: i32 = 12;
const SHARDS: [u16; 2] = [2, 3];

/// A broker and one of its shards.
type Place = (i32, u16);

struct Net {
    shards: BTreeMap<Place, Shard<MemoryFileSystem>>,
    queue: VecDeque<(Place, Event)>,
    /// Who asked, and whom, by token.
    fetches: BTreeMap<u64, (Place, Place)>,
    acknowledged: usize,
}

fn partition(index: i32) -> PartitionId {
    PartitionId {
        topic: TOPIC,
        index: PartitionIndex(index),
    }
}

fn image() -> Image {
    let mut records = Vec::new();
    for id in 0..2_u8 {
        let mut registration = registration(id.into());
        registration.shards = SHARDS[usize::from(id)];
        records.push(MetadataRecord::BrokerRestored {
            registration: Arc::new(registration),
            epoch: BrokerEpoch(100),
            fenced: false,
            stopping: false,
        });
    }
    records.push(MetadataRecord::TopicCreated {
        topic: TOPIC,
        name: "t".parse().unwrap(),
        configs: BTreeMap::new(),
    });
    records.extend((0..PARTITIONS).map(|index| MetadataRecord::Partition {
        partition: partition(index),
        state: Arc::new(PartitionState {
            replicas: vec![BrokerId(0), BrokerId(1)],
            isr: vec![BrokerId(0), BrokerId(1)],
            elr: Vec::new(),
            last_known_leader: None,
            leader: Some(BrokerId(index % 2)),
            leader_epoch: LeaderEpoch(1),
            partition_epoch: PartitionEpoch(1),
            recovery: RecoveryState::Recovered,
            reassignment: None,
        }),
    }));
    let mut image = Image::default();
    image.apply(MetadataOffset(1), &records, &mut Default::default());
    image
}

fn open(fs: &MemoryFileSystem, (broker, shard): Place, shards: u16) -> Shard<MemoryFileSystem> {
    let mut config = ShardConfig::new(BrokerId(broker));
    (config.shard, config.shards) = (shard, shards);
    let context = LogContext::new(fs.clone(), LogLimits::default());
    let (root, none) = (Path::new("data"), LastRun::default());
    Shard::open(config, context, root, &none, Time::ZERO, 1).unwrap()
}

impl Net {
    fn run(&mut self) {
        for _ in 0..10_000 {
            let Some((place, event)) = self.queue.pop_front() else {
                return;
            };
            let mut out = Vec::new();
            let shard = self.shards.get_mut(&place).unwrap();
            shard.handle(Time::ZERO, WALL, event, &mut out);
            for command in out {
                self.carry_out(place, command);
            }
        }
        panic!("messages go round in circles");
    }

    fn carry_out(&mut self, from: Place, command: Command) {
        match command {
            Command::ReplicaFetch {
                leader, request, ..
            } => {
                let to = (leader.0, request.leader_shard);
                let token = self.fetches.len() as u64;
                self.fetches.insert(token, (from, to));
                let token = Token(token);
                let event = Event::ReplicaFetch { token, request };
                self.queue.push_back((to, event));
            }
            Command::AnswerReplicaFetch { token, response } => {
                let (follower, (leader, leader_shard)) = self.fetches[&token.0];
                let event = Event::ReplicaFetched {
                    leader: BrokerId(leader),
                    leader_shard,
                    response,
                };
                self.queue.push_back((follower, event));
            }
            Command::Make { partition } => {
                let shard = self.shards.get_mut(&from).unwrap();
                let made = shard.begin_making(partition).unwrap().run();
                let mut out = Vec::new();
                shard.made(Time::ZERO, WALL, made, &mut out);
                for command in out {
                    self.carry_out(from, command);
                }
            }
            Command::AnswerProduce { results, .. } => {
                let is_success = results.iter().all(|r| r.error == ErrorCode::None);
                self.acknowledged += usize::from(is_success);
            }
            _ => {}
        }
    }
}

#[test]
fn every_partition_is_fetched_from_the_shard_that_owns_it_there() {
    let mut net = Net {
        shards: BTreeMap::new(),
        queue: VecDeque::new(),
        fetches: BTreeMap::new(),
        acknowledged: 0,
    };
    let image = Arc::new(image());
    for (broker, shards) in [(0, SHARDS[0]), (1, SHARDS[1])] {
        let fs = MemoryFileSystem::new(1);
        kintsugi_storage::FileSystem::create_dir_all(&fs, Path::new("data")).unwrap();
        for shard in 0..shards {
            let place = (broker, shard);
            net.shards.insert(place, open(&fs, place, shards));
            let publish = Event::Publish {
                image: Arc::clone(&image),
                delta: None,
                broker_epoch: BrokerEpoch(100),
            };
            let until = Time::from_millis(10_000);
            net.queue.push_back((place, publish));
            net.queue.push_back((place, Event::ExtendLease { until }));
        }
    }
    net.run();
    for index in 0..PARTITIONS {
        let id = partition(index);
        let leader = index % 2;
        let shards = SHARDS[usize::try_from(leader).unwrap()];
        let produce = Produce {
            token: Token(9_000),
            acks: Acks::All,
            timeout_ms: 1_000,
            batches: vec![(id, batch("one"))],
        };
        let place = (leader, id.shard_of(shards));
        net.queue.push_back((place, Event::Produce(produce)));
        net.run();
    }
    assert_eq!(net.acknowledged, 12);
}
