//! Clients: each produces numbered records to one partition, idempotently or not, or reads one
//! from its start, or creates a topic, or is a member of a consumer group. They go by metadata that may be stale, and try again.
//!
//! When nothing new is produced any more, consumers ask every broker who leads, one after the
//! other: each must name the leader in the end.

mod group_requests;
mod member;
mod numbering;

use std::time::Duration;

use bytes::Bytes;
use kintsugi_coordinator::GroupResponse;
use kintsugi_node::message::broker::MetadataView;
use kintsugi_node::message::link::{AdminAnswer, AdminRequest, NewTopic};
use kintsugi_node::message::shard::{Acks, Fetched, Produced};
use kintsugi_types::{
    ErrorCode, LeaderEpoch, Offset, PartitionId, PartitionIndex, ProducerId, Time, TimestampMs,
    TopicId, TopicName,
};
use kintsugi_wire::batch::BatchHeader;
use kintsugi_wire::records::{BatchOptions, Record, build_with};

use crate::fabric::Fabric;
use crate::happening::{Answer, Ask, Frame, Input};
use crate::mover::{REST_MS, draw_move};
use crate::oracle::Value;
use crate::place::{Loop, Node, machine_of};
use crate::stream::{Purpose, StreamId};
use crate::timer::Timer;
pub(crate) use member::Member;
use member::{After, Next};
use numbering::Numbering;

/// A client gives an answer up after this.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(3_500);

/// What a client does.
#[derive(Clone, Debug)]
pub(crate) enum Job {
    Produce(Acks),
    /// As an idempotent producer, with acks=all.
    ProduceNumbered,
    Consume,
    Create {
        partitions: i32,
    },
    /// Deletes its topic and creates it again, over and over.
    Churn {
        partitions: i32,
        deletes: bool,
    },
    /// As a member of a consumer group.
    Join(Box<Member>),
    /// Moves partitions.
    Move {
        partitions: i32,
    },
}

/// Where it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// It does nothing until then.
    Resting(Time),
    /// It waits for a dial or an answer until then.
    Asked(Time),
    /// It has done all that it had to.
    Done,
}

/// One client.
pub(crate) struct Client {
    index: usize,
    brokers: usize,
    job: Job,
    topic: TopicName,
    partition: PartitionIndex,
    phase: Phase,
    timer: Timer,
    stream: Option<(StreamId, usize)>,
    is_open: bool,
    /// The partition, its leader's machine and epoch, as last told.
    known: Option<(PartitionId, usize, LeaderEpoch)>,
    number: u64,
    batch: Option<Bytes>,
    /// The values in that batch.
    values: Vec<Value>,
    numbering: Numbering,
    offset: Offset,
    of_topic: Option<TopicId>,
    stopping: bool,
    /// How many brokers have named the leader since nothing new is produced.
    named_by: usize,
}

impl Client {
    pub(crate) fn new(
        index: usize,
        brokers: usize,
        job: Job,
        topic: TopicName,
        partition: i32,
        start: Time,
    ) -> Self {
        Self {
            index,
            brokers,
            job,
            topic,
            partition: PartitionIndex(partition),
            phase: Phase::Resting(start),
            timer: Timer::default(),
            stream: None,
            is_open: false,
            known: None,
            number: 0,
            batch: None,
            values: Vec::new(),
            numbering: Numbering::default(),
            offset: Offset::ZERO,
            of_topic: None,
            stopping: false,
            named_by: 0,
        }
    }

    /// No new records from now on.
    pub(crate) fn stop(&mut self) {
        self.stopping = true;
        if self.is_asking_round() {
            self.known = None;
        }
        if let Job::Join(member) = &mut self.job {
            member.rounds_after_stop = 0;
        }
    }

    /// Whether it still has to hear from some brokers who leads.
    fn is_asking_round(&self) -> bool {
        self.stopping && matches!(self.job, Job::Consume) && self.named_by < self.brokers
    }

    /// Whom it waits for, as an error message.
    pub(crate) fn is_waiting_for(&self) -> String {
        let (index, topic, partition) = (self.index, &self.topic, self.partition);
        if self.is_asking_round() {
            let broker = self.named_by;
            return format!("broker {broker} does not name the leader of {topic}-{partition}");
        }
        format!("client {index} of {topic}-{partition} waits for an answer")
    }

    const fn acks(&self) -> Option<Acks> {
        match self.job {
            Job::Produce(acks) => Some(acks),
            Job::ProduceNumbered => Some(Acks::All),
            _ => None,
        }
    }

