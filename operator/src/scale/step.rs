//! One look at the size of one cluster. Pure: time comes in as an argument.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kintsugi_crds::{Autoscaling, AutoscalingStatus};
use kintsugi_forecast::{Direction, Forecast, Sample, Scaler, Settings};

use super::figures::Figures;
use super::settings::{constraints, settings};
use crate::cluster::Cluster;
use crate::decide::{has_unfilled, unsettled};
use crate::observe::Observed;
use crate::plan::Announcement;

/// How often a size is decided: as often as a HorizontalPodAutoscaler does.
pub const DECIDE_EVERY: SignedDuration = SignedDuration::from_secs(15);
/// A reason that says the same with other numbers is written this often, to spare the API server.
const TELL_EVERY: SignedDuration = SignedDuration::from_secs(60);
/// Characters of a reason; the schema allows this many.
const REASON_CHARACTERS_MAX: usize = 1_024;

/// What is remembered between looks.
#[derive(Debug, Default)]
pub struct State {
    scaler: Option<(Settings, Scaler)>,
    decided: Option<Timestamp>,
    /// The change that is under way: which way, and since when.
    begun: Option<(Direction, Timestamp)>,
    /// What the status was last given, and when.
    told: Option<(Timestamp, AutoscalingStatus)>,
    /// The forecast that decided last, if one did.
    forecast: Option<Forecast>,
}

impl State {
    /// What was decided last.
    pub fn last(&self) -> Option<AutoscalingStatus> {
        self.told.as_ref().map(|(_, status)| status.clone())
    }
}

/// What there is to say, and to have changed by the next look.
#[derive(Clone, Debug, PartialEq)]
pub struct Sizing {
    /// For the status. Its number is in force from the next look on.
    pub status: AutoscalingStatus,
    /// Told once by an Event.
    pub news: Option<Announcement>,
    /// For metrics.
    pub figures: Figures,
}

/// Decides the size of `cluster`, whose `brokers.replicas` is the size in force, by what was
/// `measured` of its load.
pub fn step(
    state: &mut State,
    cluster: &Cluster,
    autoscaling: &Autoscaling,
    observed: &Observed,
    measured: Option<Sample>,
    now: Timestamp,
) -> Sizing {
    let sizing = size(state, cluster, autoscaling, observed, measured, now);
    let scaler = state.scaler.as_ref().map(|(_, scaler)| scaler);
    let settings = settings(autoscaling);
    Sizing {
        figures: Figures::of(observed, &settings, scaler, measured, state.forecast),
        ..sizing
    }
}

fn size(
    state: &mut State,
    cluster: &Cluster,
    autoscaling: &Autoscaling,
    observed: &Observed,
    measured: Option<Sample>,
    now: Timestamp,
) -> Sizing {
    let written = cluster.autoscaling_written.as_ref();
    let current = cluster.brokers.replicas;
    let stays = |reason: String, wanted: Option<i32>| AutoscalingStatus {
        desired_replicas: current,
        wanted_replicas: wanted.filter(|wanted| *wanted != current),
        reason: reason.chars().take(REASON_CHARACTERS_MAX).collect(),
        last_scale_time: written.and_then(|written| written.last_scale_time.clone()),
    };
    let last = || written.cloned().unwrap_or_default();
    let is_due = state
        .decided
        .is_none_or(|decided| now.duration_since(decided) >= DECIDE_EVERY);
    if !is_due {
        let kept = stays(last().reason, last().wanted_replicas);
        return silent(kept);
    }
    state.decided = Some(now);
    state.forecast = None;
    let scaler = match scaler(&mut state.scaler, autoscaling) {
        Ok(scaler) => scaler,
        Err(problem) => return silent(stays(problem, None)),
    };
    let now_ms = now.as_millisecond();
    let refused = measured.and_then(|sample| scaler.observe(now_ms, sample).err());
    if let Some(problem) = refused {
        return silent(stays(problem.to_string(), None));
    }
    let amiss = unsettled(cluster, observed, now);
    if amiss.is_none() && !has_unfilled(cluster, observed) {
        finish(&mut state.begun, scaler, now);
    }
    let size = u32::try_from(current).unwrap_or(1);
    let decision = match scaler.decide(now_ms, size, constraints(autoscaling)) {
        Ok(decision) => decision,
        Err(problem) => return silent(stays(problem.to_string(), None)),
    };
    state.forecast = decision.forecast.filter(|_| scaler.has_skill());
    let wanted = i32::try_from(decision.wanted).unwrap_or(current);
    let reason = decision.reason.to_string();
    let held = match autoscaling.dry_run {
        _ if wanted == current => None,
        true => Some("dryRun is set".to_owned()),
        false => waits_for(observed, amiss, wanted < current),
    };
    if wanted == current || held.is_some() {
        let reason = match &held {
            Some(held) => format!("{wanted} brokers are wanted: {reason}; {held}"),
            None => reason,
        };
        let status = told(state, stays(reason, Some(wanted)), now);
        let news = would_scale(autoscaling, written, &status);
        return telling(status, news);
    }
    let direction = match wanted > current {
        true => Direction::Up,
        false => Direction::Down,
    };
    scaler.scaled(now_ms, size, decision.wanted);
    state.begun = Some((direction, now));
    let status = AutoscalingStatus {
        desired_replicas: wanted,
        last_scale_time: Some(seconds(now)),
        ..stays(reason.clone(), None)
    };
    state.told = Some((now, status.clone()));
    let note = format!("{wanted} brokers instead of {current}: {reason}");
    telling(status, Some(scaled(direction, note)))
}

