//! Brokers that come, go and lie in any order: nothing panics, and whoever listens converges.

use std::collections::BTreeMap;

use kintsugi_types::{BrokerId, Generation, MetadataOffset, StartCounter, Time};
use proptest::prelude::*;

use super::harness::{Harness, cluster, incarnation, registration};
use crate::message::controller::{Command, DialId, DialOutcome, Event, LinkId};
use crate::message::link::{
    AdminRequest, AlterPartitionRequest, Heartbeat, IsrChange, NewTopic, ToController,
};

#[derive(Clone, Debug)]
enum Act {
    Open {
        broker: i32,
        start: u64,
    },
    Close {
        nth: usize,
    },
    Register {
        nth: usize,
    },
    Heartbeat {
        nth: usize,
        stop: bool,
        live: bool,
        refused: i32,
    },
    Applied {
        nth: usize,
    },
    Alter {
        nth: usize,
        members: u8,
    },
    Create {
        partitions: i32,
        factor: i16,
    },
    Delete,
    Grant {
        broker: i32,
        generation: u32,
    },
    Dialled {
        nth: usize,
        outcome: u8,
    },
    Pass {
        millis: u64,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let (broker, nth) = (0_i32..4, any::<usize>());
    prop_oneof![
        3 => (broker.clone(), 1_u64..4).prop_map(|(broker, start)| Act::Open { broker, start }),
        1 => nth.prop_map(|nth| Act::Close { nth }),
        3 => nth.prop_map(|nth| Act::Register { nth }),
        8 => (nth, prop::bool::weighted(0.1), prop::bool::weighted(0.9), broker.clone())
            .prop_map(|(nth, stop, live, refused)| Act::Heartbeat { nth, stop, live, refused }),
        4 => nth.prop_map(|nth| Act::Applied { nth }),
        4 => (nth, any::<u8>()).prop_map(|(nth, members)| Act::Alter { nth, members }),
        2 => (0_i32..9, 0_i16..5).prop_map(|(partitions, factor)| Act::Create { partitions, factor }),
        1 => Just(Act::Delete),
        1 => (broker, 0_u32..4).prop_map(|(broker, generation)| Act::Grant { broker, generation }),
        3 => (nth, 0_u8..4).prop_map(|(nth, outcome)| Act::Dialled { nth, outcome }),
        4 => (1_u64..700).prop_map(|millis| Act::Pass { millis }),
    ]
}

/// The harness, and what a broker's side of each link knows.
struct World {
    harness: Harness,
    links: BTreeMap<LinkId, (i32, u64)>,
    dials: Vec<DialId>,
    next_link: u64,
}

impl World {
    fn give(&mut self, event: Event) {
        for command in self.harness.give(event) {
            match command {
                Command::CloseLink { link } => {
                    self.links.remove(&link);
                    self.harness.images.remove(&link);
                    self.harness.give(Event::LinkClosed { link });
                }
                Command::Dial { dial, .. } => self.dials.push(dial),
                Command::Fatal { reason } => panic!("{reason}"),
                _ => {}
            }
        }
    }

    fn nth(&self, nth: usize) -> Option<(LinkId, i32, u64)> {
        let count = self.links.len().max(1);
        let (link, (broker, start)) = self.links.iter().nth(nth % count)?;
        Some((*link, *broker, *start))
    }

    fn say(&mut self, nth: usize, message: impl FnOnce(&Self, i32, u64, LinkId) -> ToController) {
        if let Some((link, broker, start)) = self.nth(nth) {
            let message = message(self, broker, start, link);
            self.give(Event::FromBroker { link, message });
        }
    }

    fn applied(&self, link: LinkId) -> MetadataOffset {
        self.harness
            .images
            .get(&link)
            .map_or(MetadataOffset(0), |image| image.offset)
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Open { broker, start } => {
                self.next_link += 1;
                let link = LinkId(self.next_link);
                self.links.insert(link, (*broker, *start));
                let incarnation = incarnation(*broker, *start);
                let cluster = cluster();
                self.give(Event::LinkOpened {
                    link,
                    incarnation,
                    cluster,
                });
            }
            Act::Close { nth } => {
                if let Some((link, ..)) = self.nth(*nth) {
                    self.links.remove(&link);
                    self.harness.images.remove(&link);
                    self.give(Event::LinkClosed { link });
                }
            }
            Act::Register { nth } => {
                self.say(*nth, |world, broker, start, link| ToController::Register {
                    registration: Box::new(registration(broker, start)),
                    applied: world.applied(link),
                })
            }
            Act::Applied { nth } => self.say(*nth, |world, _, _, link| {
                let offset = world.applied(link);
                ToController::Applied { offset }
            }),
            Act::Heartbeat {
                nth,
                stop,
                live,
                refused,
            } => {
                let refused = incarnation(*refused, 1);
                self.say(*nth, |world, broker, _, link| {
                    let known = world
                        .harness
                        .controller
                        .image()
                        .brokers
                        .get(&BrokerId(broker));
                    ToController::Heartbeat(Heartbeat {
                        sequence: 1,
                        broker_epoch: known.map_or_else(Default::default, |known| known.epoch),
                        applied: world.applied(link),
                        shards_are_live: *live,
                        wants_to_stop: *stop,
                        refused_by: [refused].into(),
                    })
                });
            }
            Act::Alter { nth, members } => self.say(*nth, |world, broker, _, _| {
                ToController::AlterPartition(world.changes(broker, *members))
            }),
            other => self.act_outside(other),
        }
    }

