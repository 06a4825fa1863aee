//! Goals, their order, and their thresholds.
//!
//! A profile is a list of layers, highest first. Goals of one layer are pursued together; a lower
//! layer never makes a higher one worse.

use crate::load::Resource;

/// A rule that a placement should obey. Names follow Cruise Control's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Goal {
    /// No replica on a dead broker or on one that must be emptied. Always first; hard.
    OfflineReplicas,
    /// The replicas of a partition are on as many racks. Hard.
    RackAware,
    /// Each broker leads enough partitions of the topics that ask for it. Hard.
    MinTopicLeadersPerBroker,
    /// No broker has more replicas than a number. Hard.
    ReplicaCapacity,
    /// No broker uses more of a resource than a share of its capacity. Hard.
    Capacity(Resource),
    /// Brokers have about as many replicas.
    ReplicaDistribution,
    /// No broker would send more than it can if it led all its partitions.
    PotentialNetworkOut,
    /// Brokers use about the same share of a resource.
    UsageDistribution(Resource),
    /// Brokers have about as many replicas of each topic.
    TopicReplicaDistribution,
    /// Brokers lead about as many partitions.
    LeaderReplicaDistribution,
    /// No broker receives much more than others as a leader.
    LeaderBytesInDistribution,
}

impl Goal {
    /// Whether a plan that leaves it unmet is one that a person must look at.
    pub fn is_hard(self) -> bool {
        matches!(
            self,
            Goal::OfflineReplicas
                | Goal::RackAware
                | Goal::MinTopicLeadersPerBroker
                | Goal::ReplicaCapacity
                | Goal::Capacity(_)
        )
    }

    /// Cruise Control's name of it, without `Goal`.
    pub fn name(self) -> &'static str {
        use Resource::{Cpu, Disk, NetworkIn, NetworkOut};
        match self {
            Goal::OfflineReplicas => "OfflineReplicas",
            Goal::RackAware => "RackAware",
            Goal::MinTopicLeadersPerBroker => "MinTopicLeadersPerBroker",
            Goal::ReplicaCapacity => "ReplicaCapacity",
            Goal::Capacity(Disk) => "DiskCapacity",
            Goal::Capacity(NetworkIn) => "NetworkInboundCapacity",
            Goal::Capacity(NetworkOut) => "NetworkOutboundCapacity",
            Goal::Capacity(Cpu) => "CpuCapacity",
            Goal::ReplicaDistribution => "ReplicaDistribution",
            Goal::PotentialNetworkOut => "PotentialNwOut",
            Goal::UsageDistribution(Disk) => "DiskUsageDistribution",
            Goal::UsageDistribution(NetworkIn) => "NetworkInboundUsageDistribution",
            Goal::UsageDistribution(NetworkOut) => "NetworkOutboundUsageDistribution",
            Goal::UsageDistribution(Cpu) => "CpuUsageDistribution",
            Goal::TopicReplicaDistribution => "TopicReplicaDistribution",
            Goal::LeaderReplicaDistribution => "LeaderReplicaDistribution",
            Goal::LeaderBytesInDistribution => "LeaderBytesInDistribution",
        }
    }
}

/// The numbers behind the goals. [`Thresholds::default`] has Cruise Control's defaults
/// (`AnalyzerConfig`), where each is read; its thresholds of low utilization are 0 by default and
/// are left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Thresholds {
    /// `*.balance.threshold`: how far above the average a resource's use may be, 1 or more, in the
    /// order of [`Resource::ALL`].
    pub usage_balance: [f64; 4],
    /// `*.capacity.threshold`: which share of a capacity may be used, above 0 and up to 1.
    pub capacity: [f64; 4],
    /// `replica.count.balance.threshold`.
    pub replica_balance: f64,
    /// `leader.replica.count.balance.threshold`.
    pub leader_balance: f64,
    /// `topic.replica.count.balance.threshold`.
    pub topic_replica_balance: f64,
    /// `topic.replica.count.balance.min.gap`.
    pub topic_replica_min_gap: u32,
    /// `topic.replica.count.balance.max.gap`.
    pub topic_replica_max_gap: u32,
    /// `max.replicas.per.broker`.
    pub max_replicas_per_broker: u32,
    /// Which part of a balance threshold is used (`BALANCE_MARGIN`), above 0 and up to 1: Cruise
    /// Control plans for 0.9 of it, so that a plan lasts.
    pub margin: f64,
    /// Whether use below the average by as much breaks a usage goal too.
    pub usage_lower_limit: bool,
}

impl Default for Thresholds {
    fn default() -> Self {
        Thresholds {
            usage_balance: [1.10; 4],
            capacity: [0.8, 0.8, 0.8, 0.7],
            replica_balance: 1.10,
            leader_balance: 1.10,
            topic_replica_balance: 3.0,
            topic_replica_min_gap: 2,
            topic_replica_max_gap: 40,
            max_replicas_per_broker: 10_000,
            margin: 0.9,
            usage_lower_limit: true,
        }
    }
}

/// Goals in their order, with their thresholds.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    pub(crate) layers: Vec<Vec<Goal>>,
    pub(crate) thresholds: Thresholds,
}

