//! Which brokers Metadata lists: those that serve, and for a while those that did.
//!
//! librdkafka takes a broker that an answer does not list out of service, and does so on that
//! broker's thread. Where the same answer moves the broker's partitions to other leaders, the two
//! race: if the thread is late, it takes every moved partition from its new leader again
//! (`rd_kafka_broker_fail` in rdkafka_broker.c, 2.12 to 2.15), and they stay without one until the
//! scan of topics, once a second. So a broker is first listed without leading, then not at all.
//!
//! One that has handed over is left out before it closes its connections. A client that still
//! knows it then dials its address again and again, with pauses that grow to 10 s
//! (`reconnect.backoff.max.ms`) and go on when the broker is back at another address; what it
//! forgot it dials at once.

use std::collections::{BTreeMap, BTreeSet};

use kintsugi_metadata::Image;
use kintsugi_types::{BrokerId, Incarnation, Time};

use super::config::Timeouts;

/// The brokers that serve, or did since this one knows the cluster.
#[derive(Debug)]
pub(super) struct Listed {
    timeouts: Timeouts,
    /// Until when each is listed; [`Time::NEVER`] while it serves.
    until: BTreeMap<Incarnation, Time>,
}

impl Listed {
    pub const fn new(timeouts: Timeouts) -> Self {
        Self {
            timeouts,
            until: BTreeMap::new(),
        }
    }

    /// Notes who serves and who stopped doing so. Of an incarnation that was replaced nothing is
    /// kept: its address may be wrong.
    pub fn image_changed(&mut self, now: Time, image: &Image) {
        let incarnation_of = |id| image.brokers.get(&id).map(|b| b.registration.incarnation);
        self.until
            .retain(|incarnation, _| incarnation_of(incarnation.broker) == Some(*incarnation));
        for (id, broker) in &image.brokers {
            let incarnation = broker.registration.incarnation;
            let listed_for = if broker.fenced {
                self.timeouts.listed_after_fencing
            } else if image.is_leaving(*id) {
                self.timeouts.listed_after_handing_over
            } else {
                self.until.insert(incarnation, Time::NEVER);
                continue;
            };
            if let Some(until) = self.until.get_mut(&incarnation) {
                *until = (*until).min(now + listed_for);
            }
        }
    }

    /// Whom an answer lists now. Where none of them lives, also everybody who does, on the way out
    /// or not: an answer has to name somebody to ask next.
    pub fn listed(&self, now: Time, image: &Image) -> BTreeSet<BrokerId> {
        let listed = self.until.iter().filter(|(_, until)| now < **until);
        let mut listed: BTreeSet<BrokerId> =
            listed.map(|(incarnation, _)| incarnation.broker).collect();
        if !listed.iter().any(|id| image.is_unfenced(*id)) {
            let all = image.brokers.keys().copied();
            listed.extend(all.filter(|id| image.is_unfenced(*id)));
        }
        listed
    }
}
