//! What a controller is told, with the reasons for the defaults.

use std::collections::BTreeMap;
use std::time::Duration;

use kintsugi_metadata::ClusterSettings;
use kintsugi_metadata::failure_detector::DetectorConfig;
use kintsugi_quorum as quorum;
use kintsugi_types::{ClusterId, ControllerId, Endpoint};

/// One controller's configuration.
#[derive(Clone, PartialEq, Debug)]
pub struct ControllerConfig {
    /// The quorum: this voter's id and directory, the voters, timing and limits of the log.
    pub quorum: quorum::Config,
    /// The cluster that this controller belongs to; the first leader forms it by this id.
    pub cluster: ClusterId,
    /// Where each voter listens (`controller.quorum.voters`), until it says otherwise itself.
    pub endpoints: BTreeMap<ControllerId, Endpoint>,
    /// The cluster's defaults for topics.
    pub settings: ClusterSettings,
    /// How patient the failure detector is.
    pub detector: DetectorConfig,
    /// How long the others wait at most until new leaders have applied a change. 50 ms: a tenth of
    /// the failover budget, and several times what an apply takes.
    pub leaders_first: Duration,
    /// How long fenced replicas are waited for, when ISR and ELR are both empty, before one of the
    /// others is elected by what it holds (the last known leader, of equals). 60 s: longer than a
    /// pod takes to come back, since each one that does may hold what the others lost.
    pub last_known_leader_wait: Duration,
    /// How often leaderships go back to preferred replicas
    /// (`leader.imbalance.check.interval.seconds`); `None`: never (`auto.leader.rebalance.enable`).
    /// 300 s, Kafka's.
    pub rebalance_interval: Option<Duration>,
    /// Limits of links, queues and deltas.
    pub limits: ControllerLimits,
}

/// Bounds on what brokers, clients and the operator can make a controller hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ControllerLimits {
    /// The most control links.
    pub links_max: usize,
    /// The most requests of one link that wait to be decided. 64: a broker has one AlterPartition
    /// in flight, the rest are its clients' admin requests. More of those are told to come back
    /// later; a link that sends anything else beyond is closed.
    pub requests_a_link_max: usize,
    /// The most admin requests that wait to be decided; more are told to come back later.
    pub admin_requests_max: usize,
    /// The most requests decided by one proposal, so that one commit stays short.
    pub requests_a_proposal_max: usize,
    /// The most bytes of one proposal, passed at most by its last request: an eighth of what the
    /// quorum lets wait.
    pub proposal_bytes_max: usize,
    /// The most recent entries that are kept for brokers that lag; beyond, they get a snapshot.
    pub tail_entries_max: usize,
    /// The most records in those entries together.
    pub tail_records_max: usize,
    /// The most entries sent to a broker beyond what it has applied.
    pub entries_unapplied_max: u64,
}

impl Default for ControllerLimits {
    fn default() -> Self {
        Self {
            links_max: 1_000,
            requests_a_link_max: 64,
            admin_requests_max: 1_000,
            requests_a_proposal_max: 256,
            proposal_bytes_max: 2 << 20,
            tail_entries_max: 4_096,
            tail_records_max: 200_000,
            entries_unapplied_max: 1_024,
        }
    }
}

/// The largest snapshot of the metadata, in bytes: several times what the most partitions take,
/// and less than the largest record of a journal.
const SNAPSHOT_BYTES_MAX: u64 = 48 << 20;

impl ControllerConfig {
    /// The defaults for one voter.
    #[must_use]
    pub fn new(
        mut quorum: quorum::Config,
        cluster: ClusterId,
        endpoints: BTreeMap<ControllerId, Endpoint>,
    ) -> Self {
        let snapshot_bytes_max = &mut quorum.limits.snapshot_bytes_max;
        *snapshot_bytes_max = SNAPSHOT_BYTES_MAX.min(*snapshot_bytes_max);
        Self {
            quorum,
            cluster,
            endpoints,
            settings: ClusterSettings::default(),
            detector: DetectorConfig::default(),
            leaders_first: Duration::from_millis(50),
            last_known_leader_wait: Duration::from_secs(60),
            rebalance_interval: Some(Duration::from_secs(300)),
            limits: ControllerLimits::default(),
        }
    }
}
