//! A controller over its real store, whose machine loses power.

use std::collections::BTreeSet;
use std::path::Path;

use kintsugi_metadata::Image;
use kintsugi_storage::{JournalLimits, MemoryFileSystem};
use kintsugi_types::{BrokerId, ControllerId, DirectoryId, Generation, MetadataOffset, Time};
use uuid::Uuid;

use super::harness::{cluster, config, create, incarnation, ms, registration};
use crate::controller::{Controller, ControllerStore, VoterIdentity};
use crate::message::controller::{Command, Event, LinkId};
use crate::message::link::{Heartbeat, ToController};

struct Machine {
    fs: MemoryFileSystem,
    store: ControllerStore<MemoryFileSystem>,
    controller: Controller,
    now: Time,
}

impl Machine {
    /// Opens what the disk holds and waits until the controller is active.
    fn start(fs: MemoryFileSystem, now: Time) -> Self {
        let identity = VoterIdentity {
            cluster: cluster(),
            id: ControllerId(1_000),
            generation: Generation(1),
            is_founder: true,
            new_directory: DirectoryId(Uuid::from_u128(1_000)),
        };
        let limits = JournalLimits {
            segment_bytes: 16_384,
            ..JournalLimits::default()
        };
        let directory = Path::new("/data/controller");
        let (store, opened) = ControllerStore::open(&fs, directory, &identity, limits).unwrap();
        let mut config = config();
        assert_eq!(opened.directory, config.quorum.directory);
        config.quorum.limits.snapshot_after_entries = 10;
        config.quorum.limits.entries_kept_behind_snapshot = 2;
        let controller = Controller::open(config, opened.recovered, now, now.0).unwrap();
        let mut machine = Self {
            fs,
            store,
            controller,
            now,
        };
        machine.give(Event::Wake);
        assert!(machine.controller.is_active());
        machine
    }

    fn give(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let mut out = Vec::new();
            self.controller.handle(self.now, event, &mut out);
            for command in out {
                if let Command::Persist(persist) = command {
                    self.store.write(&persist).unwrap();
                    let token = persist.token;
                    events.insert(0, Event::Persisted { token });
                }
            }
        }
    }

    fn lose_power(self) -> Self {
        let now = self.now + std::time::Duration::from_secs(1);
        let fs = self.fs.clone();
        drop(self.store);
        fs.lose_power(&mut fastrand::Rng::with_seed(now.0));
        Self::start(fs, now)
    }
}

/// An image without its offset: a new leader begins with an entry of its own.
fn content(image: &Image) -> Image {
    Image {
        offset: MetadataOffset(0),
        ..image.clone()
    }
}

#[test]
fn what_was_decided_survives_losses_of_power_across_snapshots() {
    let mut machine = Machine::start(MemoryFileSystem::new(3), ms(1));
    for round in 0..30_i32 {
        let link = LinkId(u64::try_from(round).unwrap());
        machine.give(Event::LinkOpened {
            link,
            incarnation: incarnation(round % 4, u64::try_from(round).unwrap() + 1),
            cluster: cluster(),
        });
        let registration = registration(round % 4, u64::try_from(round).unwrap() + 1);
        let message = ToController::Register {
            registration: Box::new(registration),
            applied: MetadataOffset(0),
        };
        machine.give(Event::FromBroker { link, message });
        let image = machine.controller.image();
        let message = ToController::Heartbeat(Heartbeat {
            sequence: 1,
            broker_epoch: image.brokers[&BrokerId(round % 4)].epoch,
            applied: image.offset,
            shards_are_live: true,
            wants_to_stop: false,
            refused_by: BTreeSet::new(),
        });
        machine.give(Event::FromBroker { link, message });
        let request = create(&format!("t{round}"), 1, 1);
        machine.give(Event::Admin { token: 1, request });
        let before = content(machine.controller.image());
        if round % 7 == 0 {
            machine = machine.lose_power();
            assert_eq!(content(machine.controller.image()), before, "round {round}");
        }
    }
    assert!(machine.controller.engine().snapshot_end().index > MetadataOffset(10));
    assert_eq!(machine.controller.brokers().len(), 4);
    assert_eq!(machine.controller.partition_counts().total, 30);
}
