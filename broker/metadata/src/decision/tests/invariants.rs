//! Random histories of a small cluster, beside a model of where acknowledged records are.
//!
//! The model knows which brokers hold every record of a partition that was acknowledged with
//! acks=all. A record is acknowledged when at least the minimum of replicas is in sync and all of
//! them have it. A broker loses what it holds only by a restart on another kernel without a clean
//! stop, or by a new, empty volume.

use std::collections::{BTreeMap, BTreeSet};

use kintsugi_types::{
    BootId, BrokerId, DirectoryId, Generation, LeaderEpoch, Offset, PartitionId, StartCounter,
};
use proptest::prelude::*;
use uuid::Uuid;

use super::fixture::{Cluster, SETTINGS, id, ids};
use crate::configs::topic::MIN_INSYNC_REPLICAS;
use crate::configs::{self, ConfigAlteration, ConfigChange, ConfigResource};
use crate::decision::alter_partition::{IsrProposal, alter};
use crate::decision::unclean_recovery::{Evidence, ReplicaLogEnd, elect_by_log_ends};
use crate::decision::{generation, preferred, reassignment};
use crate::image::Image;
use crate::snapshot::{records_of, restore};

/// From this on, a draw of members means that the leader resigns.
const RESIGNING: u8 = 0xC0;

const BROKERS: i32 = 4;

#[derive(Clone, Debug)]
enum Act {
    Fence(i32),
    Restart {
        broker: i32,
        reboot: bool,
    },
    Unfence(i32),
    Stop(i32),
    Grant(i32),
    Replace(i32),
    Alter {
        partition: usize,
        members: u8,
    },
    Acknowledge {
        partition: usize,
    },
    Recover {
        is_wait_over: bool,
    },
    Rebalance,
    Reassign {
        partition: usize,
        target: Vec<i32>,
    },
    Cancel {
        partition: usize,
    },
    /// Sets `min.insync.replicas` of all brokers.
    Minimum(u8),
}

fn act() -> impl Strategy<Value = Act> {
    let broker = 0..BROKERS;
    let partition = 0_usize..6;
    prop_oneof![
        3 => broker.clone().prop_map(Act::Fence),
        3 => (broker.clone(), prop::bool::weighted(0.3))
            .prop_map(|(broker, reboot)| Act::Restart { broker, reboot }),
        5 => broker.clone().prop_map(Act::Unfence),
        1 => broker.clone().prop_map(Act::Stop),
        1 => broker.clone().prop_map(Act::Grant),
        2 => broker.prop_map(Act::Replace),
        5 => (partition.clone(), any::<u8>())
            .prop_map(|(partition, members)| Act::Alter { partition, members }),
        5 => partition.clone().prop_map(|partition| Act::Acknowledge { partition }),
        3 => (partition.clone(), target())
            .prop_map(|(partition, target)| Act::Reassign { partition, target }),
        1 => partition.prop_map(|partition| Act::Cancel { partition }),
        3 => any::<bool>().prop_map(|is_wait_over| Act::Recover { is_wait_over }),
        1 => Just(Act::Rebalance),
        2 => (1_u8..=3).prop_map(Act::Minimum),
    ]
}

/// One to three different brokers.
fn target() -> impl Strategy<Value = Vec<i32>> {
    let all: Vec<i32> = (0..BROKERS).collect();
    (Just(all).prop_shuffle(), 1_usize..=3).prop_map(|(mut order, count)| {
        order.truncate(count);
        order
    })
}

/// Who holds every acknowledged record of each partition that has one.
type Holders = BTreeMap<PartitionId, BTreeSet<BrokerId>>;

struct History {
    cluster: Cluster,
    holders: Holders,
}

