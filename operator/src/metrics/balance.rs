//! How even the load of brokers is.

use kintsugi_planner::Resource;
use prometheus::{GaugeVec, Opts, Registry};

use super::set;
use crate::balance::Balancing;

/// How far the broker that uses most of a resource is above the mean.
pub struct Excesses {
    excess: GaugeVec,
}

impl Excesses {
    /// Registers it.
    ///
    /// # Errors
    /// When two metrics carry the same name.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let help = "How far above the mean the broker is that uses most of a resource, as a share of \
                    the mean; absent where it is too little to count.";
        let excess = GaugeVec::new(
            Opts::new("kintsugi_operator_balance_excess", help),
            &["namespace", "cluster", "resource"],
        )?;
        registry.register(Box::new(excess.clone()))?;
        Ok(Self { excess })
    }

    /// Shows what was found.
    pub fn show(&self, namespace: &str, cluster: &str, balancing: Option<&Balancing>) {
        for resource in Resource::ALL {
            let labels = [namespace, cluster, resource.field()];
            let known = balancing.and_then(|one| one.excess.get(&resource));
            set(&self.excess, &labels, known.copied());
        }
    }

    /// Shows a cluster no longer, so that labels do not pile up.
    pub fn forget(&self, namespace: &str, cluster: &str) {
        self.show(namespace, cluster, None);
    }
}