/// A profile whose goals or thresholds contradict each other.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ProfileError {
    /// A goal in two places.
    #[error("goals has {goal} twice; a goal has one rank")]
    Duplicate {
        /// Its name.
        goal: &'static str,
    },
    /// A hard goal below a soft one.
    #[error("goals ranks {hard}, which is hard, below {soft}, which is not; hard goals come first")]
    HardBelowSoft {
        /// Name of the hard goal.
        hard: &'static str,
        /// Name of the soft one.
        soft: &'static str,
    },
    /// A threshold out of its range.
    #[error("thresholds.{field} is {value}; give a number {range}")]
    Threshold {
        /// Name of the field.
        field: &'static str,
        /// What it held.
        value: f64,
        /// What is allowed.
        range: &'static str,
    },
    /// The gaps of the topic goal cross.
    #[error(
        "thresholds.topic_replica_min_gap is {min}, above topic_replica_max_gap, which is {max}"
    )]
    Gaps {
        /// The smaller one.
        min: u32,
        /// The larger one.
        max: u32,
    },
}

impl Profile {
    /// A profile of these layers, highest first.
    ///
    /// # Errors
    /// Goals that are there twice, hard goals below soft ones, thresholds out of range.
    pub fn new(layers: Vec<Vec<Goal>>, thresholds: Thresholds) -> Result<Profile, ProfileError> {
        check_order(&layers)?;
        check_thresholds(&thresholds)?;
        let layers = std::iter::once(vec![Goal::OfflineReplicas])
            .chain(layers)
            .filter(|layer| !layer.is_empty())
            .collect();
        Ok(Profile { layers, thresholds })
    }

    /// Cruise Control's `default.goals` of its `AnalyzerConfig`, each a layer of its own, with
    /// these thresholds.
    ///
    /// # Errors
    /// Thresholds out of range.
    pub fn cruise_control(thresholds: Thresholds) -> Result<Profile, ProfileError> {
        let usage = Resource::ALL.map(Goal::UsageDistribution);
        let mut goals = hard_goals();
        goals.extend([Goal::ReplicaDistribution, Goal::PotentialNetworkOut]);
        goals.extend(usage);
        goals.extend([
            Goal::TopicReplicaDistribution,
            Goal::LeaderReplicaDistribution,
            Goal::LeaderBytesInDistribution,
        ]);
        Profile::new(
            goals.into_iter().map(|goal| vec![goal]).collect(),
            thresholds,
        )
    }

    /// Our own order: the hard goals, then the use of all four resources at once, at most 10 %
    /// above the average and without a lower limit. A broker with little load hurts nobody, and
    /// one goal at a time moves a replica for the disk that the network then moves again.
    ///
    /// # Errors
    /// Thresholds out of range.
    pub fn kintsugi(thresholds: Thresholds) -> Result<Profile, ProfileError> {
        let thresholds = Thresholds {
            margin: 1.0,
            usage_lower_limit: false,
            ..thresholds
        };
        let mut layers: Vec<Vec<Goal>> = hard_goals().into_iter().map(|goal| vec![goal]).collect();
        layers.push(Resource::ALL.map(Goal::UsageDistribution).to_vec());
        Profile::new(layers, thresholds)
    }

    /// The layers, highest first; the first is [`Goal::OfflineReplicas`].
    pub fn layers(&self) -> &[Vec<Goal>] {
        &self.layers
    }

    /// The numbers behind the goals.
    pub fn thresholds(&self) -> &Thresholds {
        &self.thresholds
    }

    /// The first `count` layers, [`Goal::OfflineReplicas`] counted.
    pub fn prefix(&self, count: usize) -> Profile {
        let layers = self.layers.iter().take(count.max(1)).cloned().collect();
        Profile {
            layers,
            thresholds: self.thresholds.clone(),
        }
    }

    /// Whether a goal is in it.
    pub fn has(&self, goal: Goal) -> bool {
        self.layers.iter().any(|layer| layer.contains(&goal))
    }
}

fn hard_goals() -> Vec<Goal> {
    let mut goals = vec![
        Goal::RackAware,
        Goal::MinTopicLeadersPerBroker,
        Goal::ReplicaCapacity,
    ];
    goals.extend(Resource::ALL.map(Goal::Capacity));
    goals
}

fn check_order(layers: &[Vec<Goal>]) -> Result<(), ProfileError> {
    let mut seen = vec![Goal::OfflineReplicas];
    let mut soft: Option<Goal> = None;
    for goal in layers.iter().flatten() {
        if seen.contains(goal) {
            return Err(ProfileError::Duplicate { goal: goal.name() });
        }
        seen.push(*goal);
        match soft {
            Some(soft) if goal.is_hard() => {
                return Err(ProfileError::HardBelowSoft {
                    hard: goal.name(),
                    soft: soft.name(),
                });
            }
            None if !goal.is_hard() => soft = Some(*goal),
            _ => {}
        }
    }
    Ok(())
}

fn check_thresholds(thresholds: &Thresholds) -> Result<(), ProfileError> {
    let balances = thresholds
        .usage_balance
        .iter()
        .map(|value| ("usage_balance", *value))
        .chain([
            ("replica_balance", thresholds.replica_balance),
            ("leader_balance", thresholds.leader_balance),
            ("topic_replica_balance", thresholds.topic_replica_balance),
        ]);
    for (field, value) in balances {
        if !(1.0..=1e6).contains(&value) {
            return Err(ProfileError::Threshold {
                field,
                value,
                range: "from 1 to 1e6",
            });
        }
    }
    let shares = thresholds.capacity.iter().map(|value| ("capacity", *value));
    for (field, value) in shares.chain([("margin", thresholds.margin)]) {
        if !(value > 0.0 && value <= 1.0) {
            return Err(ProfileError::Threshold {
                field,
                value,
                range: "above 0 and up to 1",
            });
        }
    }
    let (min, max) = (
        thresholds.topic_replica_min_gap,
        thresholds.topic_replica_max_gap,
    );
    if min > max {
        return Err(ProfileError::Gaps { min, max });
    }
    Ok(())
}
