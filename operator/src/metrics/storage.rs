//! How full volumes are that grow by themselves.

use prometheus::{GaugeVec, Registry};

use super::{by_cluster, set};
use crate::quantity::bytes;
use crate::storage::Storing;

const BYTES: [&str; 3] = ["asked", "capacity", "used"];
const BOUNDS: [&str; 2] = ["expected", "earliest"];
const SECONDS_PER_HOUR: f64 = 3_600.0;

/// Metrics of each cluster whose volumes grow by themselves.
pub struct Volumes {
    bytes: GaugeVec,
    full_seconds: GaugeVec,
}

impl Volumes {
    /// Registers them.
    ///
    /// # Errors
    /// When two carry the same name.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str, label: &str| by_cluster(registry, name, help, label);
        Ok(Self {
            bytes: gauge(
                "kintsugi_operator_storage_bytes",
                "Bytes of the fullest broker's volume: what every claim asks for, what its file system has (capacity), and what is used of it.",
                "what",
            )?,
            full_seconds: gauge(
                "kintsugi_operator_storage_full_seconds",
                "Seconds until the fullest broker's volume is full, at the growth that is expected and at its bound (earliest); absent while it does not grow, or less than two days were seen.",
                "bound",
            )?,
        })
    }

    /// Shows what was found.
    pub fn show(&self, namespace: &str, cluster: &str, storing: Option<&Storing>) {
        let fullest = storing.and_then(|storing| storing.fullest.as_ref());
        let asked = storing.and_then(|storing| bytes(&storing.size));
        let figures = [
            asked.map(|bytes| bytes as f64),
            fullest.map(|one| one.capacity_bytes),
            fullest.map(|one| one.used_bytes),
        ];
        for (what, bytes) in BYTES.into_iter().zip(figures) {
            set(&self.bytes, &[namespace, cluster, what], bytes);
        }
        let fills = fullest.and_then(|one| one.fills);
        let hours = [
            fills.and_then(|fills| fills.expected_hours),
            fills.and_then(|fills| fills.earliest_hours),
        ];
        for (bound, hours) in BOUNDS.into_iter().zip(hours) {
            let seconds = hours.map(|hours| hours * SECONDS_PER_HOUR);
            set(&self.full_seconds, &[namespace, cluster, bound], seconds);
        }
    }
}
