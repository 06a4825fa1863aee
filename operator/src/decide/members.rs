//! Who belongs to the cluster: which ids should be there, and which volume each has.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::Cluster;
use crate::names::{Member, Role};
use crate::observe::{BrokerView, Observed, ObservedPod, ObservedVolume, Removal};

/// The members of a cluster as they should be and as they are.
pub struct Members<'a> {
    /// Broker ids in force: those with a volume and those registered, but for those that were
    /// removed; and as many new ones as the resource asks for beyond these.
    pub broker_ids: BTreeSet<i32>,
    /// How many of those that are there the resource does not ask for.
    pub excess: usize,
    /// Each controller's volume, None where it has none that can be used.
    pub controllers: BTreeMap<i32, Option<&'a ObservedVolume>>,
    /// Each broker's volume, None where it has none that can be used.
    pub brokers: BTreeMap<i32, Option<&'a ObservedVolume>>,
    /// Whether this cluster has ever come further than creating controllers' volumes.
    pub begun: bool,
    /// Whether the quorum was ever seen active.
    pub formed: bool,
    observed: &'a Observed,
    majority: usize,
}

impl<'a> Members<'a> {
    /// Sorts `observed` by member.
    pub fn find(cluster: &Cluster, observed: &'a Observed) -> Self {
        let of_role = |role| {
            observed
                .volumes
                .iter()
                .filter(move |v| v.member.role == role)
        };
        // What is being deleted and held by no pod proves nothing: a cluster of the same name may
        // begin anew once it is gone.
        let stays = |volume: &&ObservedVolume| {
            !volume.terminating
                || observed
                    .pod(volume.member)
                    .is_some_and(ObservedPod::is_running)
        };
        let formed = observed
            .volumes
            .iter()
            .filter(stays)
            .any(|volume| volume.formed);
        let (broker_ids, excess) = in_force(cluster, observed, formed);
        Self {
            controllers: cluster
                .controller_ids()
                .map(|id| (id, newest(observed, Role::Controller, id, 1)))
                .collect(),
            brokers: broker_ids
                .iter()
                .map(|id| {
                    let view = observed.broker(*id);
                    let least = view.map_or(1, BrokerView::generation_required);
                    (*id, newest(observed, Role::Broker, *id, least))
                })
                .collect(),
            begun: formed
                || observed.pods.iter().any(|pod| !pod.is_terminating())
                || of_role(Role::Broker).any(|volume| stays(&volume)),
            formed,
            broker_ids,
            excess,
            observed,
            majority: cluster.majority(),
        }
    }

    /// How many nodes of `role` are in force.
    pub fn count(&self, role: Role) -> i32 {
        let count = match role {
            Role::Controller => self.controllers.len(),
            Role::Broker => self.broker_ids.len(),
        };
        i32::try_from(count).unwrap_or(i32::MAX)
    }

    /// The node ids of controllers whose volume is gone for good: it existed once, and neither it
    /// nor a pod that still holds it is there.
    pub fn lost_controllers(&self) -> Vec<i32> {
        if !self.begun {
            return Vec::new();
        }
        let held = |id: i32| {
            self.observed.pods.iter().any(|pod| {
                pod.member.role == Role::Controller && pod.member.id == id && pod.is_running()
            })
        };
        self.controllers
            .iter()
            .filter(|(id, volume)| volume.is_none() && !held(**id))
            .map(|(id, _)| *id)
            .collect()
    }

    /// The node ids of controllers whose volume replaces a lost one and was never seen to be a
    /// voter's: what it holds counts for nothing yet.
    pub fn replaced_controllers(&self) -> Vec<i32> {
        let is_replacement =
            |volume: &ObservedVolume| volume.member.generation > 1 && !volume.formed;
        self.controllers
            .iter()
            .filter(|(_, volume)| volume.is_some_and(is_replacement))
            .map(|(id, _)| *id)
            .collect()
    }

    /// Whether so many controllers' volumes are lost that no majority can come back. Where one
    /// controller is active, a majority is there.
    pub fn quorum_lost(&self) -> bool {
        let quorum = self.observed.quorum.as_ref();
        let active = quorum.is_some_and(|quorum| quorum.membership.is_some());
        let lost = self.lost_controllers().len() + self.replaced_controllers().len();
        !active && self.controllers.len() - lost < self.majority
    }

