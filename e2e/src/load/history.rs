//! What became of each record that the load sent: the producer's side of the story.

use std::collections::BTreeMap;

/// Microseconds on the load's own monotonic clock.
pub type Micros = u64;

/// What the producer was told of one record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Nothing yet: it may or may not be in the log.
    Pending,
    /// It was acknowledged with this offset.
    Acked {
        /// Its offset.
        offset: i64,
        /// When the acknowledgement came.
        at: Micros,
    },
    /// The producer gave up on it: it may or may not be in the log.
    Unknown,
}

/// One record that was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sent {
    /// When it was handed to the client library.
    pub at: Micros,
    /// What became of it.
    pub outcome: Outcome,
}

/// All records of one run: for each partition, by sequence number.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct History {
    /// The partitions' records; the index is the sequence number.
    pub partitions: BTreeMap<i32, Vec<Sent>>,
}

/// How many records met which outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// Handed to the client library.
    pub sent: u64,
    /// Acknowledged.
    pub acked: u64,
    /// Failed, timed out or still pending.
    pub unknown: u64,
}

impl History {
    /// Notes that the next record of a partition is being sent; returns its sequence number.
    pub fn begin(&mut self, partition: i32, at: Micros) -> u64 {
        let records = self.partitions.entry(partition).or_default();
        records.push(Sent {
            at,
            outcome: Outcome::Pending,
        });
        records.len() as u64 - 1
    }

    /// Takes back the last `begin`: the record was not handed over after all.
    pub fn retract(&mut self, partition: i32) {
        if let Some(records) = self.partitions.get_mut(&partition) {
            records.pop();
        }
    }

    /// Notes what became of a record.
    pub fn finish(&mut self, partition: i32, sequence: u64, outcome: Outcome) {
        let index = usize::try_from(sequence).unwrap_or(usize::MAX);
        let records = self.partitions.get_mut(&partition);
        if let Some(sent) = records.and_then(|records| records.get_mut(index)) {
            sent.outcome = outcome;
        }
    }

    /// The sums over all partitions.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for sent in self.partitions.values().flatten() {
            totals.sent += 1;
            match sent.outcome {
                Outcome::Acked { .. } => totals.acked += 1,
                Outcome::Pending | Outcome::Unknown => totals.unknown += 1,
            }
        }
        totals
    }

    /// How many records were acknowledged from one moment up to another.
    #[must_use]
    pub fn acked_between(&self, from: Micros, to: Micros) -> u64 {
        let acked_then = |sent: &&Sent| matches!(sent.outcome, Outcome::Acked { at, .. } if (from..to).contains(&at));
        self.partitions
            .values()
            .flatten()
            .filter(acked_then)
            .count() as u64
    }

    /// The longest time between two acknowledgements of one partition, of which at least one lies
    /// from one moment up to another; `None` if there were fewer than two.
    #[must_use]
    pub fn longest_silence_between(
        &self,
        partition: i32,
        from: Micros,
        to: Micros,
    ) -> Option<Micros> {
        let acked = |sent: &Sent| match sent.outcome {
            Outcome::Acked { at, .. } => Some(at),
            Outcome::Pending | Outcome::Unknown => None,
        };
        let records = self.partitions.get(&partition)?;
        let mut acks: Vec<Micros> = records.iter().filter_map(acked).collect();
        acks.sort_unstable();
        let touches = |pair: &&[Micros]| pair[1] >= from && pair[0] < to;
        let pairs = acks.windows(2).filter(touches);
        pairs.map(|pair| pair[1] - pair[0]).max()
    }

    /// How many records the producer gave up on.
    #[must_use]
    pub fn failed(&self) -> u64 {
        let failed = |sent: &&Sent| sent.outcome == Outcome::Unknown;
        self.partitions.values().flatten().filter(failed).count() as u64
    }

    /// How long after `fault` the first record that was sent after it was acknowledged, in one
    /// partition; `None` if none was.
    #[must_use]
    pub fn gap_after(&self, partition: i32, fault: Micros) -> Option<Micros> {
        let records = self.partitions.get(&partition)?;
        // Sent in order: what was sent before the fault need not be looked at.
        let first = records.partition_point(|sent| sent.at < fault);
        let acks = records[first..]
            .iter()
            .filter_map(|sent| match sent.outcome {
                Outcome::Acked { at, .. } => Some(at),
                Outcome::Pending | Outcome::Unknown => None,
            });
        acks.min().map(|at| at.saturating_sub(fault))
    }
}

impl History {
    /// The longest time after `from` in which no record of a partition was acknowledged, up to its
    /// last acknowledgement; `None` if none came after `from`.
    #[must_use]
    pub fn longest_silence(&self, partition: i32, from: Micros) -> Option<Micros> {
        let records = self.partitions.get(&partition)?;
        let mut acks: Vec<Micros> = records
            .iter()
            .filter_map(|sent| match sent.outcome {
                Outcome::Acked { at, .. } if at >= from => Some(at),
                _ => None,
            })
            .collect();
        acks.sort_unstable();
        let before = std::iter::once(from).chain(acks.iter().copied());
        let silences = before.zip(&acks).map(|(before, at)| at - before);
        silences.max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_silence_may_lie_anywhere_after_the_beginning() {
        let mut history = History::default();
        for (sequence, at) in [100, 150, 700, 720].into_iter().enumerate() {
            history.begin(0, at - 10);
            history.finish(0, sequence as u64, Outcome::Acked { offset: 0, at });
        }
        assert_eq!(history.longest_silence(0, 0), Some(550));
        assert_eq!(history.longest_silence(0, 705), Some(15));
        assert_eq!(history.longest_silence(0, 721), None);
    }

    #[test]
    fn the_gap_counts_only_records_sent_after_the_fault() {
        let mut history = History::default();
        for at in [100, 200, 300] {
            history.begin(0, at);
        }
        history.finish(0, 0, Outcome::Acked { offset: 0, at: 260 });
        history.finish(0, 1, Outcome::Unknown);
        history.finish(0, 2, Outcome::Acked { offset: 1, at: 900 });
        assert_eq!(history.gap_after(0, 150), Some(750));
        assert_eq!(history.gap_after(0, 301), None);
        assert_eq!(
            history.totals(),
            Totals {
                sent: 3,
                acked: 2,
                unknown: 1
            }
        );
        assert_eq!(history.acked_between(0, 300), 1);
        assert_eq!(history.longest_silence_between(0, 0, 1_000), Some(640));
        assert_eq!(history.longest_silence_between(0, 901, 1_000), None);
        assert_eq!(history.failed(), 1);
    }
}
