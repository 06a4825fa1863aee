//! Which brokers hold the replicas of new partitions.
//!
//! Guarantees: leaders (the first replicas) are spread evenly, to within one, over the unfenced
//! brokers; a partition's replicas lie in as many racks as they can; a fenced broker is used only
//! when the unfenced ones do not suffice; replicas are spread over brokers as evenly as the racks
//! allow. Never places two replicas of a partition on one broker, or any on a cordoned one.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use kintsugi_types::{BrokerId, Rack};

use crate::image::Image;

/// A broker that may be given replicas.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsableBroker {
    /// Which one.
    pub broker: BrokerId,
    /// Its rack; brokers without one count as one rack together.
    pub rack: Option<Rack>,
    /// Whether it is fenced (or stopping), and so cannot lead at once.
    pub fenced: bool,
}

/// Failed to place replicas.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PlacementError {
    /// There are fewer brokers than replicas wanted.
    #[error(
        "failed to place {wanted} replicas: only {brokers} broker(s) are registered and not cordoned; ask for fewer replicas or add brokers"
    )]
    TooFewBrokers {
        /// The replication factor.
        wanted: usize,
        /// How many brokers there are.
        brokers: usize,
    },
    /// No broker could lead.
    #[error("failed to place replicas: every broker is fenced; wait until one is back")]
    AllFenced,
}

/// Every registered broker that is not cordoned.
#[must_use]
pub fn usable_brokers(image: &Image) -> Vec<UsableBroker> {
    let is_open = |(broker, _): &(&BrokerId, &crate::image::BrokerImage)| {
        !image.dynamic_configs.is_cordoned(**broker)
    };
    let usable = |(broker, state): (&BrokerId, &crate::image::BrokerImage)| UsableBroker {
        broker: *broker,
        rack: state.registration.rack.clone(),
        fenced: state.fenced || state.stopping,
    };
    image.brokers.iter().filter(is_open).map(usable).collect()
}

/// Chooses the replicas of `partitions` new partitions, `replication_factor` each, the preferred
/// leader first. `rng` draws where the round begins, so that many small topics spread too.
///
/// # Errors
/// See [`PlacementError`].
pub fn place(
    brokers: &[UsableBroker],
    partitions: usize,
    replication_factor: usize,
    rng: &mut fastrand::Rng,
) -> Result<Vec<Vec<BrokerId>>, PlacementError> {
    if brokers.len() < replication_factor {
        return Err(PlacementError::TooFewBrokers {
            wanted: replication_factor,
            brokers: brokers.len(),
        });
    }
    let mut order = interleave_racks(brokers);
    order.sort_by_key(|broker| broker.fenced);
    let unfenced = order.iter().filter(|broker| !broker.fenced).count();
    if unfenced == 0 {
        return Err(PlacementError::AllFenced);
    }
    let start = rng.usize(..unfenced);
    let mut held: BTreeMap<BrokerId, usize> = BTreeMap::new();
    let mut placed = Vec::with_capacity(partitions);
    for partition in 0..partitions {
        let leader = (start + partition) % unfenced;
        // The walk over the followers begins one further each round, so that the partitions of
        // one leader do not all have the same followers.
        let shift = partition / unfenced;
        let replicas = place_one(&order, leader, shift, replication_factor, &held);
        for broker in &replicas {
            *held.entry(*broker).or_default() += 1;
        }
        placed.push(replicas);
    }
    Ok(placed)
}

/// The brokers, one of each rack in turn.
fn interleave_racks(brokers: &[UsableBroker]) -> Vec<&UsableBroker> {
    let mut racks: BTreeMap<&Option<Rack>, VecDeque<&UsableBroker>> = BTreeMap::new();
    for broker in brokers {
        racks.entry(&broker.rack).or_default().push_back(broker);
    }
    let mut order = Vec::with_capacity(brokers.len());
    while order.len() < brokers.len() {
        order.extend(racks.values_mut().filter_map(VecDeque::pop_front));
    }
    order
}

