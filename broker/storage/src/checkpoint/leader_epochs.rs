//! `leader-epoch-checkpoint`: a version, a count, then `epoch start-offset` a line.

use std::fmt::Write;

use kintsugi_types::{LeaderEpoch, Offset};

/// The text of a `leader-epoch-checkpoint` file.
#[must_use]
pub fn format_leader_epochs(entries: &[(LeaderEpoch, Offset)]) -> String {
    let mut text = format!("0\n{}\n", entries.len());
    for (epoch, start) in entries {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{epoch} {start}");
    }
    text
}

/// The entries of a `leader-epoch-checkpoint` file, or what is wrong with it.
///
/// # Errors
/// In words, with the line.
pub fn parse_leader_epochs(text: &str) -> Result<Vec<(LeaderEpoch, Offset)>, String> {
    super::offsets::parse_lines(text, |fields| {
        let [epoch, start] = fields else {
            return None;
        };
        Some((
            LeaderEpoch(epoch.parse().ok()?),
            Offset(start.parse().ok()?),
        ))
    })
}
