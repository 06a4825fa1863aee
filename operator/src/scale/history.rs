//! A history of the load that people give, read from CSV. Pure.
//!
//! Guarantees: every number is finite and in its range, times rise, and what is wrong is told with its
//! line and what to do; nothing of a file that is refused is used. No bytes make it panic.
//! Never does: judge whether the rows are of use now, see [`super::training`].

use k8s_openapi::jiff::Timestamp;

/// The most bytes of a file: as many as a ConfigMap may hold.
pub const BYTES_MAX: usize = 1 << 20;
/// The most rows: five weeks of minutes, of which three weeks are learned from.
pub const ROWS_MAX: usize = 50_400;
/// The most bytes of a line: four cells have a quarter of it.
pub const LINE_BYTES_MAX: usize = 256;
/// No rate is above this: a petabyte a second. With its copies it stays what a scaler takes.
pub const RATE_MAX: f64 = 1e15;
/// No cluster has more brokers than this.
pub const BROKERS_MAX: u32 = 100_000;
/// The first second of the year 10000.
const SECONDS_MAX: f64 = 253_402_300_800.0;
/// Characters of a cell that a message repeats.
const TOLD_MAX: usize = 40;
/// The columns, the last of which may be missing.
const COLUMNS: [&str; 4] = ["time", "bytes_in", "bytes_out", "brokers"];

/// The load from one moment on, until the next row's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Since when, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Bytes a second that producers append, without copies.
    pub bytes_in: f64,
    /// Bytes a second that consumers read.
    pub bytes_out: f64,
    /// How many brokers there were, where that is told.
    pub brokers: Option<u32>,
}

/// What is wrong with a history.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum HistoryError {
    /// More bytes than are read.
    #[error(
        "it has {0} bytes, and at most {BYTES_MAX} are read: give fewer rows, such as one each two minutes"
    )]
    TooLong(usize),
    /// More rows than are read.
    #[error("it has more than {ROWS_MAX} rows: give the newest three weeks, a row a minute")]
    TooManyRows,
    /// A line that no row can be.
    #[error(
        "line {line} has {bytes} bytes, and at most {LINE_BYTES_MAX} are read: it is no row of three or four cells"
    )]
    LineTooLong {
        /// Which, from 1.
        line: usize,
        /// How many.
        bytes: usize,
    },
    /// Bytes that are no text.
    #[error("line {0} is not UTF-8 text: write the file as plain CSV")]
    NotText(usize),
    /// No header, or none of these columns.
    #[error(
        "line {line} is {found:?}: begin with the header time,bytes_in,bytes_out, and with ,brokers if the number of brokers is told"
    )]
    Header {
        /// Which, from 1.
        line: usize,
        /// What is there.
        found: String,
    },
    /// Nothing but a header.
    #[error("it has no rows: put one a minute below the header")]
    NoRows,
    /// More or fewer cells than the header.
    #[error(
        "line {line} has {found} cells and the header has {wanted}: give one for each column, without commas in numbers"
    )]
    Cells {
        /// Which, from 1.
        line: usize,
        /// How many.
        found: usize,
        /// The header's.
        wanted: usize,
    },
    /// A cell that is not what its column holds.
    #[error("line {line}, column {column} is {value:?}: {advice}")]
    Cell {
        /// Which, from 1.
        line: usize,
        /// The column's name.
        column: &'static str,
        /// What is there.
        value: String,
        /// What to do.
        advice: &'static str,
    },
    /// Times that do not rise.
    #[error(
        "line {line}, column time is {value:?}, which is not after the line before: sort the rows by time, and give each time once"
    )]
    NotRising {
        /// Which, from 1.
        line: usize,
        /// What is there.
        value: String,
    },
}

