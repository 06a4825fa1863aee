//! What a broker's control is configured by.

use std::time::Duration;

use kintsugi_metadata::BrokerRegistration;
use kintsugi_types::{ControllerId, Endpoint};

/// The settings of a broker's control.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    /// What it registers with.
    pub registration: BrokerRegistration,
    /// The voters (`controller.quorum.voters`), asked in this order.
    pub controllers: Vec<(ControllerId, Endpoint)>,
    /// Its times.
    pub timeouts: Timeouts,
}

/// The times of a broker's control.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timeouts {
    /// Between two heartbeats (`broker.heartbeat.interval.ms`).
    pub heartbeat_interval: Duration,
    /// How long the broker may serve after it sent a heartbeat that was answered
    /// (`broker.session.timeout.ms`).
    pub session: Duration,
    /// A dial that took so long is given up.
    pub dial: Duration,
    /// Between two dials.
    pub redial: Duration,
    /// A link on which nothing came for so long is given up.
    pub link_silence: Duration,
    /// An AlterPartition request without an answer for so long is taken as undecided.
    pub alter_partition: Duration,
    /// A request for producer ids without an answer for so long is made again.
    pub producer_ids: Duration,
    /// The wait after such a request was refused.
    pub producer_ids_retry: Duration,
    /// The longest that an answer which would name a leader in doubt is held back.
    pub metadata_hold: Duration,
    /// Between two dials that ask one leader for a sign of life, of which there is one at a time.
    pub look_spacing: Duration,
    /// A dial that asks a leader for a sign of life is given up after so long.
    pub look: Duration,
    /// For how long nothing is held back for a leader that gave no sign within `metadata_hold`
    /// and against whom nothing else speaks: its control port may be out of reach for good.
    pub silence_passed_over: Duration,
    /// Between two probes of a broker that refused one.
    pub reprobe: Duration,
    /// A shard without progress for so long fails the heartbeats.
    pub shard_stall: Duration,
    /// How long the controller is waited for after SIGTERM before stopping without its consent.
    pub stop: Duration,
    /// How long shards may hand over before stopping without that.
    pub drain: Duration,
    /// How long a broker that has handed over goes on answering that others lead now: clients that
    /// hear it need not find out by a broken connection.
    pub farewell: Duration,
    /// For how long Metadata lists a broker that has handed over: shorter than `farewell`, so that
    /// clients have forgotten its address before it closes their connections.
    pub listed_after_handing_over: Duration,
    /// For how long Metadata lists a broker that was fenced: longer than it takes until a frozen
    /// one is killed, which is when its clients ask.
    pub listed_after_fencing: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            heartbeat_interval: Duration::from_millis(150),
            session: Duration::from_millis(1_500),
            dial: Duration::from_millis(300),
            redial: Duration::from_millis(50),
            link_silence: Duration::from_millis(600),
            alter_partition: Duration::from_millis(1_000),
            producer_ids: Duration::from_millis(1_000),
            producer_ids_retry: Duration::from_millis(50),
            metadata_hold: Duration::from_millis(150),
            look_spacing: Duration::from_millis(5),
            look: Duration::from_millis(200),
            silence_passed_over: Duration::from_millis(1_000),
            reprobe: Duration::from_millis(200),
            shard_stall: Duration::from_millis(1_000),
            stop: Duration::from_secs(15),
            drain: Duration::from_secs(5),
            farewell: Duration::from_millis(200),
            listed_after_handing_over: Duration::from_millis(150),
            listed_after_fencing: Duration::from_secs(5),
        }
    }
}

/// The most Metadata requests held back at once; more are answered without waiting.
pub const METADATA_HOLDS_MAX: usize = 10_000;

/// The most clients' requests for the controller that wait at once; more are refused.
pub const ADMIN_REQUESTS_MAX: usize = 1_000;

/// The most producers that wait for an id at once; more are told to ask again.
pub const PRODUCER_ID_WAITS_MAX: usize = 10_000;

/// The most ISR changes in one request; more wait for the next.
pub const ISR_CHANGES_MAX: usize = 10_000;
