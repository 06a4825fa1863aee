//! What librdkafka says of itself, as our own log lines: with `debug=broker,topic` among a client's
//! settings and `RUST_LOG=librdkafka=debug`, what a client did in a gap can be read.

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;

/// The context of clients that have no other.
#[derive(Clone, Copy, Debug, Default)]
pub struct Logged;

impl ClientContext for Logged {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }
}

impl ConsumerContext for Logged {}

/// How much the library is to say: what our own log takes.
#[must_use]
pub fn level() -> RDKafkaLogLevel {
    match tracing::enabled!(target: "librdkafka", tracing::Level::DEBUG) {
        true => RDKafkaLogLevel::Debug,
        false => RDKafkaLogLevel::Error,
    }
}

/// Says one line of the library under the target `librdkafka`, so that one filter takes all.
pub fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    use RDKafkaLogLevel::{Alert, Critical, Debug, Emerg, Error, Info, Notice, Warning};
    match level {
        Emerg | Alert | Critical | Error => {
            tracing::error!(target: "librdkafka", facility, "{message}");
        }
        Warning => tracing::warn!(target: "librdkafka", facility, "{message}"),
        Notice | Info => tracing::info!(target: "librdkafka", facility, "{message}"),
        Debug => tracing::debug!(target: "librdkafka", facility, "{message}"),
    }
}
