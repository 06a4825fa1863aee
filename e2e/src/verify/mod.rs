//! Holds what was read back against what the producers were told.
//!
//! Guarantees: a pure function of the two; every difference is named and counted. The rules:
//! an acknowledged record is there exactly once, at the offset that was acknowledged, and in
//! order; one that failed or timed out is there at most once; one that was never sent is not.
//! Without an idempotent producer a retry may write a record twice: then [`Duplicates::Counted`]
//! counts these and judges order by first copies.

pub mod replicas;
mod verdict;

use std::collections::BTreeMap;

use crate::load::history::{History, Outcome};
use crate::load::record::{ReadError, RecordId, probe_run};
pub use verdict::{Finding, Verdict};

/// One record as it was read back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadBack {
    /// Its offset.
    pub offset: i64,
    /// What its value says, or why it says nothing.
    pub record: Result<RecordId, ReadError>,
}

/// What a second copy of a record means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Duplicates {
    /// The producer was idempotent: a finding.
    Forbidden,
    /// The producer was not: counted only.
    Counted,
}

/// Compares a run's history with all that was read from its partitions, each in offset order.
#[must_use]
pub fn verify(
    run: u64,
    history: &History,
    read: &BTreeMap<i32, Vec<ReadBack>>,
    duplicates: Duplicates,
) -> Verdict {
    let mut verdict = Verdict::default();
    let totals = history.totals();
    (verdict.sent, verdict.acked, verdict.unknown) = (totals.sent, totals.acked, totals.unknown);
    let empty = Vec::new();
    for partition in history.partitions.keys().chain(read.keys()) {
        if verdict.partitions.insert(*partition) {
            let records = read.get(partition).unwrap_or(&empty);
            verify_partition(run, *partition, history, records, duplicates, &mut verdict);
        }
    }
    verdict
}

fn verify_partition(
    run: u64,
    partition: i32,
    history: &History,
    read: &[ReadBack],
    duplicates: Duplicates,
    verdict: &mut Verdict,
) {
    let empty = Vec::new();
    let sent = history.partitions.get(&partition).unwrap_or(&empty);
    let mut offsets: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
    let mut highest_first_copy = None;
    for ReadBack { offset, record } in read {
        verdict.read += 1;
        let (id, offset) = match identify(run, partition, sent.len(), *offset, *record) {
            Ok(Some(id)) => (id, *offset),
            Ok(None) => continue,
            Err(finding) => {
                verdict.add(finding);
                continue;
            }
        };
        let copies = offsets.entry(id.sequence).or_default();
        copies.push(offset);
        if copies.len() > 1 {
            verdict.duplicates += 1;
            if duplicates == Duplicates::Forbidden {
                verdict.add(Finding::Duplicate { id, offset });
            }
        } else if highest_first_copy > Some(id.sequence) {
            verdict.add(Finding::OutOfOrder { id, offset });
        } else {
            highest_first_copy = Some(id.sequence);
        }
    }
    for (sequence, sent) in (0..).zip(sent) {
        let Outcome::Acked { offset: acked, .. } = sent.outcome else {
            continue;
        };
        let id = RecordId {
            run,
            partition,
            sequence,
        };
        match offsets.get(&sequence) {
            None => verdict.add(Finding::Lost { id, offset: acked }),
            Some(copies) if !copies.contains(&acked) => {
                verdict.add(Finding::WrongOffset {
                    id,
                    acked,
                    found: copies[0],
                });
            }
            Some(_) => {}
        }
    }
}

/// Which of this run's records this is; `None` for one of its probes; or why it is neither.
fn identify(
    run: u64,
    partition: i32,
    sent: usize,
    offset: i64,
    record: Result<RecordId, ReadError>,
) -> Result<Option<RecordId>, Finding> {
    let id = match record {
        Ok(id) if id.run == run => id,
        Ok(id) if id.run == probe_run(run) => return Ok(None),
        Ok(_) | Err(ReadError::Foreign) => return Err(Finding::Foreign { partition, offset }),
        Err(ReadError::Corrupt) => return Err(Finding::Corrupt { partition, offset }),
    };
    let was_sent = usize::try_from(id.sequence).is_ok_and(|index| index < sent);
    if id.partition != partition || !was_sent {
        return Err(Finding::NeverSent { id, offset });
    }
    Ok(Some(id))
}

#[cfg(test)]
mod tests;
