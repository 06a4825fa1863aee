//! A controller alone in its quorum, whose journal answers at once.

use std::collections::{BTreeMap, BTreeSet};

use kintsugi_metadata::{BrokerRegistration, Delta, Image, MetadataRecord, PartitionState};
use kintsugi_quorum as quorum;
use kintsugi_types::{
    BootId, BrokerEpoch, BrokerId, ClusterId, ControllerId, DirectoryId, Endpoint, Generation,
    Incarnation, MetadataOffset, StartCounter, Time,
};
use uuid::Uuid;

use crate::controller::{Controller, ControllerConfig};
use crate::message::controller::{Command, DialId, DialOutcome, Event, LinkId};
use crate::message::link::{AdminRequest, Heartbeat, NewTopic, ToBroker, ToController};

pub(super) fn ms(millis: u64) -> Time {
    Time::from_millis(millis)
}

pub(super) fn cluster() -> ClusterId {
    "test".parse().unwrap()
}

pub(super) fn incarnation(broker: i32, start: u64) -> Incarnation {
    Incarnation {
        broker: BrokerId(broker),
        generation: Generation(1),
        start: StartCounter(start),
    }
}

pub(super) fn endpoint(port: u16) -> Endpoint {
    Endpoint {
        host: "10.0.0.1".to_owned(),
        port,
    }
}

pub(super) fn registration(broker: i32, start: u64) -> BrokerRegistration {
    BrokerRegistration {
        incarnation: incarnation(broker, start),
        directories: vec![DirectoryId(Uuid::from_u128(
            u128::try_from(broker).unwrap() + 1,
        ))],
        boot: BootId(Uuid::from_u128(1)),
        rack: None,
        client_endpoint: endpoint(1),
        replication_endpoint: endpoint(2),
        control_endpoint: endpoint(9_000 + u16::try_from(broker).unwrap()),
        shards: 1,
        clean_stop_epoch: None,
        recovered_to_checkpoint: true,
    }
}

pub(super) fn config() -> ControllerConfig {
    let id = ControllerId(1_000);
    let directory = DirectoryId(Uuid::from_u128(1_000));
    let voters = BTreeMap::from([(id, Some(directory))]);
    let quorum = quorum::Config::new(id, directory, voters);
    let endpoints = BTreeMap::from([(id, endpoint(9_093))]);
    ControllerConfig::new(quorum, cluster(), endpoints)
}

/// A controller whose writes are durable as soon as they are asked for.
pub(super) struct Harness {
    pub(super) controller: Controller,
    pub(super) now: Time,
    /// What a broker that applies all it is sent would know.
    pub(super) images: BTreeMap<LinkId, Image>,
}

impl Harness {
    /// Opens a controller and waits until it is active.
    pub(super) fn active() -> Self {
        let now = ms(1);
        let recovered = quorum::Recovered::fresh(true);
        let controller = Controller::open(config(), recovered, now, 7).unwrap();
        let mut harness = Self {
            controller,
            now,
            images: BTreeMap::new(),
        };
        harness.give(Event::Wake);
        harness
    }

