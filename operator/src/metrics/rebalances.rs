//! How far rebalances are.

use kintsugi_crds::KafkaRebalanceStatus;
use prometheus::{IntGaugeVec, Opts, Registry};

use crate::rebalance::Gate;

/// Metrics of each rebalance, until it is gone.
pub struct Rebalances {
    moves_left: IntGaugeVec,
    bytes_left: IntGaugeVec,
    throttle: IntGaugeVec,
    produce_p99: IntGaugeVec,
    produce_p99_before: IntGaugeVec,
    gates: IntGaugeVec,
}

impl Rebalances {
    /// Registers them.
    ///
    /// # Errors
    /// When two carry the same name.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| {
            let labels = ["namespace", "rebalance"];
            let gauge = IntGaugeVec::new(Opts::new(name, help), &labels)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let gates = IntGaugeVec::new(
            Opts::new(
                "kintsugi_operator_rebalance_gate_closed",
                "Whether a gate keeps further moves from beginning.",
            ),
            &["namespace", "rebalance", "gate"],
        )?;
        registry.register(Box::new(gates.clone()))?;
        Ok(Self {
            moves_left: gauge(
                "kintsugi_operator_rebalance_moves_left",
                "Partitions that have yet to change their place or leader.",
            )?,
            bytes_left: gauge(
                "kintsugi_operator_rebalance_bytes_left",
                "Bytes that have yet to be copied.",
            )?,
            throttle: gauge(
                "kintsugi_operator_rebalance_throttle_bytes_per_second",
                "What each broker may send and receive for moves; 0 while nothing is copied.",
            )?,
            produce_p99: gauge(
                "kintsugi_operator_rebalance_produce_p99_ms",
                "99 of 100 producers' requests lately took no longer, on the broker where that grew most; 0 where it is not measured.",
            )?,
            produce_p99_before: gauge(
                "kintsugi_operator_rebalance_produce_p99_before_ms",
                "The same before the first move; 0 where it is not measured.",
            )?,
            gates,
        })
    }

    /// Shows what the status says.
    pub fn show(&self, namespace: &str, name: &str, status: Option<&KafkaRebalanceStatus>) {
        let labels = [namespace, name];
        let progress = status.and_then(|status| status.progress.clone());
        let progress = progress.unwrap_or_default();
        let moves_left = self.moves_left.with_label_values(&labels);
        moves_left.set(progress.moves_left);
        let bytes_left = self.bytes_left.with_label_values(&labels);
        bytes_left.set(progress.bytes_left);
        let throttle = progress.throttle_bytes_per_second.unwrap_or(0);
        self.throttle.with_label_values(&labels).set(throttle);
        let produce = [
            (&self.produce_p99, progress.produce_p99_ms),
            (&self.produce_p99_before, progress.produce_p99_before_ms),
        ];
        for (gauge, told) in produce {
            gauge.with_label_values(&labels).set(told.unwrap_or(0));
        }
        let closed = status.and_then(|status| status.gate.as_deref());
        for gate in Gate::ALL {
            let labels = [namespace, name, gate.name()];
            let is_closed = closed == Some(gate.name());
            self.gates
                .with_label_values(&labels)
                .set(i64::from(is_closed));
        }
    }

    /// Shows a rebalance no longer, so that labels do not pile up.
    pub fn forget(&self, namespace: &str, name: &str) {
        // Absent is fine: it may never have been looked at.
        let gauges = [
            &self.moves_left,
            &self.bytes_left,
            &self.throttle,
            &self.produce_p99,
            &self.produce_p99_before,
        ];
        for gauge in gauges {
            let _ = gauge.remove_label_values(&[namespace, name]);
        }
        for gate in Gate::ALL {
            let _ = self
                .gates
                .remove_label_values(&[namespace, name, gate.name()]);
        }
    }
}
