//! What the active controller saw of a broker's death, as lines of the log.
//!
//! The field `event` is stable: the demo's timeline and people's alerts go by it.

use kintsugi_node::message::controller::Observation;

/// Logs one observation.
pub fn log(observation: Observation) {
    match observation {
        Observation::BrokerDead { incarnation, cause } => tracing::warn!(
            event = "broker-noticed-dead",
            broker = incarnation.broker.0,
            generation = incarnation.generation.0,
            start = incarnation.start.0,
            ?cause,
            "a broker is taken for dead"
        ),
        Observation::BrokerFenced {
            broker,
            leaderships_moved,
        } => tracing::warn!(
            event = "broker-fenced",
            broker = broker.0,
            leaderships_moved,
            "a broker is fenced"
        ),
        Observation::BrokerStopping {
            broker,
            leaderships_moved,
        } => tracing::info!(
            event = "broker-stopping",
            broker = broker.0,
            leaderships_moved,
            "a broker hands over before it stops"
        ),
        Observation::LeadersMoved { broker } => tracing::info!(
            event = "leaders-moved",
            broker = broker.0,
            "every new leader has taken over"
        ),
    }
}