impl History {
    fn new() -> Self {
        Self {
            cluster: Cluster::with_topic(BROKERS, 6, 3),
            holders: Holders::new(),
        }
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Fence(broker) => {
                self.cluster.fence(*broker);
            }
            Act::Restart { broker, reboot } => {
                let restarted = self.cluster.try_restart(*broker, |registration| {
                    if *reboot {
                        let next = registration.boot.0.as_u128() + 100;
                        registration.boot = BootId(Uuid::from_u128(next));
                    }
                });
                if *reboot && restarted.is_ok() {
                    self.lose(*broker);
                }
            }
            Act::Unfence(broker) => self.cluster.unfence(*broker),
            Act::Stop(broker) => self.cluster.stop(*broker),
            Act::Grant(broker) => self.grant(*broker),
            Act::Replace(broker) => self.replace(*broker),
            Act::Alter { partition, members } => self.alter(*partition, *members),
            Act::Acknowledge { partition } => self.acknowledge(*partition),
            Act::Recover { is_wait_over } => self.recover(*is_wait_over),
            Act::Reassign { partition, target } => self.reassign(*partition, target),
            Act::Cancel { partition } => self.cancel(*partition),
            Act::Minimum(minimum) => self.set_minimum(*minimum),
            Act::Rebalance => {
                let records = preferred::rebalance(&self.cluster.image, &SETTINGS);
                self.cluster.apply(&records);
            }
        }
        self.forget_removed();
    }

    /// Every live replica tells what it holds: those that hold all that was acknowledged have the
    /// longest logs. Where one of those lives, the elected one is one of them; where none does, the
    /// promise ends.
    fn recover(&mut self, is_wait_over: bool) {
        let before = self.cluster.image.clone();
        let mut evidence = BTreeMap::new();
        for (partition, state) in before.partitions() {
            let holders = self.holders.get(&partition);
            let answer = |broker: &BrokerId| {
                let holds_all = holders.is_some_and(|holders| holders.contains(broker));
                let answer = ReplicaLogEnd {
                    broker_epoch: before.brokers[broker].epoch,
                    leader_epoch: state.leader_epoch,
                    last_epoch: LeaderEpoch(0),
                    log_end: Offset(i64::from(holds_all)),
                };
                (*broker, answer)
            };
            let of_partition = Evidence {
                answers: state.replicas.iter().map(answer).collect(),
                is_wait_over,
                may_lose: false,
            };
            evidence.insert(partition, of_partition);
        }
        let records = elect_by_log_ends(&before, &SETTINGS, &evidence);
        self.cluster.apply(&records);
        for (partition, state) in self.cluster.image.partitions() {
            let is_live = |holder: &BrokerId| before.is_unfenced(*holder);
            let elected = state
                .leader
                .filter(|_| before.partition(partition) != Some(state));
            let holders = self.holders.get(&partition);
            let (Some(elected), Some(holders)) = (elected, holders) else {
                continue;
            };
            let was_known = holders.contains(&elected);
            assert!(
                was_known || !holders.iter().any(is_live),
                "{state:?} {holders:?}"
            );
            if !was_known {
                assert!(is_wait_over || holders.is_empty(), "{state:?} {holders:?}");
                self.holders.remove(&partition);
            }
        }
    }

    fn set_minimum(&mut self, minimum: u8) {
        let change = ConfigChange::Set(minimum.to_string());
        let alteration = ConfigAlteration {
            resource: ConfigResource::AllBrokers,
            changes: BTreeMap::from([(MIN_INSYNC_REPLICAS.to_owned(), change)]),
            replaces_all: false,
        };
        let records = configs::alter(&self.cluster.image, &SETTINGS, &alteration).unwrap();
        self.cluster.apply(&records);
    }

    fn lose(&mut self, broker: i32) {
        for holders in self.holders.values_mut() {
            holders.remove(&id(broker));
        }
    }

    /// What the broker's volume holds is given up from here on.
    fn grant(&mut self, broker: i32) {
        let image = &self.cluster.image;
        let registered = image.brokers[&id(broker)].registration.incarnation;
        let next = Generation(registered.generation.0 + 1);
        let Ok(records) = generation::grant(image, &SETTINGS, id(broker), next) else {
            return;
        };
        for (partition, holders) in &self.holders {
            let is_only_holder = holders.len() == 1 && holders.contains(&id(broker));
            let state = image.partition(*partition).unwrap();
            assert!(!is_only_holder, "granted away the last copy: {state:?}");
        }
        self.cluster.apply(&records);
        self.lose(broker);
    }

    /// Starts the broker on a new volume, if its next generation was granted.
    fn replace(&mut self, broker: i32) {
        let known = &self.cluster.image.brokers[&id(broker)].registration;
        let mut registration = known.as_ref().clone();
        registration.incarnation.generation.0 += 1;
        registration.incarnation.start = StartCounter(1);
        let volume = registration.directories[0].0.as_u128() + 100;
        registration.directories = vec![DirectoryId(Uuid::from_u128(volume))];
        // Refused unless granted.
        let _ = self.cluster.register(&registration);
    }

    fn reassign(&mut self, partition: usize, target: &[i32]) {
        let partition = self.nth(partition);
        let image = &self.cluster.image;
        let record =
            reassignment::reassign(image, &SETTINGS, partition, &ids(target), true).unwrap();
        self.cluster.apply(record.as_slice());
    }

    fn cancel(&mut self, partition: usize) {
        let partition = self.nth(partition);
        let image = &self.cluster.image;
        let state = image.partition(partition).unwrap();
        let original = state.reassignment.as_ref().map(|m| m.original.clone());
        // Refused where nothing moves, and where it would lose what is committed.
        if let Ok(record) = reassignment::cancel(image, &SETTINGS, partition) {
            self.cluster.apply(record.as_slice());
            let state = self.cluster.image.partition(partition).unwrap();
            assert_eq!(Some(&state.replicas), original.as_ref(), "{state:?}");
            assert_eq!(state.reassignment, None);
        }
    }

    /// Every broker comes back, on a new volume if its old one was given up, and every leader
    /// takes all replicas into its ISR.
    fn heal(&mut self) {
        for broker in 0..BROKERS {
            self.replace(broker);
            let _ = self.cluster.try_restart(broker, |_| {});
            self.cluster.unfence(broker);
        }
        self.recover(false);
        for partition in 0..6 {
            self.alter(partition, u8::MAX);
        }
    }

    fn nth(&self, partition: usize) -> PartitionId {
        self.cluster.image.partitions().nth(partition).unwrap().0
    }

    /// The leader proposes an ISR. Whoever joins it has caught up with the leader first. Now and then
    /// it proposes the others, to resign.
    fn alter(&mut self, partition: usize, members: u8) {
        let partition = self.nth(partition);
        let image = &self.cluster.image;
        let state = image.partition(partition).unwrap();
        let Some(leader) = state.leader else {
            return;
        };
        let resigns = (RESIGNING..u8::MAX).contains(&members);
        let chosen = |(bit, broker): (usize, &BrokerId)| {
            let is_in = match *broker == leader {
                true => !resigns,
                false => members & (1 << bit) != 0,
            };
            let epoch = image.brokers[broker].epoch;
            is_in.then_some((*broker, epoch))
        };
        let isr: BTreeMap<_, _> = state
            .replicas
            .iter()
            .enumerate()
            .filter_map(chosen)
            .collect();
        let proposal = IsrProposal {
            partition,
            leader_epoch: state.leader_epoch,
            partition_epoch: state.partition_epoch,
            isr: &isr,
        };
        let Ok(record) = alter(image, &SETTINGS, leader, &proposal) else {
            return;
        };
        if let Some(holders) = self.holders.get_mut(&partition).filter(|_| !resigns) {
            if holders.contains(&leader) {
                holders.extend(isr.keys().copied());
            } else {
                for follower in isr.keys() {
                    holders.remove(follower);
                }
            }
        }
        self.cluster.apply(record.as_slice());
    }

    /// A record is acknowledged, if the rules of the data path allow it.
    fn acknowledge(&mut self, partition: usize) {
        let partition = self.nth(partition);
        let state = self.cluster.image.partition(partition).unwrap();
        let min_isr = SETTINGS.min_isr(&self.cluster.image, partition.topic, state);
        if state.leader.is_some() && state.isr.len() >= min_isr {
            let holders = state.isr.iter().copied().collect();
            self.holders.insert(partition, holders);
        }
    }

    /// A replica that left a partition has deleted its log. The last that holds what was
    /// acknowledged never leaves.
    fn forget_removed(&mut self) {
        for (partition, holders) in &mut self.holders {
            let state = self.cluster.image.partition(*partition).unwrap();
            let before = holders.len();
            holders.retain(|holder| state.replicas.contains(holder));
            assert!(
                before == 0 || !holders.is_empty(),
                "lost by a move: {state:?}"
            );
        }
    }

    fn check(&self, before: &Image) {
        let image = &self.cluster.image;
        for (partition, state) in image.partitions() {
            if let Some(leader) = state.leader {
                assert!(state.isr.contains(&leader), "{state:?}");
                assert!(image.is_unfenced(leader), "{state:?}");
            }
            if let Some(last) = state.last_known_leader {
                let granted = image.generations.get(&last).copied().unwrap_or_default();
                let registered = image.brokers[&last].registration.incarnation.generation;
                assert!(granted <= registered, "given up: {state:?}");
            }
            if state.leader.is_none() {
                let is_active = |broker: &BrokerId| image.is_active(*broker);
                assert!(!state.isr.iter().any(is_active), "could be led: {state:?}");
                let eligible = state.isr.is_empty() && state.elr.iter().any(is_active);
                assert!(!eligible, "could be led: {state:?}");
            }
            for member in &state.isr {
                assert!(state.replicas.contains(member), "{state:?}");
                assert!(image.is_unfenced(*member), "fenced in ISR: {state:?}");
                assert!(!state.elr.contains(member), "{state:?}");
            }
            assert!(state.elr.iter().all(|b| state.replicas.contains(b)));
            let old = before.partition(partition).unwrap();
            if old != state {
                assert_eq!(state.partition_epoch, old.partition_epoch.next());
            }
            let is_gone = |broker: &BrokerId| !state.replicas.contains(broker);
            let is_removal = old.replicas.iter().any(is_gone);
            let bump = i32::from(old.leader != state.leader || is_removal);
            assert_eq!(state.leader_epoch.0, old.leader_epoch.0 + bump);
            self.check_holders(partition);
        }
    }

    /// Whoever is in ISR or ELR holds every acknowledged record.
    fn check_holders(&self, partition: PartitionId) {
        let state = self.cluster.image.partition(partition).unwrap();
        let Some(holders) = self.holders.get(&partition) else {
            return;
        };
        for sure in state.isr.iter().chain(&state.elr) {
            assert!(holders.contains(sure), "{state:?} {holders:?}");
        }
    }
}

