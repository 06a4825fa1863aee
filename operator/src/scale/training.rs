//! What a scaler learns from a history that people give. Pure, and slow: three weeks of minutes take
//! tenths of a second, so it is no work for a thread that others wait for.
//!
//! Guarantees: only what models know of the load comes of it. What was observed, the capacity, the
//! delays and the windows are not touched: a history makes nothing shrink.

use k8s_openapi::jiff::Timestamp;
use kintsugi_forecast::model::{HISTORY_MINUTES, MINUTES_PER_DAY};
use kintsugi_forecast::{Brokers, Loads, Models, Resource, Sample, Scaler, Settings};

use super::history::Row;
use crate::told::seconds;

const MS_PER_MINUTE: i64 = 60_000;
/// Rows farther apart than this leave a gap between them: nobody knows what the load did.
pub const HELD_MINUTES_MAX: i64 = 15;
/// The fewest minutes of load that are taken: a day, after which a forecast begins, and an hour of it.
pub const MINUTES_MIN: i64 = MINUTES_PER_DAY + 60;
/// A forecast decides after a week to know the week before, and one to have been better than it.
const DECIDES_DAYS: i64 = 14;

/// What turns what clients send and read into what brokers carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Copies of a record, as new topics have.
    pub copies: u32,
    /// Brokers, where a row does not say.
    pub brokers: u32,
}

/// What came of a history.
#[derive(Debug)]
pub struct Trained {
    /// What was learned of the loads.
    pub models: Models,
    /// In words: since when the load is known, and of what rows.
    pub words: String,
}

/// Why a history that can be read is of no use.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TrainingError {
    /// Less than a forecast needs to begin.
    #[error(
        "it tells {minutes} minutes of the last 21 days ({left_out}), and a forecast needs {MINUTES_MIN} to begin: give \
         at least two days, better three weeks, with rows at most {HELD_MINUTES_MAX} minutes apart"
    )]
    TooShort {
        /// How many.
        minutes: i64,
        /// What was not used, in words.
        left_out: String,
    },
    /// Settings or samples that the scaler refuses.
    #[error("the scaler does not take it: {0}")]
    Refused(String),
}

/// Learns from the rows that are neither older than what models remember nor ahead of `now`.
///
/// # Errors
/// [`TrainingError`] says what is wrong and what to do.
pub fn train(
    rows: &[Row],
    shape: Shape,
    settings: Settings,
    now: Timestamp,
) -> Result<Trained, TrainingError> {
    let now_ms = now.as_millisecond();
    let memory_ms = i64::try_from(HISTORY_MINUTES).unwrap_or(i64::MAX) * MS_PER_MINUTE;
    // Times rise.
    let begin = rows.partition_point(|row| row.at_ms < now_ms.saturating_sub(memory_ms));
    let end = rows.partition_point(|row| row.at_ms <= now_ms);
    let (too_old, ahead) = (begin, rows.len() - end);
    let left_out = left_out(too_old, ahead);
    let used = rows.get(begin..end).unwrap_or_default();
    let mut scaler =
        Scaler::new(settings).map_err(|problem| TrainingError::Refused(problem.to_string()))?;
    let (mut minutes, mut newest) = (0, None);
    for (index, row) in used.iter().enumerate() {
        let sample = sample(row, shape);
        let next = used.get(index + 1).map(|next| next.at_ms);
        for at_ms in moments(row.at_ms, next) {
            let observed = scaler.observe(at_ms, sample);
            observed.map_err(|problem| TrainingError::Refused(problem.to_string()))?;
            let minute = Some(at_ms.div_euclid(MS_PER_MINUTE));
            minutes += i64::from(newest != minute);
            newest = minute;
        }
    }
    let since = scaler.learned_since_ms().map(Timestamp::from_millisecond);
    let (Some(Ok(since)), true) = (since, minutes >= MINUTES_MIN) else {
        return Err(TrainingError::TooShort { minutes, left_out });
    };
    let mut words = format!("the load is known since {}", seconds(since));
    words += &format!(", by {} rows, {left_out}", used.len());
    if now.duration_since(since).as_hours() < DECIDES_DAYS * 24 {
        words += &format!("; a forecast decides once {DECIDES_DAYS} days are known");
    }
    Ok(Trained {
        models: scaler.take_models(),
        words,
    })
}

/// The moments that a row is told at: its own, and the begin of each minute until the next row, which
/// what models know of a level lasts for. The last one's is its own.
fn moments(at_ms: i64, next_ms: Option<i64>) -> impl Iterator<Item = i64> {
    let minute = at_ms.div_euclid(MS_PER_MINUTE);
    let next = next_ms.map_or(minute, |next_ms| next_ms.div_euclid(MS_PER_MINUTE));
    let is_held = next - minute <= HELD_MINUTES_MAX;
    let held = if is_held { minute + 1..next } else { 0..0 };
    std::iter::once(at_ms).chain(held.map(|minute| minute * MS_PER_MINUTE))
}

/// What would have been measured, see [`super::sample`]: what is appended comes in once for each copy,
/// and goes out to each copy but the leader's own.
fn sample(row: &Row, shape: Shape) -> Sample {
    let copies = f64::from(shape.copies.max(1));
    let (appended, read) = (row.bytes_in, row.bytes_out);
    Sample {
        loads: Loads::default()
            .with(Resource::Cpu, appended + read)
            .with(Resource::NetworkIn, appended * copies)
            .with(Resource::NetworkOut, read + appended * (copies - 1.0)),
        brokers: Brokers {
            reporting: row.brokers.unwrap_or(shape.brokers).max(1),
            missing: 0,
            unready: 0,
        },
        cpu_utilization: None,
    }
}

fn left_out(too_old: usize, ahead: usize) -> String {
    match (too_old, ahead) {
        (0, 0) => "none left out".to_owned(),
        (old, 0) => format!("{old} left out as older than 21 days"),
        (0, ahead) => format!("{ahead} left out as of a time that has not come"),
        (old, ahead) => format!(
            "{old} left out as older than 21 days and {ahead} as of a time that has not come"
        ),
    }
}

#[cfg(test)]
mod tests;