    /// What does not come from a broker.
    fn act_outside(&mut self, act: &Act) {
        match act {
            Act::Create { partitions, factor } => {
                let topic = NewTopic {
                    name: format!("t{}", self.next_link % 3).parse().unwrap(),
                    partitions: Some(*partitions),
                    replication_factor: Some(*factor),
                    assignments: BTreeMap::new(),
                    configs: BTreeMap::new(),
                };
                self.admin(AdminRequest::CreateTopics {
                    topics: vec![topic],
                    validate_only: false,
                });
            }
            Act::Delete => {
                let topics = vec![format!("t{}", self.next_link % 3).parse().unwrap()];
                self.admin(AdminRequest::DeleteTopics { topics });
            }
            Act::Grant { broker, generation } => self.admin(AdminRequest::GrantGeneration {
                broker: BrokerId(*broker),
                generation: Generation(*generation),
            }),
            Act::Dialled { nth, outcome } => self.dialled(*nth, *outcome),
            Act::Pass { millis } => self.pass(*millis),
            _ => {}
        }
    }

    fn admin(&mut self, request: AdminRequest) {
        self.give(Event::Admin { token: 1, request });
    }

    fn changes(&self, broker: i32, members: u8) -> AlterPartitionRequest {
        let image = self.harness.controller.image();
        let led = image
            .partitions()
            .filter(|(_, s)| s.leader == Some(BrokerId(broker)));
        let change =
            |(partition, state): (_, &std::sync::Arc<kintsugi_metadata::PartitionState>)| {
                let isr = state.replicas.iter().enumerate();
                let isr = isr.filter(|(bit, b)| b.0 == broker || members & (1 << (bit % 8)) != 0);
                IsrChange {
                    partition,
                    leader_epoch: state.leader_epoch,
                    partition_epoch: state.partition_epoch,
                    isr: isr.map(|(_, b)| (*b, image.brokers[b].epoch)).collect(),
                }
            };
        let known = image.brokers.get(&BrokerId(broker));
        AlterPartitionRequest {
            request_id: 1,
            broker_epoch: known.map_or_else(Default::default, |known| known.epoch),
            changes: led.map(change).collect(),
        }
    }

    fn dialled(&mut self, nth: usize, outcome: u8) {
        if self.dials.is_empty() {
            return;
        }
        let dial = self.dials.remove(nth % self.dials.len());
        let mut other = incarnation(0, 1);
        other.start = StartCounter(77);
        let outcome = match outcome {
            0 => DialOutcome::Silent,
            1 => DialOutcome::Answered(other),
            _ => DialOutcome::Refused,
        };
        self.give(Event::Dialled { dial, outcome });
    }

    fn pass(&mut self, millis: u64) {
        let until = Time(self.harness.now.0 + millis * 1_000);
        for _ in 0..10_000 {
            let wake = self.harness.controller.next_wake();
            if wake > until {
                self.harness.now = until;
                return;
            }
            self.harness.now = wake.max(self.harness.now);
            self.give(Event::Wake);
        }
        panic!("woken without end");
    }

    /// Passes time until nothing has been decided for longer than an entry is held back. One wait
    /// is not enough: a session may end while the last entry is held, and so on.
    fn settle(&mut self) {
        for _ in 0..100 {
            let before = self.harness.controller.image().offset;
            self.pass(60);
            if self.harness.controller.image().offset == before {
                return;
            }
        }
        panic!("decides without end");
    }
}

fn check(world: &World) {
    let image = world.harness.controller.image();
    for (_, state) in image.partitions() {
        if let Some(leader) = state.leader {
            assert!(
                state.isr.contains(&leader) && image.is_unfenced(leader),
                "{state:?}"
            );
        }
        assert!(state.isr.iter().all(|b| image.is_unfenced(*b)), "{state:?}");
        assert!(
            state.elr.iter().all(|b| !state.isr.contains(b)),
            "{state:?}"
        );
    }
}

proptest! {
    #[test]
    fn any_order_of_events_keeps_the_invariants_and_brings_every_listener_up_to_date(
        acts in prop::collection::vec(act(), 1..120),
    ) {
        let mut world = World {
            harness: Harness::active(),
            links: BTreeMap::new(),
            dials: Vec::new(),
            next_link: 0,
        };
        for act in &acts {
            world.act(act);
            check(&world);
        }
        world.settle();
        let image = world.harness.controller.image().clone();
        for (link, told) in &world.harness.images {
            prop_assert_eq!(told, image.as_ref(), "link {:?}", link);
        }
    }
}
