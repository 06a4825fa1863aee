//! One look at the volumes of one cluster. Pure: time comes in as an argument.

use std::collections::BTreeMap;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kintsugi_crds::{StorageAutoscaling, StorageState, StorageStatus};
use kintsugi_forecast::storage::FillModel;

use super::kept::VOLUMES_MAX;
use super::need::{Fullest, Need};
use super::size::{at_most, base_bytes, claims, in_force, rounded_up};
use crate::cluster::Cluster;
use crate::names::Member;
use crate::observe::{Observed, ObservedVolume};
use crate::plan::Announcement;
use crate::quantity::{bytes, is_less};
use crate::told::{self, Told};

/// A volume that has not what its claim asks for after so long is told of: drivers take seconds to
/// minutes.
const GROWTH_MAX: SignedDuration = SignedDuration::from_secs(900);
/// How long a claim may take to ask for what was decided before it is tried again.
const RETRY_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// What is remembered between looks.
#[derive(Debug, Default)]
pub struct State {
    /// How each volume filled.
    pub fills: BTreeMap<Member, FillModel>,
    /// The size that was decided last, and when.
    asked: Option<(String, Timestamp)>,
    /// What was last told to block growth; None before the first look.
    blocked: Option<Option<&'static str>>,
    told: Told<StorageStatus>,
}

/// What there is to say and to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Storing {
    /// For the status.
    pub status: StorageStatus,
    /// The size that every broker's claim is to ask for.
    pub size: String,
    /// Whether claims may be asked to grow at all.
    pub is_expandable: bool,
    /// When a claim that grows now does so, for its annotation.
    pub at: String,
    /// Told once by an Event.
    pub news: Option<Announcement>,
    /// What keeps volumes from growing as they should: a word and a sentence.
    pub blocked: Option<(&'static str, String)>,
    /// The fullest volume, for metrics.
    pub fullest: Option<Fullest>,
}

/// What was found.
struct Found {
    state: StorageState,
    reason: String,
    size: String,
    blocked: Option<&'static str>,
    /// Whether a growth was decided that was not before.
    is_new: bool,
}

impl Found {
    fn of(state: StorageState, size: &str, reason: String) -> Self {
        Self {
            state,
            reason,
            size: size.to_owned(),
            blocked: None,
            is_new: false,
        }
    }

    fn blocked(self, word: &'static str) -> Self {
        Self {
            blocked: Some(word),
            ..self
        }
    }
}

/// Decides the size of the volumes of `cluster`, of which `brokers.size` is what spec asks for.
pub fn step(
    state: &mut State,
    cluster: &Cluster,
    autoscaling: &StorageAutoscaling,
    observed: &Observed,
    now: Timestamp,
) -> Storing {
    state.watch(observed, now);
    let volumes = state.volumes(observed);
    let fullest = volumes
        .iter()
        .max_by(|a, b| a.used_share().total_cmp(&b.used_share()));
    let looked = Looked {
        cluster,
        autoscaling,
        observed,
        size: in_force(&cluster.brokers.size, observed),
        last_grown: claims(observed).filter_map(|claim| claim.grown).max(),
        now,
    };
    let found = looked.find(&volumes, fullest, &mut state.asked);
    let news = state.news(cluster.storage_written.as_ref(), &found);
    let status = StorageStatus {
        state: found.state,
        size: found.size.clone(),
        reason: told::reason(&found.reason),
        last_grow_time: looked.last_grown.map(told::seconds),
    };
    Storing {
        status: state.told.tell(status, says_the_same, now),
        size: found.size,
        is_expandable: found.state != StorageState::NotExpandable,
        at: told::seconds(now),
        news,
        blocked: found.blocked.map(|word| (word, found.reason)),
        fullest: fullest.cloned(),
    }
}

/// Whether two statuses differ in the words and numbers of their reasons only.
fn says_the_same(known: &StorageStatus, next: &StorageStatus) -> bool {
    let of = |status: &StorageStatus| {
        (
            status.state,
            status.size.clone(),
            status.last_grow_time.clone(),
        )
    };
    of(known) == of(next)
}

