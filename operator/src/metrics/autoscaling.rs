//! What the number of brokers is decided by, and what was decided.

use kintsugi_forecast::Resource;
use prometheus::{GaugeVec, IntGaugeVec, Opts, Registry};

use super::{by_cluster, set};
use crate::scale::Sizing;

const SIZES: [&str; 3] = ["desired", "wanted", "ready"];
const FORECASTS: [&str; 2] = ["expected", "upper"];
const KNOWN: [&str; 2] = ["learned", "observed"];

/// Metrics of each cluster with autoscaling.
pub struct Autoscaling {
    sizes: IntGaugeVec,
    load: GaugeVec,
    broker_target: GaugeVec,
    forecast: GaugeVec,
    forecast_skill: GaugeVec,
    forecast_decides: GaugeVec,
    known_seconds: GaugeVec,
}

impl Autoscaling {
    /// Registers them.
    ///
    /// # Errors
    /// When two carry the same name.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let sizes = IntGaugeVec::new(
            Opts::new(
                "kintsugi_operator_autoscaling_brokers",
                "Brokers of clusters with autoscaling: in force (desired), as the load asks for (wanted), and ready.",
            ),
            &["namespace", "cluster", "size"],
        )?;
        registry.register(Box::new(sizes.clone()))?;
        let gauge = |name: &str, help: &str, label: &str| by_cluster(registry, name, help, label);
        let single = |name: &str, help: &str| -> Result<GaugeVec, prometheus::Error> {
            let gauge = GaugeVec::new(Opts::new(name, help), &["namespace", "cluster"])?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        Ok(Self {
            sizes,
            load: gauge(
                "kintsugi_operator_autoscaling_load",
                "Load that the number of brokers is decided by, of all brokers together: bytes a second (of cpu, bytes produced and fetched).",
                "resource",
            )?,
            broker_target: gauge(
                "kintsugi_operator_autoscaling_broker_target",
                "Load that one broker is meant to carry, in the load's unit: the target's part of its capacity, which of cpu is learned.",
                "resource",
            )?,
            forecast: gauge(
                "kintsugi_operator_autoscaling_forecast_brokers",
                "Brokers that the load will fill when a change takes effect, expected and at the upper bound; absent where there is no forecast.",
                "bound",
            )?,
            forecast_skill: single(
                "kintsugi_operator_autoscaling_forecast_skill",
                "Part of the better naive forecast's error that the forecast avoids, from 0 to 1, when a change takes effect; absent where there is no forecast.",
            )?,
            forecast_decides: single(
                "kintsugi_operator_autoscaling_forecast_decides",
                "1 while the forecast decides the number of brokers, 0 while the HorizontalPodAutoscaler's rule does.",
            )?,
            known_seconds: gauge(
                "kintsugi_operator_autoscaling_known_seconds",
                "Seconds of load that sizes are decided by: learned, of which the forecast is made, and observed, without a long pause, which a shrink waits for.",
                "what",
            )?,
        })
    }

    /// Shows what was decided and by what; nothing where people choose the size.
    pub fn show(&self, namespace: &str, cluster: &str, sizing: Option<&Sizing>) {
        let Some(Sizing {
            status, figures, ..
        }) = sizing
        else {
            self.forget(namespace, cluster);
            return;
        };
        let desired = status.desired_replicas;
        let wanted = status.wanted_replicas.unwrap_or(desired);
        let ready = figures.ready.try_into().unwrap_or(i64::MAX);
        for (size, brokers) in SIZES
            .into_iter()
            .zip([desired.into(), wanted.into(), ready])
        {
            let gauge = self.sizes.with_label_values(&[namespace, cluster, size]);
            gauge.set(brokers);
        }
        for resource in Resource::ALL {
            let labels = [namespace, cluster, label(resource)];
            let mut known = figures.resources.iter();
            let known = known.find(|one| one.resource == resource);
            set(&self.load, &labels, known.and_then(|one| one.load));
            let target = known.and_then(|one| one.broker_target);
            set(&self.broker_target, &labels, target);
        }
        let brokers = figures.forecast.map_or([None; 2], |forecast| {
            [forecast.expected_brokers, forecast.bound_brokers].map(Some)
        });
        for (bound, brokers) in FORECASTS.into_iter().zip(brokers) {
            set(&self.forecast, &[namespace, cluster, bound], brokers);
        }
        let of_cluster = [namespace, cluster];
        let skill = figures.forecast.map(|forecast| forecast.skill);
        set(&self.forecast_skill, &of_cluster, skill);
        let decides = f64::from(u8::from(figures.forecast_decides));
        set(&self.forecast_decides, &of_cluster, Some(decides));
        for (what, seconds) in KNOWN.into_iter().zip(figures.known_seconds) {
            set(&self.known_seconds, &[namespace, cluster, what], seconds);
        }
    }

    /// Shows a cluster no longer.
    pub fn forget(&self, namespace: &str, cluster: &str) {
        for size in SIZES {
            // Absent is fine: people may choose its size.
            let _ = self.sizes.remove_label_values(&[namespace, cluster, size]);
        }
        for resource in Resource::ALL {
            let labels = [namespace, cluster, label(resource)];
            set(&self.load, &labels, None);
            set(&self.broker_target, &labels, None);
        }
        for bound in FORECASTS {
            set(&self.forecast, &[namespace, cluster, bound], None);
        }
        set(&self.forecast_skill, &[namespace, cluster], None);
        set(&self.forecast_decides, &[namespace, cluster], None);
        for what in KNOWN {
            set(&self.known_seconds, &[namespace, cluster, what], None);
        }
    }
}

fn label(resource: Resource) -> &'static str {
    match resource {
        Resource::Cpu => "cpu",
        Resource::NetworkIn => "network_in",
        Resource::NetworkOut => "network_out",
    }
}
