//! Where replicas are, and KafkaRebalances that move them off a broker, one a tick.

use kintsugi_crds::{RebalancePhase, RebalanceWord};

use super::*;
use crate::observe::{Disk, ObservedRebalance};

#[derive(Clone)]
pub struct BalancerModel {
    /// The brokers of each partition. The three first ones, until something else is said.
    pub replicas: Vec<Vec<i32>>,
    pub cordoned: BTreeSet<i32>,
    /// Whether every KafkaRebalance fails.
    pub fails: bool,
    versions: u64,
}

impl Default for BalancerModel {
    fn default() -> Self {
        Self {
            replicas: vec![vec![0, 1, 2]; 3],
            cordoned: BTreeSet::new(),
            fails: false,
            versions: 1_000_000,
        }
    }
}

impl BalancerModel {
    /// Moves one replica of each KafkaRebalance; a broker's disk is as full as it has replicas.
    pub fn tick(&mut self, observed: &mut Observed, serving: &[i32], now: i64) {
        for rebalance in &mut observed.rebalances {
            let id: i32 = rebalance.name.rsplit_once('-').unwrap().1.parse().unwrap();
            let next = match rebalance.phase {
                None => RebalancePhase::Pending,
                Some(RebalancePhase::Pending | RebalancePhase::Rebalancing) => {
                    match rebalance.word {
                        Some(RebalanceWord::Stop) => RebalancePhase::Stopped,
                        _ if self.fails => RebalancePhase::Failed,
                        _ if self.advance(rebalance, id, serving) => RebalancePhase::Rebalancing,
                        _ => RebalancePhase::Completed,
                    }
                }
                Some(over) => over,
            };
            if rebalance.phase != Some(next) {
                self.versions += 1;
                rebalance.resource_version = self.versions.to_string();
                rebalance.phase = Some(next);
                rebalance.failed_since = (next == RebalancePhase::Failed).then(|| at(now));
            }
        }
        let disk = |id: i32| Disk {
            logs_bytes: self.held(id) as f64,
            used_bytes: self.held(id) as f64,
            capacity_bytes: Some(100.0),
        };
        observed.disks = serving.iter().map(|id| (*id, disk(*id))).collect();
    }

    /// False if nothing is left to move.
    fn advance(&mut self, rebalance: &ObservedRebalance, id: i32, serving: &[i32]) -> bool {
        match rebalance.adds.is_empty() {
            true => self.move_one(id, serving),
            false => self.fill_one(&rebalance.adds, serving),
        }
    }

    /// One replica of the fullest broker goes to the emptiest of those that joined.
    fn fill_one(&mut self, adds: &[i32], serving: &[i32]) -> bool {
        let fullest = serving.iter().max_by_key(|id| self.held(**id)).copied();
        let emptiest = adds.iter().min_by_key(|id| self.held(**id)).copied();
        let (Some(from), Some(to)) = (fullest, emptiest) else {
            return false;
        };
        if self.held(from) <= self.held(to) + 1 {
            return false;
        }
        let fits = |replicas: &&mut Vec<i32>| replicas.contains(&from) && !replicas.contains(&to);
        if let Some(replicas) = self.replicas.iter_mut().find(fits) {
            replicas.retain(|id| *id != from);
            replicas.push(to);
        }
        true
    }

    fn held(&self, id: i32) -> usize {
        let names = |replicas: &&Vec<i32>| replicas.contains(&id);
        self.replicas.iter().filter(names).count()
    }

    /// False if there is none left.
    fn move_one(&mut self, id: i32, serving: &[i32]) -> bool {
        let names = |replicas: &Vec<i32>| replicas.contains(&id);
        let Some(partition) = self.replicas.iter().position(names) else {
            return false;
        };
        let holders = self.replicas[partition].clone();
        let free = |other: &&i32| !holders.contains(other) && !self.cordoned.contains(other);
        let target = serving
            .iter()
            .filter(free)
            .min_by_key(|other| self.held(**other));
        let target = target.copied();
        for replica in &mut self.replicas[partition] {
            if let Some(target) = target.filter(|_| *replica == id) {
                *replica = target;
            }
        }
        true
    }

    pub fn carry_out(
        &mut self,
        observed: &mut Observed,
        command: &Command,
        version: String,
        now: Timestamp,
    ) -> Result<(), ()> {
        match command {
            // A request that is late is not made, and the lease keeps others from acting meanwhile.
            Command::Cordon(change) | Command::Uncordon(change) if change.decided != now => {
                return Err(());
            }
            Command::Cordon(change) => {
                let is_known = observed.broker(change.broker).is_some();
                is_known
                    .then(|| self.cordoned.insert(change.broker))
                    .ok_or(())?;
            }
            Command::Uncordon(change) => {
                self.cordoned.remove(&change.broker);
            }
            Command::CreateRebalance(rebalance) => {
                let mut rebalance = (**rebalance).clone();
                rebalance.metadata.uid = Some(format!("uid-{version}"));
                rebalance.metadata.resource_version = Some(version);
                let made = ObservedRebalance::from_rebalance(&rebalance).unwrap();
                if observed.rebalances.iter().any(|one| one.name == made.name) {
                    return Err(());
                }
                observed.rebalances.push(made);
            }
            Command::StopRebalance(one) | Command::DeleteRebalance(one) => {
                let same = |known: &ObservedRebalance| {
                    (&known.uid, &known.resource_version) == (&one.uid, &one.resource_version)
                };
                let place = observed.rebalances.iter().position(same).ok_or(())?;
                if matches!(command, Command::DeleteRebalance(_)) {
                    observed.rebalances.remove(place);
                } else {
                    observed.rebalances[place].word = Some(RebalanceWord::Stop);
                    observed.rebalances[place].resource_version = version;
                }
            }
            _ => unreachable!("not about replicas: {command:?}"),
        }
        Ok(())
    }
}
