//! What clients themselves saw, judged by the rules of Jepsen's test of Kafka.
//!
//! Source: jepsen.tests.kafka (jepsen-io/jepsen), whose names are kept: inconsistent-offsets,
//! duplicate, lost-write, unseen, nonmonotonic-send, nonmonotonic-poll, poll-skip, and the last two
//! within one poll (int-). What needs transactions (aborted reads, cycles) does not come up. A
//! partition of which losses of power took something that was promised is judged no more: clients
//! cannot know that they were excused.

use std::collections::{BTreeMap, BTreeSet};

use kintsugi_types::{Offset, PartitionId};

use crate::trace::mix_bytes;

/// One record as clients tell it apart: a hash of its value, which no other record has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Value(u64);

impl Value {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(mix_bytes(0, bytes))
    }
}

/// What is known of one partition.
#[derive(Default)]
struct Partition {
    /// Which record is at an offset, by acknowledgements to acks=all producers and by polls.
    at: BTreeMap<Offset, Value>,
    /// Where idempotent producers' records are.
    numbered: BTreeMap<Value, Offset>,
    /// Offsets acknowledged to acks=all producers.
    acknowledged: BTreeSet<Offset>,
    polled: BTreeSet<Offset>,
    /// The last offset acknowledged to each producer.
    sent: BTreeMap<usize, Offset>,
    /// The last offset that each consumer read.
    read: BTreeMap<usize, Offset>,
}

/// What all clients saw.
#[derive(Default)]
pub(crate) struct History {
    partitions: BTreeMap<PartitionId, Partition>,
    /// Values that idempotent producers sent.
    numbered: BTreeSet<Value>,
}

impl History {
    /// An idempotent producer is about to send these.
    pub(crate) fn will_send(&mut self, values: impl Iterator<Item = Value>) {
        self.numbered.extend(values);
    }

    /// An acks=all producer was told that its records begin at this offset.
    pub(crate) fn acknowledged(
        &mut self,
        client: usize,
        id: PartitionId,
        base: Offset,
        values: &[Value],
    ) -> Result<(), String> {
        let numbered = &self.numbered;
        let partition = self.partitions.entry(id).or_default();
        if let Some(last) = partition.sent.get(&client)
            && *last >= base
        {
            return Err(format!(
                "nonmonotonic-send: client {client} was told {base} in {id} after {last}"
            ));
        }
        for (offset, value) in (base.0..).map(Offset).zip(values) {
            partition.place(id, offset, *value, numbered)?;
            partition.acknowledged.insert(offset);
            partition.sent.insert(client, offset);
        }
        Ok(())
    }

    /// A consumer that asked from `position` was given these.
    pub(crate) fn polled(
        &mut self,
        client: usize,
        id: PartitionId,
        position: Offset,
        records: &[(Offset, Value)],
    ) -> Result<(), String> {
        let numbered = &self.numbered;
        let partition = self.partitions.entry(id).or_default();
        let mut last = None;
        for (offset, value) in records.iter().filter(|(offset, _)| *offset >= position) {
            partition.place(id, *offset, *value, numbered)?;
            let expected = last.map_or(position, |last: Offset| last.plus(1));
            let which = if last.is_some() { "int-" } else { "" };
            if last.is_some_and(|last| *offset <= last) {
                return Err(format!(
                    "int-nonmonotonic-poll: client {client} got {offset} of {id} after {last:?} in one poll"
                ));
            }
            if let Some((skipped, _)) = partition.at.range(expected..*offset).next() {
                return Err(format!(
                    "{which}poll-skip: client {client} at {expected} of {id} got {offset}, though {skipped} is there"
                ));
            }
            last = Some(*offset);
        }
        if let (Some(before), Some((first, _))) = (
            partition.read.get(&client),
            records.first().filter(|_| last.is_some()),
        ) && position <= *before
        {
            return Err(format!(
                "nonmonotonic-poll: client {client} polls {id} from {position}, and gets {first}, after {before}"
            ));
        }
        partition
            .polled
            .extend(records.iter().map(|(offset, _)| *offset));
        if let Some(last) = last {
            partition.read.insert(client, last);
        }
        Ok(())
    }

    /// A consumer goes on from elsewhere by its own will.
    pub(crate) fn sought(&mut self, client: usize) {
        for partition in self.partitions.values_mut() {
            partition.read.remove(&client);
        }
    }