/// Tells the scaler how long the change took that is over.
fn finish(begun: &mut Option<(Direction, Timestamp)>, scaler: &mut Scaler, now: Timestamp) {
    if let Some((direction, since)) = begun.take() {
        let took = now.duration_since(since).as_millis();
        scaler.scale_finished(direction, i64::try_from(took).unwrap_or(i64::MAX));
    }
}

fn scaled(direction: Direction, note: String) -> Announcement {
    let word = match direction {
        Direction::Up => "ScaledUp",
        Direction::Down => "ScaledDown",
    };
    announcement(word, note)
}

/// What a change waits for, if for anything.
fn waits_for(observed: &Observed, amiss: Option<String>, shrinks: bool) -> Option<String> {
    match amiss {
        Some(amiss) => Some(format!("the change waits: {amiss}")),
        None if shrinks => rebalances(observed),
        None => None,
    }
}

fn silent(status: AutoscalingStatus) -> Sizing {
    telling(status, None)
}

fn telling(status: AutoscalingStatus, news: Option<Announcement>) -> Sizing {
    Sizing {
        status,
        news,
        figures: Figures::default(),
    }
}

/// The scaler by the settings of now. Where they change, what was learned is kept.
fn scaler<'a>(
    held: &'a mut Option<(Settings, Scaler)>,
    autoscaling: &Autoscaling,
) -> Result<&'a mut Scaler, String> {
    let wanted = settings(autoscaling);
    let next = match held.take() {
        Some((known, scaler)) if known == wanted => scaler,
        Some((_, scaler)) => {
            Scaler::restore(scaler, wanted.clone()).map_err(|problem| problem.to_string())?
        }
        None => Scaler::new(wanted.clone()).map_err(|problem| problem.to_string())?,
    };
    Ok(&mut held.insert((wanted, next)).1)
}

/// What a shrink waits for, if a KafkaRebalance is under way: it may move data that the shrink would
/// move again.
fn rebalances(observed: &Observed) -> Option<String> {
    let mut under_way = observed.rebalances.iter().filter(|one| one.is_moving());
    let name = &under_way.next()?.name;
    Some(format!("the change waits for KafkaRebalance {name} to end"))
}

/// The status to write: the last one for a while, if it says the same but for its numbers.
fn told(state: &mut State, status: AutoscalingStatus, now: Timestamp) -> AutoscalingStatus {
    let is_same = |known: &AutoscalingStatus| {
        (known.desired_replicas, known.wanted_replicas)
            == (status.desired_replicas, status.wanted_replicas)
    };
    if let Some((at, known)) = &state.told
        && is_same(known)
        && now.duration_since(*at) < TELL_EVERY
    {
        return known.clone();
    }
    state.told = Some((now, status.clone()));
    status
}

/// In a dry run, what would have been done, once.
fn would_scale(
    autoscaling: &Autoscaling,
    written: Option<&AutoscalingStatus>,
    status: &AutoscalingStatus,
) -> Option<Announcement> {
    let wanted = status.wanted_replicas.filter(|_| autoscaling.dry_run)?;
    let known = written.and_then(|written| written.wanted_replicas);
    (known != Some(wanted)).then(|| announcement("WouldScale", status.reason.clone()))
}

fn announcement(reason: &'static str, note: String) -> Announcement {
    Announcement {
        reason,
        subject: "brokers".to_owned(),
        note,
        warning: false,
    }
}

/// RFC 3339 in whole seconds, as Kubernetes writes times.
fn seconds(now: Timestamp) -> String {
    Timestamp::from_second(now.as_second())
        .unwrap_or(now)
        .to_string()
}
