//! Volumes: created at birth, replaced when lost, marked, grown. Never deleted here.

use std::collections::BTreeMap;

use kintsugi_crds::DeletionPolicy;

use super::Draft;
use super::gates::{Gate, first_closed};
use super::members::Members;
use super::rollout::Rollout;
use super::voters::{self, Standing};
use crate::build::volume;
use crate::cluster::Cluster;
use crate::history::{EVIDENCE_HELD, EVIDENCE_READS, History, Suspicion};
use crate::names::{FORMED_ANNOTATION, GROWN_ANNOTATION, LAST_GOOD_ANNOTATION, Member, Role};
use crate::observe::{BrokerView, Observed, ObservedVolume};
use crate::plan::{Command, VolumeChange};
use crate::quantity;
use crate::template::Template;

/// Adds what brings each member without a volume nearer to one.
pub fn create(
    cluster: &Cluster,
    observed: &Observed,
    members: &Members<'_>,
    history: &History,
    draft: &mut Draft,
) {
    for (id, _) in members
        .controllers
        .iter()
        .filter(|(_, volume)| volume.is_none())
    {
        if members.begun {
            voters::create_volume(cluster, observed, members, history, *id, draft);
            continue;
        }
        let member = Member {
            role: Role::Controller,
            id: *id,
            generation: 1,
        };
        create_if_name_is_free(cluster, observed, member, None, draft);
    }
    let mut zones = Zones::new(cluster, observed, members);
    for (id, _) in members
        .brokers
        .iter()
        .filter(|(_, volume)| volume.is_none())
    {
        match observed.broker(*id) {
            Some(view)
                if observed.is_held(Role::Broker, *id)
                    && view.generation_required() == view.generation =>
            {
                draft.waiting.push(format!(
                    "broker {id} runs on a volume that is going (generation {}): delete \
                     its pod to have the volume replaced",
                    view.generation
                ));
            }
            Some(view) => replace(cluster, observed, members, history, view, &mut zones, draft),
            None => give_birth(cluster, observed, members, *id, &mut zones, draft),
        }
    }
}

/// A broker that was never registered gets its first volume.
fn give_birth(
    cluster: &Cluster,
    observed: &Observed,
    members: &Members<'_>,
    id: i32,
    zones: &mut Zones,
    draft: &mut Draft,
) {
    // Once the quorum has formed, only the quorum knows whether an id is new.
    if members.formed && observed.registered().is_none() {
        let reason = "no active controller answers: it must say first whether this id is new";
        draft.close(
            Gate::QuorumHealth,
            &format!("broker-{id}"),
            reason.to_owned(),
        );
        return;
    }
    match zones.choose(None) {
        Ok(zone) => {
            let member = Member {
                role: Role::Broker,
                id,
                generation: 1,
            };
            create_if_name_is_free(cluster, observed, member, zone.as_deref(), draft);
        }
        Err(reason) => draft
            .waiting
            .push(format!("broker {id} cannot be created: {reason}")),
    }
}

/// A registered broker without a volume gets a new generation from the quorum, and then, with the
/// next look, the volume of that generation.
fn replace(
    cluster: &Cluster,
    observed: &Observed,
    members: &Members<'_>,
    history: &History,
    view: &BrokerView,
    zones: &mut Zones,
    draft: &mut Draft,
) {
    if view.generation_required() > view.generation {
        let member = Member {
            role: Role::Broker,
            id: view.id,
            generation: view.generation_required(),
        };
        match zones.choose(view.rack.as_deref()) {
            Ok(zone) => {
                create_if_name_is_free(cluster, observed, member, zone.as_deref(), draft);
            }
            Err(reason) => {
                draft
                    .waiting
                    .push(format!("broker {} cannot be created: {reason}", view.id));
            }
        }
        return;
    }
    let subject = format!("broker-{}", view.id);
    let checks = replacement_gates(cluster, observed, members, history, view, draft);
    if let Some(closed) = first_closed(&subject, checks) {
        draft.closed.push(closed);
        return;
    }
    // The gates are open only with an active controller, whose address is then known.
    if let Some(ip) = observed
        .quorum
        .as_ref()
        .and_then(|quorum| quorum.leader_ip.clone())
    {
        draft.commands.push(Command::GrantGeneration {
            controller_ip: ip,
            broker: view.id,
            generation: view.generation + 1,
        });
    }
}

