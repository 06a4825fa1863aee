//! Three controllers with a real engine each, whose messages and writes arrive at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use kintsugi_metadata::failure_detector::DetectorConfig;
use kintsugi_quorum as quorum;
use kintsugi_types::{BrokerId, ControllerId, DirectoryId, ErrorCode, MetadataOffset, Time};
use uuid::Uuid;

use super::harness::{cluster, config, endpoint, incarnation, ms, registration};
use crate::controller::{Controller, ControllerConfig};
use crate::message::controller::{Command, DialOutcome, Event, LinkId};
use crate::message::link::{AdminAnswer, AdminRequest, Heartbeat, Hello, ToBroker, ToController};

const IDS: [i32; 3] = [1_000, 1_001, 1_002];

fn config_of(id: i32) -> ControllerConfig {
    let directory = |id: i32| DirectoryId(Uuid::from_u128(u128::try_from(id).unwrap()));
    let voters: BTreeMap<_, _> = IDS.iter().map(|id| (ControllerId(*id), None)).collect();
    let mut config = config();
    config.quorum = quorum::Config::new(ControllerId(id), directory(id), voters);
    config.quorum.limits.snapshot_after_entries = 20;
    config.quorum.limits.entries_kept_behind_snapshot = 2;
    let port = |id: i32| endpoint(u16::try_from(9_000 + id - 1_000).unwrap());
    config.endpoints = IDS
        .iter()
        .map(|id| (ControllerId(*id), port(*id)))
        .collect();
    config
}

pub(super) struct Three {
    pub(super) controllers: BTreeMap<ControllerId, Controller>,
    pub(super) now: Time,
    /// Everything but writes and messages, with who asked for it.
    pub(super) given: Vec<(ControllerId, Command)>,
    /// Whose disks never answer.
    pub(super) held: BTreeSet<ControllerId>,
}

impl Three {
    pub(super) fn new() -> Self {
        let open = |id: &i32| {
            let recovered = quorum::Recovered::fresh(true);
            let seed = u64::try_from(*id).unwrap();
            let controller = Controller::open(config_of(*id), recovered, ms(0), seed).unwrap();
            (ControllerId(*id), controller)
        };
        Self {
            controllers: IDS.iter().map(open).collect(),
            now: ms(0),
            given: Vec::new(),
            held: BTreeSet::new(),
        }
    }

    pub(super) fn give(&mut self, to: ControllerId, event: Event) {
        let mut events = VecDeque::from([(to, event)]);
        while let Some((to, event)) = events.pop_front() {
            let Some(controller) = self.controllers.get_mut(&to) else {
                continue;
            };
            let mut out = Vec::new();
            controller.handle(self.now, event, &mut out);
            for command in out {
                match command {
                    Command::Persist(_) if self.held.contains(&to) => {}
                    Command::Persist(persist) => {
                        let token = persist.token;
                        events.push_back((to, Event::Persisted { token }));
                    }
                    Command::ToPeer { to: peer, message } => {
                        events.push_back((peer, Event::FromPeer { from: to, message }));
                    }
                    other => self.given.push((to, other)),
                }
            }
        }
    }

    /// Lets time pass in steps of five milliseconds.
    pub(super) fn run_for(&mut self, millis: u64) {
        for _ in 0..millis / 5 {
            self.now = Time(self.now.0 + 5_000);
            let due = self.controllers.iter();
            let due = due.filter(|(_, controller)| controller.next_wake() <= self.now);
            let due: Vec<_> = due.map(|(id, _)| *id).collect();
            for id in due {
                self.give(id, Event::Wake);
            }
        }
    }

    pub(super) fn active(&self) -> Option<ControllerId> {
        let mut active = self.controllers.iter().filter(|(_, c)| c.is_active());
        active.next().map(|(id, _)| *id)
    }

    pub(super) fn run_until_active(&mut self) -> ControllerId {
        for _ in 0..100 {
            self.run_for(50);
            if let Some(active) = self.active() {
                return active;
            }
        }
        panic!("nobody became active in five seconds");
    }

    pub(super) fn register(&mut self, at: ControllerId, link: u64, broker: i32) {
        let link = LinkId(link);
        let opened = Event::LinkOpened {
            link,
            incarnation: incarnation(broker, 1),
            cluster: cluster(),
        };
        self.give(at, opened);
        let message = ToController::Register {
            registration: Box::new(registration(broker, 1)),
            applied: MetadataOffset(0),
        };
        self.give(at, Event::FromBroker { link, message });
    }

    pub(super) fn heartbeat(&mut self, at: ControllerId, link: u64, broker: i32) {
        let image = self.controllers[&at].image();
        let message = ToController::Heartbeat(Heartbeat {
            sequence: 1,
            broker_epoch: image.brokers[&BrokerId(broker)].epoch,
            applied: image.offset,
            shards_are_live: true,
            wants_to_stop: false,
            refused_by: BTreeSet::new(),
        });
        let link = LinkId(link);
        self.give(at, Event::FromBroker { link, message });
    }
}

#[test]
fn one_of_three_becomes_active_and_all_agree_on_what_it_decides() {
    let mut three = Three::new();
    let active = three.run_until_active();
    three.register(active, 1, 0);
    three.heartbeat(active, 1, 0);
    three.run_for(200);
    let image = three.controllers[&active].image().clone();
    assert!(image.is_active(BrokerId(0)));
    for controller in three.controllers.values() {
        assert_eq!(controller.image(), &image);
        assert_eq!(controller.leader(), Some(active));
    }
}

