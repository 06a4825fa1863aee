//! Who leads a partition (KIP-966).

use kintsugi_types::BrokerId;
use kintsugi_types::bug::{Bug, is_on};

use crate::image::Image;
use crate::record::PartitionState;

/// Whom an election may choose besides replicas that surely hold every committed record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Election {
    /// Nobody.
    Clean,
    /// Nobody, and the preferred replica comes before the present leader.
    Preferred,
    /// This replica, while ISR and ELR are both empty.
    Unclean(BrokerId),
    /// This replica, while nobody in ISR or ELR is live: whoever asked would rather lose records
    /// than wait.
    Forced(BrokerId),
}

/// Which brokers may lead, at the moment of a decision.
#[derive(Clone, Copy, Debug)]
pub struct Candidates<'a> {
    /// The present state of the brokers.
    pub image: &'a Image,
    /// A broker that may not lead any more, whatever the image says.
    pub without: Option<BrokerId>,
    /// A broker that may lead from now on, whatever the image says.
    pub with: Option<BrokerId>,
}

impl<'a> Candidates<'a> {
    /// Those that may lead by the image alone.
    #[must_use]
    pub const fn of(image: &'a Image) -> Self {
        Self {
            image,
            without: None,
            with: None,
        }
    }

    /// Whether this broker may become a leader.
    #[must_use]
    pub fn may_lead(&self, broker: BrokerId) -> bool {
        self.without != Some(broker) && (self.with == Some(broker) || self.image.is_active(broker))
    }

    /// Whether this broker may go on leading: a stopping one may, until another can take over.
    #[must_use]
    pub fn may_stay(&self, broker: BrokerId) -> bool {
        self.without != Some(broker)
            && (self.with == Some(broker) || self.image.is_unfenced(broker))
    }
}

/// The outcome of an election.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Elected {
    /// A replica that holds every committed record.
    Clean(BrokerId),
    /// A replica that may have lost some.
    Lossy(BrokerId),
    /// Nobody can lead.
    Nobody,
}

/// Elects a leader for a partition whose `isr` and `elr` are already the new ones, while its
/// `leader` is still the present one: the present leader if it may stay, else the first replica
/// in order of preference that is in the ISR (or, if the ISR is empty, in the ELR) and may lead.
#[must_use]
pub fn elect(state: &PartitionState, election: Election, candidates: &Candidates<'_>) -> Elected {
    let holds_all = |broker: BrokerId| {
        state.isr.contains(&broker) || (state.isr.is_empty() && state.elr.contains(&broker))
    };
    let preferred = state.replicas.first().copied();
    let preferred = preferred
        .filter(|_| election == Election::Preferred)
        .filter(|broker| holds_all(*broker) && candidates.may_lead(*broker));
    let present = state
        .leader
        .filter(|leader| holds_all(*leader) && candidates.may_stay(*leader));
    let next = || {
        let mut replicas = state.replicas.iter().copied();
        replicas.find(|broker| holds_all(*broker) && candidates.may_lead(*broker))
    };
    if let Some(leader) = preferred.or(present).or_else(next) {
        return Elected::Clean(leader);
    }
    if is_on(Bug::ElectOutsideIsr) {
        let mut replicas = state.replicas.iter().copied();
        if let Some(leader) = replicas.find(|broker| candidates.may_lead(*broker)) {
            return Elected::Clean(leader);
        }
    }
    let nothing_is_sure = state.isr.is_empty() && state.elr.is_empty();
    match election {
        Election::Unclean(broker)
            if nothing_is_sure
                && state.replicas.contains(&broker)
                && candidates.may_lead(broker) =>
        {
            Elected::Lossy(broker)
        }
        Election::Forced(broker)
            if state.replicas.contains(&broker) && candidates.may_lead(broker) =>
        {
            Elected::Lossy(broker)
        }
        _ => Elected::Nobody,
    }
}
