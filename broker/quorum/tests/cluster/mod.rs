//! A quorum of real engines on a simulated network and simulated disks.

mod disk;
mod failover;
mod faults;
mod operator;
mod oracle;
mod world;

use std::ops::Add;

use kintsugi_quorum::Bugs;

use self::world::World;

/// What to run.
pub struct Plan {
    pub seed: u64,
    pub voters: i32,
    /// Controllers beside the first voters, which an operator adds and removes.
    pub spares: i32,
    /// Whether the operator asks every leader for a change the moment that it is one.
    pub is_operator_hasty: bool,
    pub bugs: Bugs,
    /// How long faults are injected, in simulated milliseconds.
    pub faulty_ms: u64,
    /// How long the quorum then has to heal.
    pub heal_ms: u64,
}

impl Plan {
    pub fn new(seed: u64, voters: i32) -> Self {
        Self {
            seed,
            voters,
            spares: 0,
            is_operator_hasty: false,
            bugs: Bugs::default(),
            faulty_ms: 15_000,
            heal_ms: 10_000,
        }
    }
}

/// How far a run got into the interesting corners.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reached {
    pub leaders: u64,
    pub installs: u64,
    pub truncations: u64,
    pub commits: u64,
    pub crashes: u64,
    pub disks_lost: u64,
    /// Configurations that were committed.
    pub member_changes: u64,
    /// Those among them that were begun while the network was cut somewhere.
    pub changes_under_a_cut: u64,
    /// Snapshots installed by a controller that was no voter then.
    pub learner_installs: u64,
}

impl Add for Reached {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            leaders: self.leaders + other.leaders,
            installs: self.installs + other.installs,
            truncations: self.truncations + other.truncations,
            commits: self.commits + other.commits,
            crashes: self.crashes + other.crashes,
            disks_lost: self.disks_lost + other.disks_lost,
            member_changes: self.member_changes + other.member_changes,
            changes_under_a_cut: self.changes_under_a_cut + other.changes_under_a_cut,
            learner_installs: self.learner_installs + other.learner_installs,
        }
    }
}

/// What a run showed.
pub struct Report {
    pub outcome: Result<(), String>,
    pub reached: Reached,
    /// A digest of everything that happened.
    pub trace: u64,
}

/// Runs a plan to its end or to the first violation.
pub fn run(plan: &Plan) -> Report {
    let mut world = World::new(plan);
    let outcome = world.run_faulty(plan).and_then(|()| world.heal(plan));
    Report {
        outcome: outcome.map_err(|violation| {
            format!(
                "seed {}, {} voters, {} spares: {violation}",
                plan.seed, plan.voters, plan.spares
            )
        }),
        reached: world.reached(),
        trace: world.trace(),
    }
}

/// How long a quorum is without a ready leader when the leader is killed and its connections break.
pub fn failover_ms(seed: u64, voters: i32) -> Result<u64, String> {
    World::new(&Plan::new(seed, voters)).failover_ms()
}

/// Mixes a number into a digest (FNV-1a, by whole words).
pub fn mix(digest: u64, word: u64) -> u64 {
    (digest ^ word)
        .wrapping_mul(0x0000_0100_0000_01b3)
        .rotate_left(23)
}
