//! What a client makes of an answer.

use bytes::Bytes;
use kintsugi_coordinator::GroupResponse;
use kintsugi_node::message::broker::MetadataView;
use kintsugi_node::message::link::AdminAnswer;
use kintsugi_node::message::shard::{Acks, Fetched, Produced};
use kintsugi_types::{ErrorCode, Offset, PartitionId, ProducerId};
use kintsugi_wire::batch::BatchHeader;

use super::member::After;
use super::{Client, Job, Phase};
use crate::fabric::Fabric;
use crate::happening::Answer;
use crate::mover::REST_MS;
use crate::oracle::Value;
use crate::place::machine_of;

impl Client {
    pub(super) fn answered(&mut self, fabric: &mut Fabric, answer: Answer) {
        match answer {
            Answer::Metadata(view) => self.told(fabric, &view),
            Answer::Admin(answer) => self.created(fabric, &answer),
            Answer::ProducerId(result) => self.given_id(fabric, result),
            Answer::Produced(produced) => self.produced(fabric, &produced),
            Answer::Fetched(fetched) => self.fetched(fabric, &fetched),
            Answer::Group(response) => self.coordinated(fabric, &response),
        }
    }

    fn coordinated(&mut self, fabric: &mut Fabric, response: &GroupResponse) {
        let Job::Join(member) = &mut self.job else {
            return;
        };
        match member.answered(fabric, self.index, response) {
            After::Soon => self.rest(fabric, 1..40),
            After::AskWho => self.retry(fabric),
        }
    }

    fn told(&mut self, fabric: &mut Fabric, view: &MetadataView) {
        if let Job::Join(member) = &mut self.job {
            member.told(view);
            return self.rest(fabric, 0..30);
        }
        let image = &view.image;
        let topic = image.topic_named(&self.topic);
        let state = topic.and_then(|topic| topic.partitions.get(&self.partition));
        let leader = state.and_then(|state| state.leader);
        let leader = leader.filter(|leader| !view.suspects.contains(leader));
        match (topic, state, leader) {
            (Some(topic), Some(state), Some(leader)) => {
                let id = PartitionId {
                    topic: topic.id,
                    index: self.partition,
                };
                if self
                    .of_topic
                    .replace(topic.id)
                    .is_some_and(|old| old != topic.id)
                {
                    // It was deleted and created again: nothing of the old one is left.
                    self.offset = Offset::ZERO;
                    self.batch = None;
                    self.numbering.end();
                }
                self.known = Some((id, machine_of(image, leader), state.leader_epoch));
                self.rest(fabric, 0..2);
                if self.is_asking_round() {
                    let asked = self.stream.map(|(_, broker)| broker);
                    let wanted = fabric.machines[self.named_by];
                    self.named_by += usize::from(asked == Some(wanted));
                }
                if self.is_asking_round() {
                    self.known = None;
                }
            }
            _ => self.retry(fabric),
        }
    }

    fn created(&mut self, fabric: &mut Fabric, answer: &AdminAnswer) {
        let is_there = |error| {
            matches!(
                error,
                ErrorCode::None
                    | ErrorCode::TopicAlreadyExists
                    | ErrorCode::UnknownTopicOrPartition
            )
        };
        match answer {
            AdminAnswer::Topics(results)
                if results.iter().all(|r| is_there(r.error))
                    && matches!(self.job, Job::Churn { .. } | Job::Join(_)) =>
            {
                self.churned(fabric);
            }
            AdminAnswer::Topics(results) if results.iter().all(|r| is_there(r.error)) => {
                fabric.counts.topics_created += 1;
                self.phase = Phase::Done;
                self.hang_up(fabric);
            }
            AdminAnswer::Results(results) => {
                let begun = results.iter().filter(|result| result.error.is_none());
                fabric.counts.moves += u64::try_from(begun.count()).unwrap_or(0);
                self.rest(fabric, REST_MS);
            }
            _ => self.retry(fabric),
        }
    }

