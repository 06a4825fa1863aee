//! One look at the size of one cluster. Pure: time comes in as an argument.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kintsugi_crds::{Autoscaling, AutoscalingStatus};
use kintsugi_forecast::{Direction, Forecast, Models, RestoreError, Sample, Scaler, Settings};

use super::figures::Figures;
use super::settings::{constraints, settings};
use crate::cluster::Cluster;
use crate::decide::{has_unfilled, unsettled};
use crate::observe::Observed;
use crate::plan::Announcement;
use crate::told::{self, Told};

/// How often a size is decided: as often as a HorizontalPodAutoscaler does.
pub const DECIDE_EVERY: SignedDuration = SignedDuration::from_secs(15);

const MS_PER_HOUR: i64 = 3_600_000;

/// What is remembered between looks.
#[derive(Debug, Default)]
pub struct State {
    scaler: Option<(Settings, Scaler)>,
    decided: Option<Timestamp>,
    /// The change that is under way: which way, and since when.
    begun: Option<(Direction, Timestamp)>,
    /// What the status was last given.
    told: Told<AutoscalingStatus>,
    /// What was forecast at the last decision, whether it decided or not.
    forecast: Option<Forecast>,
}

impl State {
    /// What goes on with a scaler, and with the change that was under way.
    pub fn going_on(
        settings: Settings,
        scaler: Scaler,
        begun: Option<(Direction, Timestamp)>,
    ) -> Self {
        Self {
            scaler: Some((settings, scaler)),
            begun,
            ..Self::default()
        }
    }

    /// What sizes are decided by, once there is something.
    pub fn scaler(&self) -> Option<&Scaler> {
        self.scaler.as_ref().map(|(_, scaler)| scaler)
    }

    /// Knows of the load what `models` do, and nothing else of it.
    ///
    /// # Errors
    /// [`RestoreError`] for settings that no scaler takes.
    pub fn learn(&mut self, autoscaling: &Autoscaling, models: Models) -> Result<(), RestoreError> {
        scaler(&mut self.scaler, autoscaling)?.put_models(models);
        Ok(())
    }

    /// The change that is under way: which way, and since when.
    pub fn begun(&self) -> Option<(Direction, Timestamp)> {
        self.begun
    }

    /// What was decided last.
    pub fn last(&self) -> Option<&AutoscalingStatus> {
        self.told.last()
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
    let (mut status, news) = size(state, cluster, autoscaling, observed, measured, now);
    let scaler = state.scaler();
    status.observed_since = scaler.and_then(Scaler::observed_since_ms).and_then(time);
    let learned_since_ms = scaler.and_then(Scaler::learned_since_ms);
    status.learned_since = learned_since_ms.map(to_hour).and_then(time);
    let settings = settings(autoscaling);
    Sizing {
        status,
        news,
        figures: Figures::of(observed, &settings, scaler, measured, state.forecast, now),
    }
}

/// What is remembered begins later each minute once it is three weeks long: to the hour is enough.
fn to_hour(at_ms: i64) -> i64 {
    at_ms - at_ms.rem_euclid(MS_PER_HOUR)
}

fn time(at_ms: i64) -> Option<String> {
    Timestamp::from_millisecond(at_ms).ok().map(told::seconds)
}

/// What the status is to say, and what people are told once.
fn size(
    state: &mut State,
    cluster: &Cluster,
    autoscaling: &Autoscaling,
    observed: &Observed,
    measured: Option<Sample>,
    now: Timestamp,
) -> (AutoscalingStatus, Option<Announcement>) {
    let written = cluster.autoscaling_written.as_ref();
    let current = cluster.brokers.replicas;
    let stays = |reason: String, wanted: Option<i32>| AutoscalingStatus {
        desired_replicas: current,
        wanted_replicas: wanted.filter(|wanted| *wanted != current),
        reason: told::reason(&reason),
        last_scale_time: written.and_then(|written| written.last_scale_time.clone()),
        ..AutoscalingStatus::default()
    };
    let last = || written.cloned().unwrap_or_default();
    let is_due = state
        .decided
        .is_none_or(|decided| now.duration_since(decided) >= DECIDE_EVERY);
    if !is_due {
        let kept = stays(last().reason, last().wanted_replicas);
        return (kept, None);
    }
    state.decided = Some(now);
    state.forecast = None;
    let scaler = match scaler(&mut state.scaler, autoscaling) {
        Ok(scaler) => scaler,
        Err(problem) => return (stays(problem.to_string(), None), None),
    };
    let now_ms = now.as_millisecond();
    let refused = measured.and_then(|sample| scaler.observe(now_ms, sample).err());
    if let Some(problem) = refused {
        return (stays(problem.to_string(), None), None);
    }
    let amiss = unsettled(cluster, observed, now);
    if amiss.is_none() && !has_unfilled(cluster, observed) {
        finish(&mut state.begun, scaler, now);
    }
    let size = u32::try_from(current).unwrap_or(1);
    let decision = match scaler.decide(now_ms, size, constraints(autoscaling)) {
        Ok(decision) => decision,
        Err(problem) => return (stays(problem.to_string(), None), None),
    };
    state.forecast = decision.forecast;
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
        let status = state
            .told
            .tell(stays(reason, Some(wanted)), says_the_same, now);
        let news = would_scale(autoscaling, written, &status);
        return (status, news);
    }
    let direction = match wanted > current {
        true => Direction::Up,
        false => Direction::Down,
    };
    scaler.scaled(now_ms, size, decision.wanted);
    state.begun = Some((direction, now));
    let status = AutoscalingStatus {
        desired_replicas: wanted,
        last_scale_time: Some(told::seconds(now)),
        ..stays(reason.clone(), None)
    };
    state.told.tell_now(status.clone(), now);
    let note = format!("{wanted} brokers instead of {current}: {reason}");
    (status, Some(scaled(direction, note)))
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

/// The scaler by the settings of now. Where they change, what was learned is kept.
fn scaler<'a>(
    held: &'a mut Option<(Settings, Scaler)>,
    autoscaling: &Autoscaling,
) -> Result<&'a mut Scaler, RestoreError> {
    let wanted = settings(autoscaling);
    let next = match held.take() {
        Some((known, scaler)) if known == wanted => scaler,
        Some((_, scaler)) => Scaler::restore(scaler, wanted.clone())?,
        None => Scaler::new(wanted.clone())?,
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

/// Whether two statuses differ in the words and numbers of their reasons only.
fn says_the_same(known: &AutoscalingStatus, next: &AutoscalingStatus) -> bool {
    (known.desired_replicas, known.wanted_replicas) == (next.desired_replicas, next.wanted_replicas)
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
    Announcement::of("brokers", reason, note)
}
