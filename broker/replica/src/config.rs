//! What a replica is configured by.

use std::time::Duration;

use kintsugi_types::BrokerId;
#[cfg(any(test, feature = "bugs"))]
use kintsugi_types::bug::{Bug, is_on};

/// The settings of one partition's replica.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReplicaConfig {
    /// The broker that this replica is on.
    pub local: BrokerId,
    /// `min.insync.replicas`; never more than the number of replicas is demanded.
    pub min_isr: usize,
    /// `replica.lag.time.max.ms`: a follower that was not caught up for so long leaves the ISR.
    pub lag_max: Duration,
    /// Deliberate faults.
    #[cfg(any(test, feature = "bugs"))]
    pub bugs: crate::bugs::Bugs,
}

impl ReplicaConfig {
    /// Settings without deliberate faults.
    #[must_use]
    pub fn new(local: BrokerId, min_isr: usize, lag_max: Duration) -> Self {
        Self {
            local,
            min_isr,
            lag_max,
            #[cfg(any(test, feature = "bugs"))]
            bugs: crate::bugs::Bugs::default(),
        }
    }

    pub(crate) fn truncates_to_high_watermark(&self) -> bool {
        #[cfg(any(test, feature = "bugs"))]
        return self.bugs.truncate_to_high_watermark || is_on(Bug::TruncateToHighWatermark);
        #[cfg(not(any(test, feature = "bugs")))]
        return false;
    }

    pub(crate) fn acknowledges_before_isr(&self) -> bool {
        #[cfg(any(test, feature = "bugs"))]
        return self.bugs.acknowledge_before_isr || is_on(Bug::AcknowledgeBeforeIsr);
        #[cfg(not(any(test, feature = "bugs")))]
        return false;
    }
}