    /// A topic was created, or deleted, of which that is done again and again.
    fn churned(&mut self, fabric: &mut Fabric) {
        if let Job::Churn { deletes, .. } = &mut self.job {
            fabric.counts.topics_created += u64::from(!*deletes);
            fabric.counts.topics_deleted += u64::from(*deletes);
            if self.stopping && !*deletes {
                self.phase = Phase::Done;
                return self.hang_up(fabric);
            }
            *deletes = !*deletes;
        }
        self.retry(fabric);
        if matches!(self.job, Job::Churn { .. }) {
            self.rest(fabric, 500..8_000);
        }
    }

    fn given_id(&mut self, fabric: &mut Fabric, result: Result<ProducerId, ErrorCode>) {
        match result {
            Ok(id) => {
                self.numbering.begin(id);
                self.rest(fabric, 0..2);
            }
            Err(_) => self.retry(fabric),
        }
    }

    fn produced(&mut self, fabric: &mut Fabric, produced: &Produced) {
        let is_numbered = matches!(self.job, Job::ProduceNumbered);
        if produced.error.is_none() {
            let (partition, base) = (produced.partition, produced.base_offset);
            if self.acks() == Some(Acks::All) {
                let history = &mut fabric.oracles.history;
                let result = history.acknowledged(self.index, partition, base, &self.values);
                fabric.oracles.check_history(partition, result);
            }
            if let Some(batch) = self.batch.take().filter(|_| is_numbered) {
                self.numbering.acknowledged();
                fabric.oracles.told_offset(partition, base, &batch);
            }
            self.rest(fabric, 5..200);
            return;
        }
        fabric.counts.produce_errors += 1;
        if is_numbered && self.numbering.refused(produced.error) {
            // The batch is given up: its numbers are of the id that is.
            fabric.oracles.out_of_sequence(produced.partition);
            self.numbering.end();
            self.batch = None;
        }
        self.retry(fabric);
    }

    fn fetched(&mut self, fabric: &mut Fabric, fetched: &Fetched) {
        let position = match &self.job {
            Job::Join(member) => member.polls(),
            _ => Some(self.offset),
        };
        let Some(position) = position else {
            return self.retry(fabric);
        };
        match fetched.error {
            ErrorCode::None => {
                let (records, next) = read_all(&fetched.batches);
                let next = next.unwrap_or(position).max(position);
                let history = &mut fabric.oracles.history;
                let result = history.polled(self.index, fetched.partition, position, &records);
                fabric.oracles.check_history(fetched.partition, result);
                if let Job::Join(member) = &mut self.job {
                    member.read_up_to(fabric, Some(next));
                } else {
                    self.offset = next;
                }
                self.rest(fabric, 0..20);
            }
            ErrorCode::OffsetOutOfRange => {
                fabric.oracles.out_of_range(fetched.partition, position);
                fabric.oracles.history.sought(self.index);
                if let Job::Join(member) = &mut self.job {
                    member.read_up_to(fabric, None);
                }
                self.offset = Offset::ZERO;
                self.retry(fabric);
            }
            _ => self.retry(fabric),
        }
    }
}

/// The records of some batches, and the offset after the last.
fn read_all(batches: &Bytes) -> (Vec<(Offset, Value)>, Option<Offset>) {
    let (mut records, mut next, mut at) = (Vec::new(), None, 0);
    while let Ok(header) = BatchHeader::parse(&batches[at..]) {
        let end = at + header.size_bytes();
        if end > batches.len() {
            break;
        }
        let read = kintsugi_wire::records::read(&batches.slice(at..end));
        for record in read.into_iter().flatten().flatten() {
            let value = record.record.value.as_deref().unwrap_or_default();
            records.push((record.offset, Value::of(value)));
        }
        next = Some(header.next_offset());
        at = end;
    }
    (records, next)
}