    /// Whether it has an answer to all that it asked for.
    pub(crate) fn is_content(&self) -> bool {
        match &self.job {
            Job::Produce(_) | Job::ProduceNumbered => self.batch.is_none(),
            Job::Consume => !self.is_asking_round(),
            Job::Create { .. } | Job::Churn { .. } => self.phase == Phase::Done,
            Job::Join(member) => self.stopping && member.rounds_after_stop > 1,
            Job::Move { .. } => true,
        }
    }

    /// The offset up to which it has read.
    pub(crate) const fn position(&self) -> Option<(Option<PartitionId>, Offset)> {
        match (&self.job, &self.known) {
            (Job::Consume, Some((partition, ..))) => Some((Some(*partition), self.offset)),
            (Job::Consume, None) => Some((None, self.offset)),
            _ => None,
        }
    }

    const fn place(&self) -> Node {
        Node::Client(self.index)
    }

    pub(crate) fn input(&mut self, fabric: &mut Fabric, input: Input) {
        match input {
            Input::Wake(_) if self.timer.fired(fabric.now) => self.wake(fabric),
            Input::Opened(stream) if self.is_mine(stream) => {
                self.is_open = true;
                self.ask(fabric);
            }
            Input::DialFailed { stream, .. } if self.is_mine(stream) => {
                self.stream = None;
                self.retry(fabric);
            }
            Input::Frame { stream, frame } if self.is_mine(stream) => match frame {
                Frame::Answer(answer) => self.answered(fabric, answer),
                Frame::Close => {
                    self.stream = None;
                    self.retry(fabric);
                }
                _ => {}
            },
            _ => {}
        }
        self.arm(fabric);
    }

    pub(crate) fn arm(&mut self, fabric: &mut Fabric) {
        let next = match self.phase {
            Phase::Resting(until) | Phase::Asked(until) => until,
            Phase::Done => Time::NEVER,
        };
        let which = (self.place(), 0, Loop::Main);
        self.timer.arm(fabric, next, None, which);
    }

    fn is_mine(&self, stream: StreamId) -> bool {
        self.stream.is_some_and(|(mine, _)| mine == stream)
    }

    fn wake(&mut self, fabric: &mut Fabric) {
        match self.phase {
            Phase::Resting(until) if fabric.now >= until => self.begin(fabric),
            Phase::Asked(until) if fabric.now >= until => {
                fabric.counts.client_timeouts += 1;
                self.hang_up(fabric);
                self.retry(fabric);
            }
            _ => {}
        }
    }

    fn hang_up(&mut self, fabric: &mut Fabric) {
        if let Some((stream, _)) = self.stream.take() {
            fabric.close(stream, self.place(), 0);
        }
    }

    /// After a failure: ask anew who leads, after a while.
    fn retry(&mut self, fabric: &mut Fabric) {
        self.known = None;
        if let Job::Join(member) = &mut self.job {
            member.forget_leaders();
        }
        self.rest(fabric, 20..250);
    }

    fn rest(&mut self, fabric: &mut Fabric, millis: std::ops::Range<u64>) {
        let delay = Duration::from_millis(fabric.rng.u64(millis));
        self.phase = Phase::Resting(fabric.now + delay);
    }

    fn begin(&mut self, fabric: &mut Fabric) {
        let moves = matches!(self.job, Job::Move { .. });
        if self.stopping && moves {
            self.phase = Phase::Done;
            return;
        }
        if self.stopping && self.batch.is_none() && self.acks().is_some() {
            self.phase = Phase::Resting(fabric.now + Duration::from_millis(500));
            return;
        }
        let any = fabric.machines[fabric.rng.usize(..self.brokers)];
        let of_member = match &mut self.job {
            Job::Join(member) => Some(member.next(fabric)),
            _ => None,
        };
        let target = match self.known {
            _ if of_member.is_some() => match &of_member {
                Some(Next::Ask(machine, _)) => *machine,
                _ => any,
            },
            Some((_, machine, _)) => machine,
            None if self.is_asking_round() => fabric.machines[self.named_by],
            None => any,
        };
        self.phase = Phase::Asked(fabric.now + ANSWER_TIMEOUT);
        if self.stream.is_some_and(|(_, broker)| broker == target) {
            if self.is_open {
                self.ask(fabric);
            }
            return;
        }
        self.hang_up(fabric);
        self.is_open = false;
        let stream = fabric.dial(self.place(), 0, Node::Broker(target), Purpose::Client);
        self.stream = Some((stream, target));
    }

