//! What the active controller tells of the quorum (DescribeQuorum).

use std::time::Duration;

use kintsugi_types::{ControllerId, MetadataOffset, Offset, Time};

use super::Controller;
use crate::message::admin::{QuorumReplica, QuorumView};

impl Controller {
    /// The quorum as this leader sees it: offsets are those of the next entry, as in Kafka.
    pub(super) fn quorum_view(&self, now: Time) -> QuorumView {
        let engine = &self.engine;
        let own = self.config.quorum.id;
        let contacts = engine.contacts();
        let matched = engine.matched();
        let membership = engine.membership();
        let member = |id: ControllerId| {
            let is_own = id == own;
            let matched = match is_own {
                true => Some(engine.last().index),
                false => matched.get(&id).copied(),
            };
            let heard_ago = match is_own {
                true => Some(Duration::ZERO),
                false => contacts.get(&id).map(|at| now.since(*at)),
            };
            QuorumReplica {
                id: id.0,
                directory: engine.directory_of(id).map_or(0, |d| d.0.as_u128()),
                log_end: matched.map_or(Offset(-1), log_end),
                heard_ago_ms: heard_ago.and_then(|ago| u64::try_from(ago.as_millis()).ok()),
                endpoint: self
                    .endpoint(id)
                    .or_else(|| membership.member(id)?.endpoint.as_ref())
                    .cloned(),
            }
        };
        let observers = self.active.iter().flat_map(|active| active.observers());
        let observers = observers.map(|(broker, applied)| QuorumReplica {
            id: broker.0,
            directory: self.directory_of_broker(broker),
            log_end: log_end(applied),
            heard_ago_ms: None,
            endpoint: None,
        });
        let learners = membership.learners.keys().copied().map(member);
        QuorumView {
            leader: own,
            term: i32::try_from(engine.term().0).unwrap_or(i32::MAX),
            high_watermark: log_end(engine.commit_index()),
            voters: membership.voters.keys().copied().map(member).collect(),
            observers: learners.chain(observers).collect(),
        }
    }

    fn directory_of_broker(&self, broker: kintsugi_types::BrokerId) -> u128 {
        let known = self.image.brokers.get(&broker);
        let directory = known.and_then(|known| known.registration.directories.first());
        directory.map_or(0, |directory| directory.0.as_u128())
    }
}

fn log_end(last: MetadataOffset) -> Offset {
    Offset(i64::try_from(last.0).unwrap_or(i64::MAX).saturating_add(1))
}
