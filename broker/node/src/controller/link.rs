//! The control links of brokers to the active controller.

use std::collections::BTreeMap;

use kintsugi_types::{BrokerEpoch, BrokerId, Incarnation, MetadataOffset};

use crate::message::controller::LinkId;

/// One broker's link.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) incarnation: Incarnation,
    /// The epoch of its registration, once that is committed and told.
    pub(super) epoch: Option<BrokerEpoch>,
    /// The last entry sent.
    pub(super) sent: MetadataOffset,
    /// The last entry that it said to have applied.
    pub(super) applied: MetadataOffset,
}

/// All links. At most one of a broker is registered: the newest.
#[derive(Debug, Default)]
pub(super) struct Links {
    links: BTreeMap<LinkId, Link>,
    registered: BTreeMap<BrokerId, LinkId>,
}

impl Links {
    pub(super) fn len(&self) -> usize {
        self.links.len()
    }

    pub(super) fn open(&mut self, id: LinkId, incarnation: Incarnation) {
        let link = Link {
            incarnation,
            epoch: None,
            sent: MetadataOffset(0),
            applied: MetadataOffset(0),
        };
        self.links.insert(id, link);
    }

    pub(super) fn get(&self, id: LinkId) -> Option<&Link> {
        self.links.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.links.get_mut(&id)
    }

    /// Removes a link; tells whose registered link it was, if it was one.
    pub(super) fn close(&mut self, id: LinkId) -> Option<Incarnation> {
        let link = self.links.remove(&id)?;
        let broker = link.incarnation.broker;
        if self.registered.get(&broker) != Some(&id) {
            return None;
        }
        self.registered.remove(&broker);
        Some(link.incarnation)
    }

    /// The link's registration is committed. Tells which earlier link of that broker it replaces.
    pub(super) fn register(
        &mut self,
        id: LinkId,
        epoch: BrokerEpoch,
        applied: MetadataOffset,
    ) -> Option<LinkId> {
        let link = self.links.get_mut(&id)?;
        link.epoch = Some(epoch);
        link.sent = applied;
        link.applied = applied;
        let before = self.registered.insert(link.incarnation.broker, id);
        before.filter(|before| *before != id)
    }

    /// The registered link of this broker.
    pub(super) fn of_broker(&self, broker: BrokerId) -> Option<LinkId> {
        self.registered.get(&broker).copied()
    }

    /// Whether this incarnation has a registered link.
    pub(super) fn is_linked(&self, who: Incarnation) -> bool {
        let link = self.of_broker(who.broker).and_then(|id| self.get(id));
        link.is_some_and(|link| link.incarnation == who)
    }

    pub(super) fn registered(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        let ids = self.registered.values();
        ids.filter_map(|id| Some((*id, self.links.get(id)?)))
    }

    pub(super) fn registered_mut(&mut self) -> impl Iterator<Item = (LinkId, &mut Link)> {
        let registered = &self.registered;
        self.links.iter_mut().filter_map(|(id, link)| {
            let is_it = registered.get(&link.incarnation.broker) == Some(id);
            is_it.then_some((*id, link))
        })
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = LinkId> {
        self.links.keys().copied()
    }
}