    /// Gives one event, answers every write, and returns all other commands.
    pub(super) fn give(&mut self, event: Event) -> Vec<Command> {
        let mut given = Vec::new();
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let mut out = Vec::new();
            self.controller.handle(self.now, event, &mut out);
            for command in out {
                if let Command::Persist(persist) = command {
                    let token = persist.token;
                    events.insert(0, Event::Persisted { token });
                } else {
                    self.note(&command);
                    given.push(command);
                }
            }
        }
        given
    }

    pub(super) fn at(&mut self, now: Time, event: Event) -> Vec<Command> {
        self.now = now;
        self.give(event)
    }

    fn note(&mut self, command: &Command) {
        let Command::ToBroker { link, message } = command else {
            return;
        };
        match message {
            ToBroker::Snapshot { offset, records } => {
                let image = kintsugi_metadata::snapshot::restore(*offset, records);
                self.images.insert(*link, image);
            }
            ToBroker::Delta { entries } => {
                let image = self.images.entry(*link).or_default();
                for (offset, records) in entries {
                    assert_eq!(*offset, image.offset.next(), "a gap in the deltas");
                    image.apply(*offset, records, &mut Delta::default());
                }
            }
            _ => {}
        }
    }

    pub(super) fn hear(&mut self, link: u64, message: ToController) -> Vec<Command> {
        self.give(Event::FromBroker {
            link: LinkId(link),
            message,
        })
    }

    pub(super) fn open(&mut self, link: u64, who: Incarnation) -> Vec<Command> {
        self.give(Event::LinkOpened {
            link: LinkId(link),
            incarnation: who,
            cluster: cluster(),
        })
    }

    pub(super) fn register(&mut self, link: u64, broker: i32, start: u64) -> Vec<Command> {
        self.open(link, incarnation(broker, start));
        let registration = Box::new(registration(broker, start));
        self.hear(
            link,
            ToController::Register {
                registration,
                applied: MetadataOffset(0),
            },
        )
    }

    pub(super) fn epoch(&self, broker: i32) -> BrokerEpoch {
        self.controller.image().brokers[&BrokerId(broker)].epoch
    }

    pub(super) fn heartbeat(&mut self, link: u64, broker: i32) -> Vec<Command> {
        let heartbeat = Heartbeat {
            sequence: 1,
            broker_epoch: self.epoch(broker),
            applied: self.controller.image().offset,
            shards_are_live: true,
            wants_to_stop: false,
            refused_by: BTreeSet::new(),
        };
        self.hear(link, ToController::Heartbeat(heartbeat))
    }

    /// Registers and unfences brokers 0.. on links of the same number, each up to date.
    pub(super) fn with_brokers(count: i32) -> Self {
        let mut harness = Self::active();
        for broker in 0..count {
            let link = u64::try_from(broker).unwrap();
            harness.register(link, broker, 1);
            harness.heartbeat(link, broker);
        }
        harness.all_apply();
        harness
    }

    /// Every broker says that it has applied everything.
    pub(super) fn all_apply(&mut self) {
        for _ in 0..2 {
            let offset = self.controller.image().offset;
            let links: Vec<LinkId> = self.images.keys().copied().collect();
            for link in links {
                self.hear(link.0, ToController::Applied { offset });
            }
        }
    }

    pub(super) fn states(&self) -> Vec<PartitionState> {
        let partitions = self.controller.image().partitions();
        partitions
            .map(|(_, state)| state.as_ref().clone())
            .collect()
    }
}

/// The records of a delta, with the link that it went to.
pub(super) fn deltas(commands: &[Command]) -> Vec<(u64, Vec<MetadataRecord>)> {
    let delta = |command: &Command| match command {
        Command::ToBroker {
            link,
            message: ToBroker::Delta { entries },
        } => {
            let records = entries.iter().flat_map(|(_, records)| records.clone());
            Some((link.0, records.collect()))
        }
        _ => None,
    };
    commands.iter().filter_map(delta).collect()
}

pub(super) fn to(link: u64, message: ToBroker) -> Command {
    let link = LinkId(link);
    Command::ToBroker { link, message }
}

pub(super) fn create(name: &str, partitions: i32, replication_factor: i16) -> AdminRequest {
    let topic = NewTopic {
        name: name.parse().unwrap(),
        partitions: Some(partitions),
        replication_factor: Some(replication_factor),
        assignments: BTreeMap::new(),
        configs: BTreeMap::new(),
    };
    AdminRequest::CreateTopics {
        topics: vec![topic],
        validate_only: false,
    }
}

/// Kills a broker: its link closes, and its control port refuses twice.
pub(super) fn kill(harness: &mut Harness, broker: i32, at_ms: u64) -> Vec<Vec<Command>> {
    let link = LinkId(u64::try_from(broker).unwrap());
    let closed = harness.at(ms(at_ms), Event::LinkClosed { link });
    let refused = |dial| Event::Dialled {
        dial: DialId(dial),
        outcome: DialOutcome::Refused,
    };
    let first = harness.at(ms(at_ms + 1), refused(1));
    let second = harness.at(ms(at_ms + 11), Event::Wake);
    let dead = harness.at(ms(at_ms + 12), refused(2));
    vec![closed, first, second, dead]
}