/// One partition's replicas: each next one is unfenced if possible, then in the rack that this
/// partition uses least, then on the broker that holds the fewest, then the next in the walk.
fn place_one(
    order: &[&UsableBroker],
    leader: usize,
    shift: usize,
    replication_factor: usize,
    held: &BTreeMap<BrokerId, usize>,
) -> Vec<BrokerId> {
    let mut replicas = Vec::with_capacity(replication_factor);
    let mut rack_uses: BTreeMap<&Option<Rack>, usize> = BTreeMap::new();
    let count = order.len();
    let mut next = order.get(leader).copied();
    while let Some(broker) = next.filter(|_| replicas.len() < replication_factor) {
        replicas.push(broker.broker);
        *rack_uses.entry(&broker.rack).or_default() += 1;
        let walk = (0..count).map(|step| (leader + 1 + shift + step) % count);
        next = walk
            .map(|position| order[position])
            .filter(|candidate| !replicas.contains(&candidate.broker))
            .min_by_key(|candidate| {
                let in_rack = rack_uses.get(&candidate.rack).copied().unwrap_or_default();
                let holds = held.get(&candidate.broker).copied().unwrap_or_default();
                (candidate.fenced, in_rack, holds)
            });
    }
    replicas
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn brokers(racks: &[Option<&str>]) -> Vec<UsableBroker> {
        let usable = |(index, rack): (usize, &Option<&str>)| UsableBroker {
            broker: BrokerId(i32::try_from(index).unwrap()),
            rack: rack.map(|name| Rack(name.into())),
            fenced: false,
        };
        racks.iter().enumerate().map(usable).collect()
    }

    fn leaders(placed: &[Vec<BrokerId>]) -> BTreeMap<BrokerId, usize> {
        let mut counts = BTreeMap::new();
        for replicas in placed {
            *counts.entry(replicas[0]).or_default() += 1;
        }
        counts
    }

    #[test]
    fn a_hundred_and_twenty_partitions_on_three_brokers_give_forty_leaders_each() {
        let mut rng = fastrand::Rng::with_seed(1);
        let placed = place(&brokers(&[None; 3]), 120, 3, &mut rng).unwrap();
        assert_eq!(
            leaders(&placed).into_values().collect::<Vec<_>>(),
            [40, 40, 40]
        );
    }

    #[test]
    fn a_fenced_broker_gets_replicas_only_when_the_others_do_not_suffice() {
        let mut usable = brokers(&[None; 3]);
        usable[1].fenced = true;
        let mut rng = fastrand::Rng::with_seed(1);
        let two = place(&usable, 10, 2, &mut rng).unwrap();
        assert!(two.iter().flatten().all(|broker| *broker != BrokerId(1)));
        let three = place(&usable, 10, 3, &mut rng).unwrap();
        assert!(three.iter().all(|replicas| replicas[2] == BrokerId(1)));
    }

    #[test]
    fn more_replicas_than_brokers_or_no_live_broker_is_refused() {
        let mut usable = brokers(&[None; 2]);
        let mut rng = fastrand::Rng::with_seed(1);
        let too_few = PlacementError::TooFewBrokers {
            wanted: 3,
            brokers: 2,
        };
        assert_eq!(place(&usable, 1, 3, &mut rng), Err(too_few));
        usable.iter_mut().for_each(|broker| broker.fenced = true);
        assert_eq!(
            place(&usable, 1, 2, &mut rng),
            Err(PlacementError::AllFenced)
        );
    }

    proptest! {
        #[test]
        fn replicas_are_distinct_span_the_racks_and_leaders_are_even(
            rack_of in prop::collection::vec(0_u8..4, 1..12),
            partitions in 1_usize..80,
            wanted in 1_usize..6,
            seed: u64,
        ) {
            let names: Vec<String> = rack_of.iter().map(|rack| format!("rack-{rack}")).collect();
            let racks: Vec<Option<&str>> = names.iter().map(|name| Some(name.as_str())).collect();
            let usable = brokers(&racks);
            let wanted = wanted.min(usable.len());
            let mut rng = fastrand::Rng::with_seed(seed);
            let placed = place(&usable, partitions, wanted, &mut rng).unwrap();
            prop_assert_eq!(placed.len(), partitions);
            let rack_count = rack_of.iter().collect::<BTreeSet<_>>().len();
            for replicas in &placed {
                let distinct: BTreeSet<_> = replicas.iter().collect();
                prop_assert_eq!(distinct.len(), wanted);
                let used: BTreeSet<_> = replicas
                    .iter()
                    .map(|broker| rack_of[usize::try_from(broker.0).unwrap()])
                    .collect();
                prop_assert_eq!(used.len(), wanted.min(rack_count));
            }
            let counts = leaders(&placed);
            let most = counts.values().max().copied().unwrap_or(0);
            let least = if counts.len() < usable.len() { 0 } else { counts.values().min().copied().unwrap_or(0) };
            prop_assert!(most - least <= 1);
        }
    }
}
