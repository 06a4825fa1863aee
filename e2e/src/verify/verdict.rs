//! The verdict: totals, and every way in which the log and the producers' story differ.

use std::collections::BTreeSet;
use std::fmt;

use crate::load::record::RecordId;

/// How many findings are kept word for word; all are counted.
const FINDINGS_KEPT_MAX: usize = 20;

/// One difference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finding {
    /// Acknowledged, and not in the log.
    Lost {
        /// Which record.
        id: RecordId,
        /// The offset that was acknowledged.
        offset: i64,
    },
    /// Acknowledged with one offset, found only at another.
    WrongOffset {
        /// Which record.
        id: RecordId,
        /// The offset that was acknowledged.
        acked: i64,
        /// Where it is.
        found: i64,
    },
    /// In the log again, from an idempotent producer.
    Duplicate {
        /// Which record.
        id: RecordId,
        /// The offset of the later copy.
        offset: i64,
    },
    /// In the log after a record that was sent later.
    OutOfOrder {
        /// Which record.
        id: RecordId,
        /// Where it is.
        offset: i64,
    },
    /// In the log, and never sent (or sent elsewhere).
    NeverSent {
        /// What it says it is.
        id: RecordId,
        /// Where it is.
        offset: i64,
    },
    /// In the log with other bytes than were sent.
    Corrupt {
        /// The partition.
        partition: i32,
        /// Where it is.
        offset: i64,
    },
    /// In the log, and not one of this run's.
    Foreign {
        /// The partition.
        partition: i32,
        /// Where it is.
        offset: i64,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost { id, offset } => write!(f, "lost: {id}, acknowledged at {offset}"),
            Self::WrongOffset { id, acked, found } => {
                write!(
                    f,
                    "wrong offset: {id}, acknowledged at {acked}, found at {found}"
                )
            }
            Self::Duplicate { id, offset } => write!(f, "duplicate: {id}, again at {offset}"),
            Self::OutOfOrder { id, offset } => write!(f, "out of order: {id} at {offset}"),
            Self::NeverSent { id, offset } => write!(f, "never sent: {id} at {offset}"),
            Self::Corrupt { partition, offset } => {
                write!(f, "corrupt: partition {partition} at {offset}")
            }
            Self::Foreign { partition, offset } => {
                write!(f, "foreign: partition {partition} at {offset}")
            }
        }
    }
}

/// What the comparison found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Verdict {
    /// Records handed to the client library.
    pub sent: u64,
    /// Records acknowledged.
    pub acked: u64,
    /// Records that failed, timed out or are still pending.
    pub unknown: u64,
    /// Records read back.
    pub read: u64,
    /// Acknowledged records that are not in the log.
    pub lost: u64,
    /// Second copies.
    pub duplicates: u64,
    /// All findings, also those that are not kept.
    pub findings_total: u64,
    /// The first findings.
    pub findings: Vec<Finding>,
    /// The partitions compared.
    pub partitions: BTreeSet<i32>,
}

impl Verdict {
    pub(super) fn add(&mut self, finding: Finding) {
        self.findings_total += 1;
        self.lost += u64::from(matches!(finding, Finding::Lost { .. }));
        if self.findings.len() < FINDINGS_KEPT_MAX {
            self.findings.push(finding);
        }
    }

    /// Whether the log is what the producers were told.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings_total == 0
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "sent {}, acked {}, unknown {}, read {}, duplicates {}, lost {}",
            self.sent, self.acked, self.unknown, self.read, self.duplicates, self.lost
        )?;
        for finding in &self.findings {
            write!(f, "\n  {finding}")?;
        }
        let not_shown = self.findings_total - self.findings.len() as u64;
        if not_shown > 0 {
            write!(f, "\n  and {not_shown} more")?;
        }
        Ok(())
    }
}