impl State {
    /// What goes on with how volumes filled.
    pub fn going_on(fills: BTreeMap<Member, FillModel>) -> Self {
        Self {
            fills,
            ..Self::default()
        }
    }

    /// Takes in what is used of each volume now.
    fn watch(&mut self, observed: &Observed, now: Timestamp) {
        let mut known = BTreeMap::new();
        for claim in claims(observed).take(VOLUMES_MAX) {
            let mut fill = self.fills.remove(&claim.member).unwrap_or_default();
            if let Some(disk) = observed.disks.get(&claim.member.id) {
                // A time that goes back or a size that cannot be leaves it as it was.
                let _ = fill.observe(now.as_millisecond(), disk.used_bytes as u64);
            }
            known.insert(claim.member, fill);
        }
        self.fills = known;
    }

    /// What is known of the volumes of brokers that tell of them.
    fn volumes(&self, observed: &Observed) -> Vec<Fullest> {
        let told = |claim: &ObservedVolume| {
            let disk = observed.disks.get(&claim.member.id)?;
            let capacity_bytes = disk.capacity_bytes.filter(|capacity| *capacity > 0.0)?;
            let fill = self.fills.get(&claim.member);
            Some(Fullest {
                broker: claim.member.id,
                used_bytes: disk.used_bytes,
                capacity_bytes,
                base_bytes: base_bytes(claim)?,
                fills: fill.and_then(|fill| fill.forecast(capacity_bytes as u64)),
            })
        };
        claims(observed).filter_map(told).collect()
    }

    /// What people are told: a growth when it is decided, and once what blocks one. An operator that
    /// starts finds in the `written` status what was told.
    fn news(&mut self, written: Option<&StorageStatus>, found: &Found) -> Option<Announcement> {
        let was_told = match self.blocked {
            Some(told) => told == found.blocked,
            None => written.is_some_and(|written| written.state == found.state),
        };
        self.blocked = Some(found.blocked);
        match found.blocked {
            Some(word) if !was_told => Some(Announcement {
                warning: true,
                ..Announcement::of("volumes", word, found.reason.clone())
            }),
            _ if found.is_new => {
                let note = found.reason.clone();
                Some(Announcement::of("volumes", "StorageGrown", note))
            }
            _ => None,
        }
    }
}

/// What a decision is made by.
struct Looked<'a> {
    cluster: &'a Cluster,
    autoscaling: &'a StorageAutoscaling,
    observed: &'a Observed,
    /// The size in force.
    size: String,
    last_grown: Option<Timestamp>,
    now: Timestamp,
}