fn replacement_gates(
    cluster: &Cluster,
    observed: &Observed,
    members: &Members<'_>,
    history: &History,
    view: &BrokerView,
    draft: &Draft,
) -> Vec<(Gate, bool, String)> {
    let lost = Suspicion::VolumeLost { broker: view.id };
    let answering = observed
        .quorum
        .as_ref()
        .map_or(0, |quorum| quorum.answering.len());
    let other_replacement = observed
        .registered()
        .into_iter()
        .flatten()
        .any(|(id, other)| *id != view.id && other.generation_required() > other.generation)
        || draft
            .commands
            .iter()
            .any(|command| matches!(command, Command::GrantGeneration { .. }));
    let unavailable = members
        .broker_ids
        .iter()
        .filter(|id| observed.broker(**id).is_some_and(|broker| broker.fenced))
        .count();
    let percent = usize::try_from(cluster.healing.unavailable_percent_max).unwrap_or(0);
    let allowed = (members.broker_ids.len() * percent / 100).max(1);
    vec![
        (
            Gate::Pause,
            cluster.healing.enabled,
            "spec.healing.enabled is false".to_owned(),
        ),
        (
            Gate::Evidence,
            history.holds(&lost),
            format!("its volume must be missing in {EVIDENCE_HELD} of {EVIDENCE_READS} live reads"),
        ),
        (
            Gate::QuorumHealth,
            answering >= cluster.majority(),
            format!(
                "{answering} controllers answer, a majority is {}",
                cluster.majority()
            ),
        ),
        (
            Gate::OneDisruption,
            !other_replacement,
            "another broker's volume is being replaced".to_owned(),
        ),
        (
            Gate::MinIsr,
            view.fenced,
            "the quorum has not fenced the broker yet: it may still be in in-sync sets".to_owned(),
        ),
        (
            Gate::HealingShare,
            unavailable <= allowed,
            format!(
                "{unavailable} brokers are unavailable, spec.healing.unavailablePercentMax \
                 allows {allowed}"
            ),
        ),
    ]
}

/// A claim of the same name must be gone first: one that is being deleted, or whose volume is gone.
fn create_if_name_is_free(
    cluster: &Cluster,
    observed: &Observed,
    member: Member,
    zone: Option<&str>,
    draft: &mut Draft,
) {
    let former = observed.volumes.iter().find(|v| v.member == member);
    if let Some(former) = former {
        let name = member.volume_name(&cluster.name);
        // Claims are never deleted here, not even those that nothing is behind any more.
        draft.waiting.push(if former.lost && !former.terminating {
            format!(
                "the volume behind claim {name} is gone: delete the claim to have it created \
                 again (kubectl delete pvc {name})"
            )
        } else {
            format!("{name} is going, and must be gone before it is created again")
        });
        return;
    }
    let claim = volume::build(cluster, member, zone);
    draft.commands.push(Command::CreateVolume(Box::new(claim)));
}