    /// At the end, when consumers have read everything.
    pub(super) fn check_all_seen(&self, id: PartitionId) -> Result<(), String> {
        let Some(partition) = self.partitions.get(&id) else {
            return Ok(());
        };
        let mut unseen = partition.acknowledged.difference(&partition.polled);
        let Some(first) = unseen.next() else {
            return Ok(());
        };
        let is_lost = partition.polled.last().is_some_and(|last| last > first);
        let which = if is_lost { "lost-write" } else { "unseen" };
        Err(format!(
            "{which}: offset {first} of {id} was acknowledged, and no consumer ever got it"
        ))
    }
}

impl Partition {
    /// A record is at an offset: there is no other, and it is nowhere else.
    fn place(
        &mut self,
        id: PartitionId,
        offset: Offset,
        value: Value,
        numbered: &BTreeSet<Value>,
    ) -> Result<(), String> {
        let first = *self.at.entry(offset).or_insert(value);
        if first != value {
            return Err(format!(
                "inconsistent-offsets: clients saw two records at {offset} of {id}"
            ));
        }
        if !numbered.contains(&value) {
            return Ok(());
        }
        match self.numbered.insert(value, offset) {
            Some(other) if other != offset => Err(format!(
                "duplicate: a record of an idempotent producer is at {other} and at {offset} of {id}"
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use kintsugi_types::{PartitionIndex, TopicId};
    use uuid::Uuid;

    use super::*;

    const ID: PartitionId = PartitionId {
        topic: TopicId(Uuid::from_u128(1)),
        index: PartitionIndex(0),
    };

    fn records(pairs: &[(i64, u64)]) -> Vec<(Offset, Value)> {
        let record = |(offset, value): &(i64, u64)| (Offset(*offset), Value(*value));
        pairs.iter().map(record).collect()
    }

    fn poll(history: &mut History, client: usize, from: i64, pairs: &[(i64, u64)]) -> String {
        let result = history.polled(client, ID, Offset(from), &records(pairs));
        result.err().unwrap_or_default()
    }

    #[test]
    fn an_ordinary_history_is_accepted() {
        let mut history = History::default();
        history.will_send([Value(1), Value(2)].into_iter());
        history.acknowledged(0, ID, Offset(0), &[Value(1)]).unwrap();
        history.acknowledged(0, ID, Offset(1), &[Value(2)]).unwrap();
        assert_eq!(poll(&mut history, 1, 0, &[(0, 1), (1, 2)]), "");
        // A compacted or cut batch may begin before the position.
        assert_eq!(poll(&mut history, 2, 1, &[(0, 1), (1, 2)]), "");
        assert_eq!(history.check_all_seen(ID), Ok(()));
    }

    #[test]
    fn each_rule_finds_its_anomaly() {
        let mut history = History::default();
        history.will_send([Value(1)].into_iter());
        history.acknowledged(0, ID, Offset(5), &[Value(1)]).unwrap();
        let again = history.acknowledged(0, ID, Offset(5), &[Value(1)]);
        assert!(again.unwrap_err().starts_with("nonmonotonic-send"));
        let unseen = history.check_all_seen(ID).unwrap_err();
        assert!(unseen.starts_with("unseen"), "{unseen}");
        let skip = poll(&mut history, 1, 4, &[(6, 2)]);
        assert!(skip.starts_with("poll-skip"), "{skip}");
        let lost = history.check_all_seen(ID).unwrap_err();
        assert!(lost.starts_with("unseen"), "{lost}");
        let other = poll(&mut history, 1, 5, &[(5, 9)]);
        assert!(other.starts_with("inconsistent-offsets"), "{other}");
        let twice = poll(&mut history, 1, 6, &[(7, 1)]);
        assert!(twice.starts_with("duplicate"), "{twice}");
        assert_eq!(poll(&mut history, 2, 8, &[(8, 3), (9, 4)]), "");
        let lost = history.check_all_seen(ID).unwrap_err();
        assert!(lost.starts_with("lost-write"), "{lost}");
        let back = poll(&mut history, 2, 8, &[(8, 3)]);
        assert!(back.starts_with("nonmonotonic-poll"), "{back}");
        let jump = poll(&mut history, 3, 8, &[(9, 4), (8, 3)]);
        assert!(jump.starts_with("poll-skip"), "{jump}");
    }
}