impl Looked<'_> {
    fn find(
        &self,
        volumes: &[Fullest],
        fullest: Option<&Fullest>,
        asked: &mut Option<(String, Timestamp)>,
    ) -> Found {
        let found = |state, reason| Found::of(state, &self.size, reason);
        if let Some(class) = self.not_expandable() {
            let reason = format!(
                "storage class {class} does not say allowVolumeExpansion: true, so that no volume can \
                 grow: say it there if its driver can, or take storage.autoscaling away"
            );
            return found(StorageState::NotExpandable, reason).blocked("StorageNotExpandable");
        }
        let Some(fullest) = fullest else {
            let reason = "no broker has told how much of its volume is used yet".to_owned();
            return found(StorageState::Unknown, reason);
        };
        let needs = volumes.iter().filter_map(|one| one.need(self.autoscaling));
        let need = needs.max_by_key(|need| need.bytes);
        if let Some(growing) = self.growing(need.as_ref()) {
            return growing;
        }
        match need {
            None => found(StorageState::Fits, fits(fullest)),
            Some(need) => self.grow(&need, asked),
        }
    }

    /// The class that lets no volume grow, if that is known of one.
    fn not_expandable(&self) -> Option<&str> {
        let mut classes = claims(self.observed).filter_map(|claim| claim.storage_class.as_deref());
        classes.find(|class| self.observed.expandable.get(*class) == Some(&false))
    }

    /// What a growth that is under way waits for.
    fn growing(&self, need: Option<&Need>) -> Option<Found> {
        let is_behind = |claim: &&ObservedVolume| {
            let has = claim.capacity.as_deref();
            has.is_some_and(|has| is_less(has, &claim.size))
        };
        let behind = claims(self.observed).find(is_behind)?;
        let has = behind.capacity.as_deref().unwrap_or_default();
        let mut reason = format!(
            "claim {} asks for {} and its volume has {has} yet",
            behind.name, behind.size
        );
        let late = behind
            .grown
            .filter(|since| self.now.duration_since(*since) > GROWTH_MAX);
        let found = |reason| Found::of(StorageState::Growing, &self.size, reason);
        let (Some(since), Some(need)) = (late, need) else {
            return Some(found(reason));
        };
        let since = told::seconds(since);
        reason = format!(
            "{}; but since {since} {reason}: kubectl describe pvc {} says what its driver waits for",
            need.why, behind.name
        );
        Some(found(reason).blocked("StorageNotGrown"))
    }

    fn grow(&self, need: &Need, asked: &mut Option<(String, Timestamp)>) -> Found {
        let found = |state, reason| Found::of(state, &self.size, reason);
        let (why, max) = (&need.why, &self.autoscaling.max_size);
        let wanted = rounded_up(need.bytes);
        let base = claims(self.observed).filter_map(base_bytes).max();
        if bytes(max) <= base {
            let reason = format!(
                "{why}; {wanted} would do, and maxSize {max} is reached: raise it, add brokers, or keep \
                 less (retention)"
            );
            return found(StorageState::MaxReached, reason).blocked("StorageMaxReached");
        }
        if self.cluster.paused {
            return found(StorageState::Waiting, format!("{why}; spec.paused is set"));
        }
        let cooldown = SignedDuration::from_secs(self.autoscaling.cooldown_seconds.into());
        let last = self.last_grown;
        if let Some(last) = last.filter(|last| self.now.duration_since(*last) < cooldown) {
            let left = (cooldown - self.now.duration_since(last)).as_secs();
            let last = told::seconds(last);
            let reason = format!("{why}; volumes grew at {last} and grow again in {left} s");
            return found(StorageState::Waiting, reason);
        }
        let next = at_most(wanted.clone(), max);
        let waits = asked
            .as_ref()
            .filter(|(size, at)| *size == next && self.now.duration_since(*at) < RETRY_EVERY);
        if let Some((_, at)) = waits {
            let at = told::seconds(*at);
            let reason = format!("{why}; {next} was decided at {at}, and no claim asks for it yet");
            return found(StorageState::Waiting, reason);
        }
        let is_new = asked.as_ref().is_none_or(|(size, _)| *size != next);
        *asked = Some((next.clone(), self.now));
        let grows = format!("{why}: claims ask for {next} instead of {}", self.size);
        if is_less(max, &wanted) {
            let reason = format!("{grows}; {wanted} would do, and maxSize is {max}");
            let grown = Found::of(StorageState::Growing, &next, reason);
            return grown.blocked("StorageMaxTooSmall");
        }
        Found {
            is_new,
            ..Found::of(StorageState::Growing, &next, grows)
        }
    }
}

fn fits(fullest: &Fullest) -> String {
    let percent = 100.0 * fullest.used_share();
    let begin = format!(
        "{percent:.0} % of broker {}'s volume are used",
        fullest.broker
    );
    match (fullest.fills, fullest.earliest_hours()) {
        (None, _) => format!("{begin}; when it is full is forecast after two days"),
        (Some(_), None) => format!("{begin}, and it does not grow"),
        (Some(_), Some(hours)) => format!("{begin}, and it may be full in {hours:.0} h"),
    }
}
