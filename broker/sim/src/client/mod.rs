//! Clients: each produces numbered records to one partition, idempotently or not, or reads one
//! from its start, or creates a topic, or is a member of a consumer group. They go by metadata that may be stale, and try again.
//!
//! When nothing new is produced any more, consumers ask every broker who leads, one after the
//! other: each must name the leader in the end.

mod answers;
mod group_requests;
mod member;
mod numbering;

use std::time::Duration;

use bytes::Bytes;
use kintsugi_node::message::link::{AdminRequest, NewTopic};
use kintsugi_node::message::shard::Acks;
use kintsugi_types::{
    LeaderEpoch, Offset, PartitionId, PartitionIndex, Time, TimestampMs, TopicId, TopicName,
};
use kintsugi_wire::records::{BatchOptions, Record, build_with};

use crate::fabric::Fabric;
use crate::happening::{Ask, Frame, Input};
use crate::mover::draw_move;
use crate::oracle::Value;
use crate::place::{Loop, Node};
use crate::stream::{Purpose, StreamId};
use crate::timer::Timer;
pub(crate) use member::Member;
use member::Next;
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
