//! Brokers that Metadata goes on listing for a while after they are gone.
//!
//! librdkafka takes a broker that an answer does not list out of service, and does so on that
//! broker's thread. Where the same answer moves the broker's partitions to other leaders, the two
//! race: if the thread is late, it takes every moved partition from its new leader again
//! (`rd_kafka_broker_fail` in rdkafka_broker.c, 2.12 to 2.15), and they stay without one until the
//! scan of topics, once a second. So a broker is first listed without leading, then not at all.

use std::collections::{BTreeMap, BTreeSet};

use kintsugi_metadata::Image;
use kintsugi_types::{BrokerId, Incarnation, Time};

use super::config::Timeouts;

/// Until when a broker is listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Until {
    /// It serves.
    Further,
    /// It is gone, or about to be.
    Then(Time),
}

/// Brokers that served since this one knows the cluster.
#[derive(Debug)]
pub(super) struct Listed {
    timeouts: Timeouts,
    served: BTreeMap<Incarnation, Until>,
}

impl Listed {
    pub const fn new(timeouts: Timeouts) -> Self {
        Self {
            timeouts,
            served: BTreeMap::new(),
        }
    }

    /// Notes who serves and who stopped doing so. Of an incarnation that was replaced nothing is
    /// kept: its address may be wrong.
    pub fn image_changed(&mut self, now: Time, image: &Image) {
        let incarnation_of = |id| image.brokers.get(&id).map(|b| b.registration.incarnation);
        self.served
            .retain(|incarnation, _| incarnation_of(incarnation.broker) == Some(*incarnation));
        for (id, broker) in &image.brokers {
            let incarnation = broker.registration.incarnation;
            let listed_for = if broker.fenced {
                self.timeouts.listed_after_fencing
            } else if image.is_leaving(*id) {
                self.timeouts.listed_after_handing_over
            } else {
                self.served.insert(incarnation, Until::Further);
                continue;
            };
            if let Some(until @ Until::Further) = self.served.get_mut(&incarnation) {
                *until = Until::Then(now + listed_for);
            }
        }
    }

    /// Brokers that are gone or about to be, and listed all the same.
    pub fn lingering(&self, now: Time) -> BTreeSet<BrokerId> {
        let lingers = |until: &Until| matches!(until, Until::Then(then) if now < *then);
        let served = self.served.iter().filter(|(_, until)| lingers(until));
        served.map(|(incarnation, _)| incarnation.broker).collect()
    }
}