    /// Registered brokers without a volume that can be used.
    pub fn lost_brokers(&self) -> impl Iterator<Item = i32> {
        self.brokers
            .iter()
            .filter(|(id, volume)| {
                volume.is_none()
                    && self.observed.broker(**id).is_some()
                    && !self.observed.is_held(Role::Broker, **id)
            })
            .map(|(id, _)| *id)
    }
}

/// The brokers in force, and how many of them are too many.
fn in_force(cluster: &Cluster, observed: &Observed, formed: bool) -> (BTreeSet<i32>, usize) {
    let asked = usize::try_from(cluster.brokers.replicas).unwrap_or(0);
    let registered = observed.registered();
    let volumes = observed.volumes.iter();
    let with_volume: BTreeSet<i32> = volumes
        .filter(|volume| volume.member.role == Role::Broker)
        .map(|volume| volume.member.id)
        .collect();
    let removed = |id: &i32| observed.removal(*id) == Some(Removal::Drained);
    let known = registered.into_iter().flatten().map(|(id, _)| *id);
    let known: BTreeSet<i32> = known.chain(with_volume.iter().copied()).collect();
    let mut ids: BTreeSet<i32> = known.iter().copied().filter(|id| !removed(id)).collect();
    let excess = ids.len().saturating_sub(asked);
    // Those that have not left yet are the first to stay; then come the lowest ids that are free.
    let is_leaving = |id: &i32| {
        observed.broker(*id).is_some() || observed.pods.iter().any(|pod| is_broker(pod, *id))
    };
    // Without the quorum nobody knows which ids are free, so nobody comes back.
    let may_return = !formed || registered.is_some();
    let leaving = known.iter().filter(|id| removed(id) && is_leaving(id));
    let free = (0..).filter(|id| may_return || !with_volume.contains(id));
    let candidates = leaving.copied().filter(|_| may_return).chain(free);
    for id in candidates {
        if ids.len() >= asked {
            break;
        }
        ids.insert(id);
    }
    (ids, excess)
}

fn is_broker(pod: &ObservedPod, id: i32) -> bool {
    pod.member.role == Role::Broker && pod.member.id == id
}

/// The volume with the highest generation, at least `least`, that is neither being deleted nor
/// bound to storage that is gone.
fn newest(observed: &Observed, role: Role, id: i32, least: u64) -> Option<&ObservedVolume> {
    observed
        .volumes
        .iter()
        .filter(|volume| volume.member.role == role && volume.member.id == id)
        .filter(|volume| volume.member.generation >= least)
        .filter(|volume| !volume.terminating && !volume.lost)
        .max_by_key(|volume| volume.member.generation)
}

impl Observed {
    /// The registered brokers, if the active controller answered.
    pub fn registered(&self) -> Option<&BTreeMap<i32, BrokerView>> {
        self.quorum.as_ref()?.brokers.as_ref()
    }

    /// A registered broker.
    pub fn broker(&self, id: i32) -> Option<&BrokerView> {
        self.registered()?.get(&id)
    }

    /// How far the removal of a broker is, as its newest volume says.
    pub fn removal(&self, id: i32) -> Option<Removal> {
        self.broker_volume(id)?.removal
    }

    /// A broker's newest volume, whatever state it is in.
    pub fn broker_volume(&self, id: i32) -> Option<&ObservedVolume> {
        let of_broker = self
            .volumes
            .iter()
            .filter(|volume| volume.member.role == Role::Broker && volume.member.id == id);
        of_broker.max_by_key(|volume| volume.member.generation)
    }

    /// A member's pod.
    pub fn pod(&self, member: Member) -> Option<&ObservedPod> {
        self.pods.iter().find(|pod| pod.member == member)
    }

    /// Whether a volume of that id is going but a pod still runs on it.
    pub fn is_held(&self, role: Role, id: i32) -> bool {
        self.pods.iter().any(|pod| {
            pod.member.role == role
                && pod.member.id == id
                && pod.is_running()
                && self
                    .volumes
                    .iter()
                    .any(|volume| volume.member == pod.member)
        })
    }
}
