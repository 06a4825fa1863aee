//! What was measured, as text.

use std::fmt;
use std::time::Duration;

use super::failover::{FailoverReport, Served};
use super::probe::PROBE_INTERVAL;
use crate::load::group::COMMIT_INTERVAL;
use crate::processes::Steps;

impl fmt::Display for FailoverReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut healed = self.healed.clone();
        healed.sort_unstable();
        let median = healed.get(healed.len() / 2).copied().unwrap_or_default();
        writeln!(
            f,
            "resolution: acks and reads {:?}, probes {PROBE_INTERVAL:?}, commits {COMMIT_INTERVAL:?}",
            self.settings.interval
        )?;
        for (what, gaps) in [
            ("new leaders serving (probe)", &self.served),
            ("only followed, serving (probe)", &self.served_followed),
            ("ack gap, led by the broker", &self.led),
            ("ack gap, only followed by it", &self.followed),
            ("read gap of the group", &self.read),
            ("commit gap of the group", &self.commits),
        ] {
            if gaps.total() > 0 {
                writeln!(f, "{what:<30} {gaps}")?;
            }
        }
        write_steps(f, &self.steps)?;
        writeln!(
            f,
            "every replica in sync again: median {median:.1?} after {} faults",
            healed.len()
        )?;
        writeln!(
            f,
            "acked during the outages: {}; {}",
            self.acked_in_outages, self.shares
        )?;
        write!(f, "verdict after {} faults: {}", healed.len(), self.verdict)
    }
}

type Step = fn(&(Steps, Served)) -> Option<Duration>;

/// The steps in the order in which a failover takes them, each counted from the fault.
const STEPS: [(&str, Step); 5] = [
    ("controller noticed", |(steps, _)| steps.noticed),
    ("fenced, leaders elected", |(steps, _)| steps.fenced),
    ("last new leader applied it", |(steps, _)| steps.applied),
    ("first partition served", |(_, served)| served.0),
    ("last partition served", |(_, served)| served.1),
];

fn write_steps(f: &mut fmt::Formatter<'_>, rounds: &[(Steps, Served)]) -> fmt::Result {
    for (what, step) in STEPS {
        let mut times: Vec<Duration> = rounds.iter().filter_map(step).collect();
        times.sort_unstable();
        if let (Some(median), Some(most)) = (times.get(times.len() / 2), times.last()) {
            writeln!(
                f,
                "  {what:<28} median {} ms, max {} ms",
                median.as_millis(),
                most.as_millis()
            )?;
        }
    }
    Ok(())
}