#[test]
fn a_follower_names_the_leader_at_the_endpoint_that_it_told_last() {
    let mut three = Three::new();
    let active = three.run_until_active();
    let follower = *three.controllers.keys().find(|id| **id != active).unwrap();
    let hello = Hello::Controller {
        id: active,
        directory: DirectoryId(Uuid::from_u128(1)),
        cluster: cluster(),
        endpoint: endpoint(7_777),
        process: 1,
    };
    three.give(follower, Event::PeerMet { hello });
    three.given.clear();
    let link = LinkId(3);
    let opened = Event::LinkOpened {
        link,
        incarnation: incarnation(0, 1),
        cluster: cluster(),
    };
    three.give(follower, opened);
    let message = ToBroker::NotActive {
        leader: Some((active, endpoint(7_777))),
    };
    let expected = [
        (follower, Command::ToBroker { link, message }),
        (follower, Command::CloseLink { link }),
    ];
    assert_eq!(three.given, expected);
}

#[test]
fn a_leader_cut_off_from_its_quorum_sends_everyone_away_and_decides_nothing() {
    let mut three = Three::new();
    let active = three.run_until_active();
    three.register(active, 1, 0);
    let others: Vec<_> = three
        .controllers
        .keys()
        .copied()
        .filter(|id| *id != active)
        .collect();
    for other in others {
        three.controllers.remove(&other);
    }
    three.given.clear();
    let link = LinkId(2);
    let opened = Event::LinkOpened {
        link,
        incarnation: incarnation(1, 1),
        cluster: cluster(),
    };
    three.give(active, opened);
    let register = ToController::Register {
        registration: Box::new(registration(1, 1)),
        applied: MetadataOffset(0),
    };
    three.give(
        active,
        Event::FromBroker {
            link,
            message: register,
        },
    );
    let request = AdminRequest::DeleteTopics { topics: Vec::new() };
    let token = 4;
    three.give(active, Event::Admin { token, request });
    assert_eq!(three.given, [], "nothing is told before it is committed");
    three.run_for(1_000);
    let not_active = |link| {
        let message = ToBroker::NotActive { leader: None };
        [
            (active, Command::ToBroker { link, message }),
            (active, Command::CloseLink { link }),
        ]
    };
    let answer = AdminAnswer::NotDecided(ErrorCode::NotController);
    let mut expected = vec![(active, Command::Answer { token, answer })];
    expected.extend(not_active(LinkId(1)));
    expected.extend(not_active(LinkId(2)));
    assert_eq!(three.active(), None);
    assert_eq!(three.given, expected);
}

#[test]
fn a_new_active_controller_dials_brokers_and_fences_none_before_a_session() {
    let mut three = Three::new();
    let first = three.run_until_active();
    for broker in 0..3 {
        let link = u64::try_from(broker).unwrap();
        three.register(first, link, broker);
        three.heartbeat(first, link, broker);
    }
    three.controllers.remove(&first);
    three.given.clear();
    let second = three.run_until_active();
    let began = three.now;
    let dials: Vec<_> = three
        .given
        .iter()
        .filter_map(|(_, command)| match command {
            Command::Dial { dial, endpoint } => Some((*dial, endpoint.port)),
            _ => None,
        })
        .collect();
    let ports: Vec<_> = dials.iter().map(|(_, port)| *port).collect();
    assert_eq!(ports, [9_000, 9_001, 9_002]);
    for (dial, port) in dials {
        let outcome = match port {
            9_000 => DialOutcome::Answered(incarnation(0, 1)),
            9_001 => DialOutcome::Refused,
            _ => DialOutcome::Silent,
        };
        three.give(second, Event::Dialled { dial, outcome });
    }
    let fenced = |three: &Three| {
        let image = three.controllers[&second].image();
        (0..3)
            .filter(|b| !image.is_unfenced(BrokerId(*b)))
            .collect::<Vec<_>>()
    };
    // The one that refuses again is dead by proof; the silent one has a session's time.
    three.given.clear();
    three.run_for(15);
    let again = three.given.iter().find_map(|(_, command)| match command {
        Command::Dial { dial, endpoint } if endpoint.port == 9_001 => Some(*dial),
        _ => None,
    });
    let outcome = DialOutcome::Refused;
    let dial = again.unwrap();
    three.give(second, Event::Dialled { dial, outcome });
    assert_eq!(fenced(&three), [1]);
    let session = DetectorConfig::default().session;
    while three.now < began + (session - std::time::Duration::from_millis(60)) {
        three.run_for(5);
        assert_eq!(fenced(&three), [1]);
    }
    three.run_for(200);
    assert_eq!(fenced(&three), [0, 1, 2]);
}

#[test]
fn a_voter_that_missed_much_is_brought_up_by_a_snapshot() {
    let mut three = Three::new();
    let active = three.run_until_active();
    let late = *three.controllers.keys().find(|id| **id != active).unwrap();
    let asleep = three.controllers.remove(&late).unwrap();
    for broker in 0..30 {
        let link = u64::try_from(broker).unwrap();
        three.register(active, link, broker);
        three.run_for(5);
    }
    assert!(three.controllers[&active].engine().snapshot_end().index > MetadataOffset(0));
    three.controllers.insert(late, asleep);
    three.run_for(3_000);
    let active = three.active().unwrap();
    let image = three.controllers[&active].image().clone();
    assert_eq!(image.brokers.len(), 30);
    assert_eq!(three.controllers[&late].image(), &image);
}
