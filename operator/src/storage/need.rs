//! Which volume needs to be larger, and how large.

use kintsugi_crds::StorageAutoscaling;
use kintsugi_forecast::storage::FillTime;

use super::size::told;

const SECONDS_PER_HOUR: f64 = 3_600.0;
const HOURS_PER_DAY: f64 = 24.0;

/// What is known of one broker's volume.
#[derive(Clone, Debug, PartialEq)]
pub struct Fullest {
    /// The broker.
    pub broker: i32,
    /// Bytes that are used of its file system, by whatever.
    pub used_bytes: f64,
    /// The size of its file system.
    pub capacity_bytes: f64,
    /// What its claim asks for, or its volume has if that is more.
    pub base_bytes: u64,
    /// When it will be full; None before two days were seen.
    pub fills: Option<FillTime>,
}

/// A volume that is to be larger.
#[derive(Clone, Debug, PartialEq)]
pub struct Need {
    /// How large, at least.
    pub bytes: u64,
    /// Why, in words and numbers.
    pub why: String,
}

impl Fullest {
    /// The share that is used.
    pub fn used_share(&self) -> f64 {
        self.used_bytes / self.capacity_bytes
    }

    /// The hours until it may be full, at the bound of its growth.
    pub fn earliest_hours(&self) -> Option<f64> {
        self.fills.and_then(|fills| fills.earliest_hours)
    }

    /// What it needs, if it is to be larger.
    pub fn need(&self, autoscaling: &StorageAutoscaling) -> Option<Need> {
        let percent = 100.0 * self.used_share();
        let limit = f64::from(autoscaling.used_percent);
        let within = f64::from(autoscaling.full_within_hours);
        let soon = self.earliest_hours().filter(|hours| *hours <= within);
        let is_used = percent >= limit;
        let why = match (is_used, soon) {
            (false, None) => return None,
            (_, Some(hours)) => format!(
                "broker {}'s volume may be full in {hours:.0} h, at up to {} a day, and volumes grow \
                 when that is {within:.0} h",
                self.broker,
                told(self.fills.map_or(0.0, |fills| fills.bound_bytes_per_day)),
            ),
            (true, None) => format!(
                "{percent:.0} % of broker {}'s volume of {} are used, and volumes grow at {limit:.0} %",
                self.broker,
                told(self.capacity_bytes),
            ),
        };
        Some(Need {
            bytes: self.bytes_needed(autoscaling),
            why,
        })
    }

    /// The size that has room until the growth after this one: one step more at least, so much that
    /// what is used is below the share that volumes grow at, and what may be written until then.
    fn bytes_needed(&self, autoscaling: &StorageAutoscaling) -> u64 {
        let step = 1.0 + f64::from(autoscaling.grow_percent) / 100.0;
        let by_step = self.base_bytes as f64 * step;
        // A file system is a little smaller than the volume that it is on.
        let of_volume = (self.base_bytes as f64 / self.capacity_bytes).clamp(1.0, 1.5);
        let by_use = self.used_bytes * 100.0 / f64::from(autoscaling.used_percent) * of_volume;
        let by_forecast = self.fills.filter(|_| autoscaling.full_within_hours > 0);
        let by_forecast = by_forecast.map_or(0.0, |fills| {
            let cooldown = f64::from(autoscaling.cooldown_seconds) / SECONDS_PER_HOUR;
            let hours = f64::from(autoscaling.full_within_hours) + cooldown;
            let growth = fills.bound_bytes_per_day.max(0.0) / HOURS_PER_DAY;
            (self.used_bytes + growth * hours) * of_volume
        });
        // Floats saturate as integers, and no claim may ask for as much: `maxSize` bounds it.
        by_step.max(by_use).max(by_forecast).ceil() as u64
    }
}