    fn ask(&mut self, fabric: &mut Fabric) {
        let Some((stream, _)) = self.stream else {
            return;
        };
        let of_member = match &mut self.job {
            Job::Join(member) => Some(member.next(fabric)),
            _ => None,
        };
        let ask = match (&self.job, self.known) {
            (Job::Join(_), _) => match of_member {
                Some(Next::Ask(_, ask)) => *ask,
                Some(Next::CreateOffsets) => Ask::Admin(create_offsets()),
                Some(Next::Metadata) | None => Ask::Metadata(self.topic.clone()),
            },
            (Job::Churn { deletes: true, .. }, _) => {
                let topics = vec![self.topic.clone()];
                Ask::Admin(AdminRequest::DeleteTopics { topics })
            }
            (Job::Create { partitions } | Job::Churn { partitions, .. }, _) => {
                Ask::Admin(create(&self.topic, *partitions))
            }
            (Job::Move { partitions }, _) => {
                let (brokers, partitions) = (self.brokers, *partitions);
                let rng = &mut fabric.rng;
                Ask::Admin(draw_move(rng, brokers, &self.topic, partitions))
            }
            (_, None) => Ask::Metadata(self.topic.clone()),
            (Job::ProduceNumbered, Some(_)) if !self.numbering.has_id() => Ask::ProducerId,
            (Job::Produce(_) | Job::ProduceNumbered, Some((partition, ..))) => {
                let acks = self.acks().unwrap_or(Acks::All);
                let batch = self.batch(fabric, partition);
                Ask::Produce {
                    partition,
                    acks,
                    batch,
                }
            }
            (Job::Consume, Some((partition, _, leader_epoch))) => Ask::Fetch {
                partition,
                leader_epoch,
                offset: self.offset,
            },
        };
        let is_unanswered = matches!(
            ask,
            Ask::Produce {
                acks: Acks::None,
                ..
            }
        );
        if let (Job::Join(member), Ask::Group { .. }) = (&self.job, &ask) {
            member.sent(fabric);
        }
        fabric.send(stream, self.place(), 0, Frame::Ask(ask));
        self.phase = Phase::Asked(fabric.now + ANSWER_TIMEOUT);
        if is_unanswered {
            self.batch = None;
            self.rest(fabric, 5..200);
        }
    }

    /// The batch that is being sent, or the next one.
    fn batch(&mut self, fabric: &mut Fabric, partition: PartitionId) -> Bytes {
        if let Some(batch) = &self.batch {
            return batch.clone();
        }
        let count = fabric.rng.i32(1..4);
        let after = 0..u64::from(count.unsigned_abs());
        let records: Vec<Record> = after.map(|n| self.record(fabric, n)).collect();
        let values = records.iter().filter_map(|record| record.value.as_deref());
        self.values = values.map(Value::of).collect();
        if matches!(self.job, Job::ProduceNumbered) {
            fabric
                .oracles
                .history
                .will_send(self.values.iter().copied());
        }
        self.number += u64::from(count.unsigned_abs());
        let options = match self.job {
            Job::ProduceNumbered => self.numbering.number(count),
            _ => BatchOptions::default(),
        };
        let batch = build_with(options, &records).expect("a few small records fit");
        fabric.oracles.sent(partition, &batch);
        fabric.counts.batches_sent += 1;
        self.batch = Some(batch.clone());
        batch
    }

    fn record(&self, fabric: &Fabric, after: u64) -> Record {
        let value = format!("client {} record {}", self.index, self.number + after);
        Record {
            timestamp: TimestampMs(i64::try_from(fabric.now.as_millis()).unwrap_or(0)),
            key: None,
            value: Some(value.into_bytes().into()),
            headers: Vec::new(),
        }
    }

    fn answered(&mut self, fabric: &mut Fabric, answer: Answer) {
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

fn create_offsets() -> AdminRequest {
    let name = kintsugi_coordinator::TOPIC_NAME.parse();
    create(&name.expect("a legal name"), member::OFFSETS_PARTITIONS)
}

fn create(name: &TopicName, partitions: i32) -> AdminRequest {
    AdminRequest::CreateTopics {
        topics: vec![NewTopic {
            name: name.clone(),
            partitions: Some(partitions),
            replication_factor: None,
            assignments: std::collections::BTreeMap::new(),
            configs: std::collections::BTreeMap::new(),
        }],
        validate_only: false,
    }
}