/// Adds changes to existing volumes: marks, owner and size. They come last, because a refused
/// resize must not keep pods from being created.
pub fn change(cluster: &Cluster, observed: &Observed, rollout: &Rollout<'_>, draft: &mut Draft) {
    let active = observed
        .quorum
        .as_ref()
        .is_some_and(|quorum| quorum.leader.is_some());
    // A claim that this plan changes already has another version by then.
    let changed: Vec<String> = draft
        .commands
        .iter()
        .filter_map(|command| match command {
            Command::ChangeVolume(change) => Some(change.name.clone()),
            _ => None,
        })
        .collect();
    for volume in &observed.volumes {
        if volume.terminating || changed.contains(&volume.name) {
            continue;
        }
        let role = cluster.role(volume.member.role);
        let mut change = VolumeChange::of(volume);
        // An empty replacement is no part of the formed quorum before it votes.
        let is_part = volume.member.role == Role::Broker
            || volume.member.generation == 1
            || Standing::of(observed, volume.member) == Standing::Voter;
        if active && is_part && !volume.formed {
            change
                .annotations
                .insert(FORMED_ANNOTATION.to_owned(), Some("true".to_owned()));
        }
        let wanted = Template::wanted(cluster, volume.member.role);
        if rollout.proven.contains(&volume.member) && volume.last_good.as_ref() != Some(&wanted) {
            change
                .annotations
                .insert(LAST_GOOD_ANNOTATION.to_owned(), Some(wanted.to_text()));
        }
        let owned = volume.owner.as_ref() == Some(&cluster.uid);
        if owned != (role.deletion_policy == DeletionPolicy::Delete) {
            change.policy = Some(role.deletion_policy);
        }
        // Alone and with a later look, for a refused resize must not hold up a mark.
        if change == VolumeChange::of(volume) && quantity::is_less(&volume.size, &role.size) {
            grow(cluster, volume, &mut change);
        }
        if change != VolumeChange::of(volume) {
            draft.commands.push(Command::ChangeVolume(change));
        }
    }
}

/// Has a claim ask for the size in force. Where volumes grow by themselves, it is noted when; a claim
/// that is not bound yet, and one of a class that lets no volume grow, would be refused in each look.
fn grow(cluster: &Cluster, volume: &ObservedVolume, change: &mut VolumeChange) {
    let role = volume.member.role;
    let storing = cluster.storing.as_ref().filter(|_| role == Role::Broker);
    if let Some(storing) = storing {
        if !storing.is_expandable || volume.capacity.is_none() {
            return;
        }
        let at = Some(storing.at.clone());
        change.annotations.insert(GROWN_ANNOTATION.to_owned(), at);
    }
    change.size = Some(cluster.role(role).size.clone());
}

impl VolumeChange {
    /// No change yet to `volume`, as it was observed.
    pub fn of(volume: &ObservedVolume) -> Self {
        Self {
            name: volume.name.clone(),
            uid: volume.uid.clone(),
            resource_version: volume.resource_version.clone(),
            ..Self::default()
        }
    }
}

/// Brokers a zone, to give each new one to the emptiest.
struct Zones {
    racks: bool,
    brokers: BTreeMap<String, usize>,
}

impl Zones {
    fn new(cluster: &Cluster, observed: &Observed, members: &Members<'_>) -> Self {
        let mut brokers: BTreeMap<String, usize> = observed
            .zones
            .iter()
            .map(|zone| (zone.clone(), 0))
            .collect();
        for zone in members
            .brokers
            .values()
            .flatten()
            .filter_map(|v| v.zone.as_ref())
        {
            // A zone without a schedulable node gets no new broker.
            if let Some(count) = brokers.get_mut(zone) {
                *count += 1;
            }
        }
        Self {
            racks: cluster.topology_key.is_some(),
            brokers,
        }
    }

    /// The zone of the next broker: `former` for a replacement, so that copies stay spread.
    fn choose(&mut self, former: Option<&str>) -> Result<Option<String>, String> {
        if !self.racks {
            return Ok(None);
        }
        let chosen = match former {
            Some(former) => former.to_owned(),
            None => self
                .brokers
                .iter()
                .min_by_key(|(zone, count)| (**count, (*zone).clone()))
                .map(|(zone, _)| zone.clone())
                .ok_or("no schedulable node carries the label in spec.brokers.racks.topologyKey")?,
        };
        *self.brokers.entry(chosen.clone()).or_default() += 1;
        Ok(Some(chosen))
    }
}
