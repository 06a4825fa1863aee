//! What is measured of a cluster at one time.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What a broker can run out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Resource {
    /// Processor time. Its load is the useful work that was done (bytes produced and fetched a
    /// second), and how much of it a broker can do is learned.
    Cpu,
    /// Bytes a second into the brokers, replication too.
    NetworkIn,
    /// Bytes a second out of the brokers, replication too.
    NetworkOut,
}

impl Resource {
    /// All of them, in the order of [`Loads`].
    pub const ALL: [Resource; 3] = [Resource::Cpu, Resource::NetworkIn, Resource::NetworkOut];

    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Resource::Cpu => "cpu",
            Resource::NetworkIn => "network in",
            Resource::NetworkOut => "network out",
        }
    }
}

/// The whole cluster's load of each resource; none where it was not measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Loads(pub [Option<f64>; 3]);

impl Loads {
    /// The load of one resource.
    pub fn get(&self, resource: Resource) -> Option<f64> {
        self.0[resource as usize]
    }

    /// The same with one more resource.
    #[must_use]
    pub fn with(mut self, resource: Resource, load: f64) -> Self {
        self.0[resource as usize] = Some(load);
        self
    }
}

/// The brokers that a sample is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brokers {
    /// Ready and measured.
    pub reporting: u32,
    /// Ready, not measured.
    pub missing: u32,
    /// Not ready yet.
    pub unready: u32,
}

/// One measurement of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The load that was measured, summed over the brokers that reported.
    pub loads: Loads,
    /// The brokers.
    pub brokers: Brokers,
    /// The mean part of their processor time that the reporting brokers used, 0 to 1 (above 1
    /// where they burst).
    pub cpu_utilization: Option<f64>,
}

/// Why a sample is refused.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum SampleError {
    /// A number that no load can be.
    #[error(
        "failed to take in a sample: {field} is {value}, it must be a number of 0 or more, at most {max:e}"
    )]
    NotALoad {
        /// Which.
        field: &'static str,
        /// What it was.
        value: f64,
        /// The largest that is taken.
        max: f64,
    },
    /// A time before the newest.
    #[error(
        "failed to take in a sample: its time {at_ms} ms is before that of the last one, {newest_ms} ms"
    )]
    TimeWentBack {
        /// The sample's.
        at_ms: i64,
        /// The newest so far.
        newest_ms: i64,
    },
    /// A time that no clock of this age shows.
    #[error("failed to take in a sample: its time {0} ms is not between the years 1970 and 10000")]
    NotATime(i64),
    /// Load of no broker.
    #[error("failed to take in a sample: it has loads, but no broker reported")]
    NobodyReported,
}

/// No load is above this: an exabyte a second and then some.
const MAX_LOAD: f64 = 1e21;
/// No utilisation is above this.
const MAX_UTILIZATION: f64 = 1e4;
/// The first millisecond of the year 10000.
const MAX_TIME_MS: i64 = 253_402_300_800_000;

impl Sample {
    /// Whether the numbers can be what they say.
    ///
    /// # Errors
    /// [`SampleError`] names the field.
    pub fn check(&self) -> Result<(), SampleError> {
        for resource in Resource::ALL {
            if let Some(load) = self.loads.get(resource) {
                in_range(resource.name(), load, MAX_LOAD)?;
                if self.brokers.reporting == 0 {
                    return Err(SampleError::NobodyReported);
                }
            }
        }
        match self.cpu_utilization {
            Some(utilization) => in_range("cpu utilisation", utilization, MAX_UTILIZATION),
            None => Ok(()),
        }
    }
}

/// Whether `now_ms` is a time, and not before `newest_ms`.
pub(crate) fn check_time(now_ms: i64, newest_ms: Option<i64>) -> Result<(), SampleError> {
    if !(0..MAX_TIME_MS).contains(&now_ms) {
        return Err(SampleError::NotATime(now_ms));
    }
    match newest_ms {
        Some(newest_ms) if now_ms < newest_ms => Err(SampleError::TimeWentBack {
            at_ms: now_ms,
            newest_ms,
        }),
        _ => Ok(()),
    }
}

fn in_range(field: &'static str, value: f64, max: f64) -> Result<(), SampleError> {
    if (0.0..=max).contains(&value) {
        return Ok(());
    }
    Err(SampleError::NotALoad { field, value, max })
}
