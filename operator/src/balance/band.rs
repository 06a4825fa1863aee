//! The settings, as numbers to compare with.

use k8s_openapi::jiff::SignedDuration;
use kintsugi_crds::RebalanceSettings;

use super::measure::Use;

/// When use is out of its band, and for how long it must be.
#[derive(Clone, Copy, Debug)]
pub struct Band {
    /// Above the mean by more than this share of it is out of the band.
    pub outer: f64,
    /// By less than this is within it again.
    pub inner: f64,
    /// How long it must be out of the band.
    pub hold: SignedDuration,
    /// How long after the end of one KafkaRebalance the next may begin.
    pub cooldown: SignedDuration,
}

impl Band {
    /// That of a cluster with these settings.
    pub fn of(settings: &RebalanceSettings) -> Self {
        let outer = f64::from(settings.band_percent) / 100.0;
        Self {
            outer,
            inner: outer / 2.0,
            hold: SignedDuration::from_secs(settings.hold_seconds.into()),
            cooldown: SignedDuration::from_secs(settings.cooldown_seconds.into()),
        }
    }

    /// Whether it is more than the band allows.
    pub fn is_out(&self, one: &Use) -> bool {
        one.counts && one.excess() > self.outer
    }

    /// Whether it is even, also where it was out of the band before.
    pub fn is_back(&self, one: &Use) -> bool {
        !one.counts || one.excess() < self.inner
    }

    /// The outer edge in percent.
    pub fn percent(&self) -> f64 {
        self.outer * 100.0
    }
}
