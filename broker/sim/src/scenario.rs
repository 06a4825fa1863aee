//! What one run is made of; drawn from its seed.

use std::time::Duration;

use kintsugi_types::ClusterId;
use kintsugi_types::bug::Bug;

use crate::faults::Climate;
use crate::network::Weather;

/// Every deliberate fault that the oracles are proved with.
pub const BUGS: [Bug; 17] = [
    Bug::VoteWithoutPersisting,
    Bug::EmptyVoterVotes,
    Bug::ChangeMembersBeforeOwnTerm,
    Bug::TruncateToHighWatermark,
    Bug::AcknowledgeBeforeIsr,
    Bug::StaleLeaderEpochAccepted,
    Bug::JoinBeforeEpochStart,
    Bug::ShrinkBeforeCommit,
    Bug::AdvanceBelowMinIsr,
    Bug::AcknowledgeOnStepDown,
    Bug::ElectOutsideIsr,
    Bug::ElrKeptAfterUncleanStart,
    Bug::OldIncarnationInIsr,
    Bug::TwoIncarnations,
    Bug::DuplicateAcknowledgedEarly,
    Bug::ProducersKeptAfterTruncation,
    Bug::ReadAboveHighWatermark,
];

/// Deliberate faults that a minute of CPU time was not seen to find here. The first, the
/// quorum's own random tests find.
const UNPROVED: [Bug; 2] = [Bug::CommitEarlierTermsByCounting, Bug::UnsyncedCut];

/// The deliberate fault of this name.
#[must_use]
pub fn bug_named(name: &str) -> Option<Bug> {
    let mut bugs = BUGS.into_iter().chain(UNPROVED);
    bugs.find(|bug| format!("{bug:?}").eq_ignore_ascii_case(name))
}

/// What a run is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Everything is drawn from it.
    pub seed: u64,
    /// How long faults go on, in simulated seconds.
    pub seconds: u64,
    /// Whether there are faults at all.
    pub faults: bool,
    /// Stop after so many happenings.
    pub steps_max: u64,
    /// Keep the last happenings in words.
    pub in_words: bool,
    /// A fault in the code, where the feature `bugs` is on.
    pub bug: Option<Bug>,
}

impl Options {
    /// The ordinary workload of one seed.
    #[must_use]
    pub const fn of_seed(seed: u64) -> Self {
        Self {
            seed,
            seconds: 60,
            faults: true,
            steps_max: u64::MAX,
            in_words: false,
            bug: None,
        }
    }
}

/// One run's cluster.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) cluster: ClusterId,
    pub(crate) controllers: usize,
    pub(crate) brokers: usize,
    pub(crate) shards: u16,
    pub(crate) topics: usize,
    pub(crate) partitions: i32,
    pub(crate) replication_factor: i16,
    pub(crate) min_isr: i32,
    pub(crate) snapshot_after_entries: u64,
    pub(crate) last_known_leader_wait: Duration,
    pub(crate) rebalance_interval: Duration,
    pub(crate) lag_max: Duration,
    pub(crate) segment_bytes: u64,
    pub(crate) checkpoint: Duration,
    pub(crate) weather: Weather,
    /// One in so many writes of a controller's journal is slow.
    pub(crate) slow_write_one_in: u32,
    /// One in so many starts dies in its midst; 0: none.
    pub(crate) torn_start_one_in: u32,
    pub(crate) clocks_drift: bool,
    /// A record counts only once it is synced (`flush.messages=1`): no loss of power excuses one.
    pub(crate) syncs_each: bool,
    /// How many members the consumer group has.
    pub(crate) members: usize,
    /// Whether a topic is deleted and created over and over.
    pub(crate) churns: bool,
    /// Whether somebody moves partitions.
    pub(crate) moves: bool,
    /// Every second run: whether each new leader of the quorum may find itself cut off from some
    /// voters at once, and the operator changes its mind about who they are to be.
    pub(crate) splits_leaders: bool,
    /// Every fourth run: whether that goes on and on, so that leaders change all the time.
    pub(crate) seldom_rests: bool,
    pub(crate) climate: Climate,
}

impl Scenario {
    pub(crate) fn draw(options: &Options, rng: &mut fastrand::Rng) -> Self {
        let cluster = "simulated".parse();
        let weather = if options.faults {
            Weather::draw(rng)
        } else {
            Weather::CALM
        };
        let (replication_factor, min_isr) =
            [(3, 2), (3, 2), (3, 2), (3, 1), (2, 1)][rng.usize(..5)];
        let splits_leaders = options.seed.is_multiple_of(2) && options.faults;
        Self {
            cluster: cluster.expect("a legal cluster id"),
            controllers: 3,
            brokers: rng.usize(3..=5),
            shards: rng.u16(1..=2),
            topics: rng.usize(1..=2),
            partitions: rng.i32(1..=3),
            replication_factor,
            min_isr,
            snapshot_after_entries: rng.u64(10..200),
            last_known_leader_wait: Duration::from_secs(10),
            rebalance_interval: Duration::from_millis(rng.u64(1_000..20_000)),
            lag_max: Duration::from_millis(rng.u64(1_000..5_000)),
            segment_bytes: [600, 2_000, 1 << 20][rng.usize(..3)],
            checkpoint: Duration::from_millis(rng.u64(200..5_000)),
            weather,
            slow_write_one_in: [40, 40, 5, 2][rng.usize(..4)],
            torn_start_one_in: [0, 0, 20, 5][rng.usize(..4)],
            clocks_drift: options.faults,
            syncs_each: rng.u8(..4) == 0,
            members: rng.usize(1..=3),
            churns: rng.bool() && options.faults,
            moves: options.faults,
            splits_leaders,
            seldom_rests: options.seed.is_multiple_of(4) && options.faults,
            climate: Climate::draw(rng, splits_leaders),
        }
    }
}
