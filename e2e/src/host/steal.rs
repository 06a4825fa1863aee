//! Time that the hypervisor took away, from `/proc/stat`.

use std::fmt;
use std::io;

/// The host's processor time so far, in clock ticks over all processors.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ProcessorTime {
    total: u64,
    idle: u64,
    stolen: u64,
}

/// The shares of the time between two moments, in percent.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Shares {
    /// Given to other guests.
    pub stolen_percent: f64,
    /// Used by anything on this host.
    pub busy_percent: f64,
}

impl ProcessorTime {
    /// The time up to now.
    ///
    /// # Errors
    /// If `/proc/stat` cannot be read, or reads like nothing known.
    pub fn now() -> io::Result<Self> {
        Self::parse(&std::fs::read_to_string("/proc/stat")?)
            .ok_or_else(|| io::Error::other("failed to read /proc/stat: no line of all processors"))
    }

    fn parse(text: &str) -> Option<Self> {
        let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
        // user nice system idle iowait irq softirq steal; guest time is in user time already.
        let ticks: Vec<u64> = line
            .split_whitespace()
            .take(8)
            .map_while(|n| n.parse().ok())
            .collect();
        let [_, _, _, idle, waiting, _, _, stolen] = ticks[..] else {
            return None;
        };
        Some(Self {
            total: ticks.iter().sum(),
            idle: idle + waiting,
            stolen,
        })
    }

    /// The shares since an earlier moment.
    #[must_use]
    pub fn since(self, earlier: Self) -> Shares {
        let total = self.total.saturating_sub(earlier.total).max(1);
        let stolen = self.stolen.saturating_sub(earlier.stolen);
        let idle = self.idle.saturating_sub(earlier.idle);
        let busy = total.saturating_sub(stolen).saturating_sub(idle);
        Shares {
            stolen_percent: percent(stolen, total),
            busy_percent: percent(busy, total),
        }
    }
}

// Tick counts are far below 2^52, so nothing is rounded here.
#[allow(clippy::cast_precision_loss)]
fn percent(part: u64, total: u64) -> f64 {
    100.0 * part as f64 / total as f64
}

impl fmt::Display for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "host busy {:.0} %, stolen {:.1} %",
            self.busy_percent, self.stolen_percent
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_of_the_time_between() {
        let earlier = ProcessorTime::parse("cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1 2\n").unwrap();
        let later = ProcessorTime::parse("cpu  140 0 110 830 10 0 0 10 0 0\n").unwrap();
        let shares = later.since(earlier);
        assert!((shares.stolen_percent - 10.0).abs() < 1e-9);
        assert!((shares.busy_percent - 50.0).abs() < 1e-9);
        assert_eq!(ProcessorTime::parse("intr 1 2 3"), None);
    }
}