proptest! {
    #[test]
    fn decisions_keep_the_invariants_and_lose_no_acknowledged_record(
        acts in prop::collection::vec(act(), 1..80),
    ) {
        let mut history = History::new();
        for act in &acts {
            let before = history.cluster.image.clone();
            history.act(act);
            history.check(&before);
        }
    }

    #[test]
    fn moves_complete_once_all_brokers_are_well(
        acts in prop::collection::vec(act(), 1..60),
    ) {
        let mut history = History::new();
        for act in &acts {
            history.act(act);
        }
        let moving: Vec<_> = reassignment::ongoing(&history.cluster.image)
            .map(|(partition, state)| (partition, state.target_replicas()))
            .collect();
        history.heal();
        for (partition, target) in moving {
            let state = history.cluster.image.partition(partition).unwrap();
            prop_assert_eq!(&state.replicas, &target, "{:?}", state);
            prop_assert_eq!(&state.reassignment, &None);
        }
    }

    #[test]
    fn a_snapshot_rebuilds_the_image(acts in prop::collection::vec(act(), 1..60)) {
        let mut history = History::new();
        for act in &acts {
            history.act(act);
        }
        let image = &history.cluster.image;
        prop_assert_eq!(&restore(image.offset, &records_of(image)), image);
    }
}