/// The rows of a file.
///
/// # Errors
/// [`HistoryError`] for the first thing that is wrong.
pub fn parse(bytes: &[u8]) -> Result<Vec<Row>, HistoryError> {
    if bytes.len() > BYTES_MAX {
        return Err(HistoryError::TooLong(bytes.len()));
    }
    // Spreadsheets begin a file with a mark of its encoding.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut columns: Option<Vec<usize>> = None;
    let mut rows: Vec<Row> = Vec::new();
    for (line, content) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if content.len() > LINE_BYTES_MAX {
            let bytes = content.len();
            return Err(HistoryError::LineTooLong { line, bytes });
        }
        let text = std::str::from_utf8(content).map_err(|_| HistoryError::NotText(line))?;
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        let Some(columns) = &columns else {
            columns = Some(header(line, text)?);
            continue;
        };
        if rows.len() == ROWS_MAX {
            return Err(HistoryError::TooManyRows);
        }
        let next = row(line, text, columns, rows.last())?;
        rows.push(next);
    }
    match (columns, rows.is_empty()) {
        (None, _) => Err(HistoryError::Header {
            line: 1,
            found: String::new(),
        }),
        (Some(_), true) => Err(HistoryError::NoRows),
        (Some(_), false) => Ok(rows),
    }
}

/// Which of [`COLUMNS`] each cell is of. They may come in any order.
fn header(line: usize, text: &str) -> Result<Vec<usize>, HistoryError> {
    let wrong = || HistoryError::Header {
        line,
        found: told(text),
    };
    let mut found = Vec::new();
    for name in text.split(',').map(cell) {
        let column = COLUMNS.iter().position(|known| *known == name);
        let column = column.filter(|column| !found.contains(column));
        found.push(column.ok_or_else(wrong)?);
    }
    match (0..3).all(|needed| found.contains(&needed)) {
        true => Ok(found),
        false => Err(wrong()),
    }
}

fn row(
    line: usize,
    text: &str,
    columns: &[usize],
    before: Option<&Row>,
) -> Result<Row, HistoryError> {
    let mut cells = [""; COLUMNS.len()];
    let mut found = 0;
    for value in text.split(',') {
        if let Some(place) = columns.get(found).and_then(|column| cells.get_mut(*column)) {
            *place = cell(value);
        }
        found += 1;
    }
    let wanted = columns.len();
    if found != wanted {
        return Err(HistoryError::Cells {
            line,
            found,
            wanted,
        });
    }
    let [at, bytes_in, bytes_out, brokers] = cells;
    let wrong = |column, value, advice| HistoryError::Cell {
        line,
        column,
        value: told(value),
        advice,
    };
    let rate = |column, value| {
        const ADVICE: &str = "give bytes a second, a number from 0 to 1e15";
        number(value, RATE_MAX).ok_or_else(|| wrong(column, value, ADVICE))
    };
    const TIME: &str =
        "give RFC 3339, such as 2026-11-30T20:00:00Z, or seconds (not milliseconds) since 1970";
    let at_ms = time(at).ok_or_else(|| wrong("time", at, TIME))?;
    if before.is_some_and(|before| at_ms <= before.at_ms) {
        let value = told(at);
        return Err(HistoryError::NotRising { line, value });
    }
    let is_told = columns.contains(&3);
    let brokers = match is_told {
        false => None,
        true => {
            const ADVICE: &str = "give a whole number of brokers, from 1 to 100000";
            let count = brokers.parse().ok();
            let count = count.filter(|count| (1..=BROKERS_MAX).contains(count));
            Some(count.ok_or_else(|| wrong("brokers", brokers, ADVICE))?)
        }
    };
    Ok(Row {
        at_ms,
        bytes_in: rate("bytes_in", bytes_in)?,
        bytes_out: rate("bytes_out", bytes_out)?,
        brokers,
    })
}

/// A cell's content: `jq` and spreadsheets put text in quotes.
fn cell(value: &str) -> &str {
    let value = value.trim();
    let inner = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or(value)
}

/// A number from 0 to `max`. What is not finite is in no range.
fn number(text: &str, max: f64) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    (0.0..=max).contains(&value).then_some(value)
}

/// A time before the year 10000, in milliseconds.
fn time(text: &str) -> Option<i64> {
    match number(text, SECONDS_MAX) {
        Some(seconds) => Some((seconds * 1_000.0) as i64),
        None => {
            let at: Timestamp = text.parse().ok()?;
            let at_ms = at.as_millisecond();
            (0.0..=SECONDS_MAX * 1_000.0)
                .contains(&(at_ms as f64))
                .then_some(at_ms)
        }
    }
}

fn told(value: &str) -> String {
    value.chars().take(TOLD_MAX).collect()
}

#[cfg(test)]
mod tests;
