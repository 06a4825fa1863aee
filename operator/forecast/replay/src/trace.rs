//! Loads over time: from a CSV, laid out on an even grid.

use thiserror::Error;

/// Seconds between two steps: the HorizontalPodAutoscaler's sync period.
pub const STEP_SECONDS: i64 = 15;
/// Rows that a file may have.
const MAX_ROWS: usize = 10_000_000;
/// Steps that a trace may have: two years.
const MAX_STEPS: i64 = 2 * 366 * 86_400 / STEP_SECONDS;
/// Rows farther apart than this many of the usual distance leave a gap that is filled by a
/// straight line; the trace says how much of it was filled.
const GAP_FACTOR: i64 = 3;

/// A load each [`STEP_SECONDS`].
#[derive(Clone, Debug)]
pub struct Trace {
    /// The time of the first step, in milliseconds since the Unix epoch.
    pub start_ms: i64,
    /// One load a step.
    pub loads: Vec<f64>,
    /// Seconds between two rows of the file, as most are.
    pub row_seconds: i64,
    /// The part of the steps that lie in a gap.
    pub filled_share: f64,
}

/// Why a file is no trace.
#[derive(Debug, Error, PartialEq)]
pub enum TraceError {
    /// A line that is not a time and a load.
    #[error(
        "failed to read line {line}: {problem}; expected `timestamp,load` with Unix seconds or 2026-01-31T12:00:00Z and a number of 0 or more"
    )]
    Row {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// Too little or too much.
    #[error("failed to use the trace: {0}")]
    Size(String),
}

impl Trace {
    /// Reads `timestamp,load` lines; one header line is allowed. Between rows the load is a
    /// straight line.
    ///
    /// # Errors
    /// [`TraceError`] names the line, or what is too short or too long.
    pub fn parse(text: &str) -> Result<Self, TraceError> {
        let mut rows: Vec<(i64, f64)> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || (index == 0 && line.starts_with(|c: char| c.is_alphabetic())) {
                continue;
            }
            let row = parse_row(line).map_err(|problem| TraceError::Row {
                line: index + 1,
                problem,
            })?;
            if rows.last().is_some_and(|last| row.0 <= last.0) {
                return Err(TraceError::Row {
                    line: index + 1,
                    problem: "its time is not after the line before".into(),
                });
            }
            if rows.len() >= MAX_ROWS {
                return Err(TraceError::Size(format!(
                    "it has more than {MAX_ROWS} rows"
                )));
            }
            rows.push(row);
        }
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            return Err(TraceError::Size("it has no rows".into()));
        };
        let steps = (last.0 - first.0) / STEP_SECONDS;
        if !(2..=MAX_STEPS).contains(&steps) {
            return Err(TraceError::Size(format!(
                "it spans {} s; at least {} s and at most two years are needed",
                last.0 - first.0,
                2 * STEP_SECONDS
            )));
        }
        let mut distances: Vec<i64> = rows.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
        distances.sort_unstable();
        let row_seconds = distances[distances.len() / 2];
        let mut loads = Vec::with_capacity(steps as usize + 1);
        let mut filled = 0_usize;
        let mut after = 1;
        for step in 0..=steps {
            let at = first.0 + step * STEP_SECONDS;
            while after + 1 < rows.len() && rows[after].0 < at {
                after += 1;
            }
            let ((from, before), (to, next)) = (rows[after - 1], rows[after]);
            filled += usize::from(to - from > GAP_FACTOR * row_seconds);
            let share = (at - from) as f64 / (to - from) as f64;
            loads.push(before + share * (next - before));
        }
        Ok(Trace {
            start_ms: first.0 * 1_000,
            filled_share: filled as f64 / loads.len() as f64,
            loads,
            row_seconds,
        })
    }

    /// The same, scaled so that the mean is `mean`, times noise of the standard deviation `sigma`
    /// whose correlation falls by e in `tau_seconds` (an AR(1) process): what rows an hour apart
    /// do not show.
    #[must_use]
    pub fn prepared(&self, mean: f64, sigma: f64, tau_seconds: f64, seed: u64) -> Trace {
        let old = self.loads.iter().sum::<f64>() / self.loads.len() as f64;
        let mut random = fastrand::Rng::with_seed(seed);
        let keep = (-(STEP_SECONDS as f64) / tau_seconds).exp();
        let fresh = sigma * (1.0 - keep * keep).sqrt();
        let mut noise = 0.0;
        let loads = (self.loads.iter())
            .map(|load| {
                noise = keep * noise + fresh * normal(&mut random);
                (load / old * mean * (1.0 + noise)).max(0.0)
            })
            .collect();
        Trace {
            loads,
            ..self.clone()
        }
    }

    /// Steps that a number of days has.
    pub fn steps_of_days(days: f64) -> usize {
        (days * 86_400.0 / STEP_SECONDS as f64) as usize
    }
}

/// A standard normal number (Box-Muller).
pub fn normal(random: &mut fastrand::Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.f64()).cos()
}

fn parse_row(line: &str) -> Result<(i64, f64), String> {
    let (time, load) = line.split_once(',').ok_or("there is no comma")?;
    let time = time.trim();
    let at = match time.parse::<i64>() {
        Ok(seconds) => seconds,
        Err(_) => time
            .parse::<jiff::Timestamp>()
            .map_err(|error| error.to_string())?
            .as_second(),
    };
    if !(0..253_402_300_800).contains(&at) {
        return Err(format!("{at} is not a time since 1970"));
    }
    let load: f64 = load
        .trim()
        .parse()
        .map_err(|_| format!("{load:?} is not a number"))?;
    if !(0.0..=1e18).contains(&load) {
        return Err(format!("{load} is not a load"));
    }
    Ok((at, load))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_joined_by_straight_lines_and_gaps_are_counted() {
        let trace =
            Trace::parse("timestamp,load\n0,0\n60,4\n120,4\n180,8\n600,8\n").expect("a trace");
        assert_eq!(trace.loads[..5], [0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(trace.row_seconds, 60);
        assert!((trace.filled_share - 28.0 / 41.0).abs() < 1e-9);
    }

    #[test]
    fn a_bad_line_is_named() {
        let problems = [
            "0,1\n60",
            "0,1\n60,-1",
            "0,1\n60,NaN",
            "0,1\n0,1",
            "0,1\nsoon,1",
            "-5,1",
        ];
        for text in problems {
            assert!(
                matches!(Trace::parse(text), Err(TraceError::Row { .. })),
                "{text}"
            );
        }
        assert!(matches!(Trace::parse("0,1\n"), Err(TraceError::Size(_))));
    }
}
