//! Going on with a snapshot, in the same process or in another.

use thiserror::Error;

use super::Scaler;
use crate::{
    model::LoadModel,
    sample::{Sample, check_time},
    settings::{Settings, SettingsError},
};

/// A snapshot whose last sample is older than this was not looked at for so long that what was
/// observed before does not count as observed now: four samples, as many as a HorizontalPodAutoscaler
/// misses without anybody noticing.
const RESUME_PAUSE_MS: i64 = 60_000;
/// How far the clock of another machine may be ahead. A snapshot from further ahead would refuse
/// every sample until that time has come.
const CLOCKS_APART_MS: i64 = 60_000;

/// Why a snapshot is refused.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum RestoreError {
    /// Numbers that this code cannot have written.
    #[error(
        "failed to restore the scaler: {0} does not fit; starting from nothing is safe, it only delays shrinking"
    )]
    NotSound(&'static str),
    /// A snapshot of a time that has not come.
    #[error(
        "failed to restore the scaler: it is of {newest_ms} ms and now is {now_ms} ms; starting from nothing is safe, it only delays shrinking"
    )]
    Ahead {
        /// The snapshot's newest time.
        newest_ms: i64,
        /// Now.
        now_ms: i64,
    },
    /// The settings that come with it.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

impl Scaler {
    /// Takes a snapshot back. The newest settings go in: a resource that is scaled by now and was
    /// not then starts from nothing, one that is no longer scaled by is forgotten.
    ///
    /// # Errors
    /// [`RestoreError`] where the snapshot cannot be one, or the settings are out of range.
    pub fn restore(snapshot: Scaler, settings: Settings) -> Result<Self, RestoreError> {
        settings.check()?;
        let checks = [
            (
                "a load's history",
                (snapshot.models.iter().flatten()).all(LoadModel::is_sound),
            ),
            ("the learned capacity", snapshot.capacity.is_sound()),
            (
                "the floors of late",
                snapshot.floors.is_sound(snapshot.newest_ms),
            ),
            (
                "the recommendations of late",
                snapshot.controller.is_sound(snapshot.newest_ms),
            ),
            (
                "the measured delays",
                snapshot.grow.is_sound() && snapshot.shrink.is_sound(),
            ),
            (
                "the last sample",
                snapshot.last.is_none_or(|(at_ms, sample)| {
                    check_time(at_ms, None).is_ok() && sample.check().is_ok()
                }),
            ),
            (
                "the newest time",
                (snapshot.newest_ms.iter().chain(&snapshot.observed_since_ms))
                    .all(|&at_ms| check_time(at_ms, None).is_ok()),
            ),
        ];
        if let Some((what, _)) = checks.iter().find(|(_, sound)| !sound) {
            return Err(RestoreError::NotSound(what));
        }
        let fresh = Scaler::new(settings)?;
        let mut models = snapshot.models;
        for (model, fresh) in models.iter_mut().zip(&fresh.models) {
            match fresh {
                None => *model = None,
                Some(fresh) if model.is_none() => *model = Some(fresh.clone()),
                Some(_) => {}
            }
        }
        Ok(Scaler {
            settings: fresh.settings,
            models,
            // Made by the settings of before.
            choice: None,
            forecast: None,
            ..snapshot
        })
    }

    /// Goes on with a snapshot that another process took: as [`Scaler::restore`], and what was
    /// observed before counts towards the time after which the size may shrink only where at most a
    /// minute was missed. The windows of that time would otherwise have a hole that a peak of the load
    /// may have been in. What was learned of the load counts however long ago: minutes without
    /// samples are gaps.
    ///
    /// # Errors
    /// [`RestoreError`] as of [`Scaler::restore`], and for a snapshot of a time that has not come.
    pub fn resume(snapshot: Scaler, settings: Settings, now_ms: i64) -> Result<Self, RestoreError> {
        let mut scaler = Scaler::restore(snapshot, settings)?;
        let newest_ms = scaler.newest_ms.unwrap_or(now_ms);
        if newest_ms > now_ms.saturating_add(CLOCKS_APART_MS) {
            return Err(RestoreError::Ahead { newest_ms, now_ms });
        }
        let is_missed = |(at_ms, _): &(i64, Sample)| now_ms - at_ms > RESUME_PAUSE_MS;
        if scaler.last.as_ref().is_none_or(is_missed) {
            scaler.last = None;
            scaler.observed_since_ms = None;
        }
        Ok(scaler)
    }

    /// Since when load was observed without a long pause: what shrinking waits for. Milliseconds
    /// since the Unix epoch.
    pub fn observed_since_ms(&self) -> Option<i64> {
        self.observed_since_ms
    }

    /// Where what is remembered of the load begins, in milliseconds since the Unix epoch.
    pub fn learned_since_ms(&self) -> Option<i64> {
        let models = self.models.iter().flatten();
        models.filter_map(LoadModel::learned_since_ms).min()
    }
}
