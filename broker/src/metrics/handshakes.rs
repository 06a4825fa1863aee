//! Processes and people that did not know the cluster's secret.

use prometheus::{IntCounterVec, Opts, Registry};

/// The counter, by port and reason.
///
/// # Errors
/// When two metrics have one name.
pub fn refused(registry: &Registry) -> Result<IntCounterVec, prometheus::Error> {
    let opts = Opts::new(
        "kintsugi_handshakes_refused_total",
        "Connections and requests that did not prove the cluster's secret, by port and reason.",
    );
    let counter = IntCounterVec::new(opts, &["port", "reason"])?;
    registry.register(Box::new(counter.clone()))?;
    Ok(counter)
}
