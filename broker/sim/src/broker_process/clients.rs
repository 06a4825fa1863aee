//! Clients' connections: requests to the loops, answers back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kintsugi_coordinator::GroupResponse;
use kintsugi_node::message::broker::{Event, MetadataView};
use kintsugi_node::message::link::AdminAnswer;
use kintsugi_node::message::shard::{self, ClientPosition, Fetched, Produced, Token};
use kintsugi_types::{ErrorCode, LeaderEpoch, Offset, PartitionId, ProducerId};

use super::{BrokerProcess, Use};
use crate::fabric::Fabric;
use crate::happening::{Answer, Ask, Frame};
use crate::stream::StreamId;

/// How long a produce or an admin request may wait in the cluster.
const WAIT_MS: u32 = 3_000;

/// How long a fetch may be held.
const FETCH_WAIT_MS: u32 = 300;

/// How much a fetch may bring.
const FETCH_BYTES_MAX: u32 = 4_000;

/// Where an answer goes.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) stream: StreamId,
    shard: u16,
    /// An acks=all produce: what is promised when it is answered.
    promise: Option<PartitionId>,
}

/// Requests that wait for an answer.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    last: u64,
    replies: BTreeMap<u64, Reply>,
}

impl Waiting {
    pub(super) fn add(&mut self, stream: StreamId, shard: u16) -> u64 {
        self.last += 1;
        let reply = Reply {
            stream,
            shard,
            promise: None,
        };
        self.replies.insert(self.last, reply);
        self.last
    }

    pub(super) fn take(&mut self, token: u64) -> Option<Reply> {
        self.replies.remove(&token)
    }
}

impl BrokerProcess {
    pub(super) fn client_asks(&mut self, fabric: &mut Fabric, stream: StreamId, ask: Ask) {
        if self.uses.get(&stream) != Some(&Use::Client) || !self.control.is_ready() {
            // Held until ready in the process; the client's time-out stands for that here.
            return;
        }
        let shards = u16::try_from(self.shards.len()).unwrap_or(1);
        match ask {
            Ask::Metadata(topic) => {
                let token = self.waiting.add(stream, 0);
                let topics = Some(vec![topic]);
                self.handle(fabric, Event::Metadata { token, topics });
            }
            Ask::Admin(request) => {
                let token = self.waiting.add(stream, 0);
                let deadline = self.now(fabric) + Duration::from_millis(WAIT_MS.into());
                let event = Event::Admin {
                    token,
                    request,
                    deadline,
                };
                self.handle(fabric, event);
            }
            Ask::ProducerId => {
                let token = self.waiting.add(stream, 0);
                let deadline = self.now(fabric) + Duration::from_millis(WAIT_MS.into());
                self.handle(fabric, Event::ProducerId { token, deadline });
            }
            Ask::Produce {
                partition,
                acks,
                batch,
            } => {
                let number = partition.shard_of(shards);
                let token = self.expect_ack(stream, number, partition, acks);
                let produce = shard::Produce {
                    token: Token(token),
                    acks,
                    timeout_ms: WAIT_MS,
                    batches: vec![(partition, batch)],
                };
                self.pass_to_shard(fabric, number, shard::Event::Produce(produce));
            }
            Ask::Group {
                partition,
                version,
                request,
            } => {
                let number = partition.shard_of(shards);
                let token = Token(self.waiting.add(stream, number));
                let ask = shard::GroupAsk {
                    token,
                    partition,
                    version,
                    client: kintsugi_coordinator::Client::default(),
                    request,
                };
                self.pass_to_shard(fabric, number, shard::Event::Group(Box::new(ask)));
            }
            Ask::Fetch {
                partition,
                leader_epoch,
                offset,
            } => {
                let number = partition.shard_of(shards);
                let token = Token(self.waiting.add(stream, number));
                let fetch = fetch(token, partition, leader_epoch, offset);
                self.pass_to_shard(fabric, number, shard::Event::Fetch(fetch));
            }
        }
    }

    /// The token of a produce, whose answer is kept for the client only where there is one.
    fn expect_ack(
        &mut self,
        stream: StreamId,
        number: u16,
        partition: PartitionId,
        acks: shard::Acks,
    ) -> u64 {
        let token = self.waiting.add(stream, number);
        if acks == shard::Acks::None {
            self.waiting.take(token);
        } else if acks == shard::Acks::All
            && let Some(reply) = self.waiting.replies.get_mut(&token)
        {
            reply.promise = Some(partition);
        }
        token
    }

    /// A connection is gone: nobody waits for its answers.
    pub(super) fn asker_gone(&mut self, fabric: &mut Fabric, stream: StreamId) {
        let replies = self.waiting.replies.iter();
        let gone = replies.filter(|(_, reply)| reply.stream == stream);
        let gone: Vec<(u64, u16)> = gone.map(|(token, reply)| (*token, reply.shard)).collect();
        for (token, number) in gone {
            self.waiting.take(token);
            let token = Token(token);
            self.pass_to_shard(fabric, number, shard::Event::Cancel { token });
        }
    }

    /// The lease is over: clients' connections are closed.
    pub(super) fn let_clients_go(&mut self, fabric: &mut Fabric) {
        let clients = self.uses.iter().filter(|(_, what)| **what == Use::Client);
        let clients: Vec<StreamId> = clients.map(|(stream, _)| *stream).collect();
        for stream in clients {
            self.uses.remove(&stream);
            fabric.close(stream, self.place(), self.life);
            self.asker_gone(fabric, stream);
        }
    }

    fn answer(&mut self, fabric: &mut Fabric, token: u64, answer: Answer) {
        if let Some(reply) = self.waiting.take(token) {
            let (place, life) = (self.place(), self.life);
            fabric.send(reply.stream, place, life, Frame::Answer(answer));
        }
    }

    pub(super) fn answer_metadata(
        &mut self,
        fabric: &mut Fabric,
        token: u64,
        view: Arc<MetadataView>,
    ) {
        self.answer(fabric, token, Answer::Metadata(view));
    }

    pub(super) fn answer_group(
        &mut self,
        fabric: &mut Fabric,
        token: Token,
        response: GroupResponse,
    ) {
        self.answer(fabric, token.0, Answer::Group(response));
    }

    pub(super) fn answer_admin(&mut self, fabric: &mut Fabric, token: u64, answer: AdminAnswer) {
        self.answer(fabric, token, Answer::Admin(answer));
    }

    pub(super) fn answer_producer_id(
        &mut self,
        fabric: &mut Fabric,
        token: u64,
        result: Result<ProducerId, ErrorCode>,
    ) {
        if let Ok(id) = result {
            fabric.oracles.producer_id_given(id);
        }
        self.answer(fabric, token, Answer::ProducerId(result));
    }

    pub(super) fn answer_produce(
        &mut self,
        fabric: &mut Fabric,
        token: Token,
        results: Vec<Produced>,
    ) {
        let promise = self.waiting.replies.get(&token.0).and_then(|r| r.promise);
        for result in results {
            if promise == Some(result.partition) && result.error.is_none() {
                let (partition, offset) = (result.partition, result.base_offset);
                let shard = self
                    .shards
                    .iter()
                    .find_map(|s| s.node.leader_epoch(partition));
                let epoch = shard.unwrap_or(LeaderEpoch::UNKNOWN);
                fabric
                    .oracles
                    .acknowledged(self.index, partition, epoch, offset);
                fabric.counts.acknowledged += 1;
            }
            self.answer(fabric, token.0, Answer::Produced(result));
        }
    }

    pub(super) fn answer_fetch(
        &mut self,
        fabric: &mut Fabric,
        token: Token,
        results: Vec<Fetched>,
    ) {
        for result in results {
            if result.error.is_none() {
                let (partition, batches) = (result.partition, &result.batches);
                fabric.oracles.read(self.index, partition, batches);
            }
            self.answer(fabric, token.0, Answer::Fetched(result));
        }
    }
}

fn fetch(
    token: Token,
    partition: PartitionId,
    leader_epoch: LeaderEpoch,
    offset: Offset,
) -> shard::Fetch {
    let position = ClientPosition {
        partition,
        leader_epoch,
        offset,
        max_bytes: FETCH_BYTES_MAX,
    };
    shard::Fetch {
        token,
        positions: vec![position],
        min_bytes: 1,
        max_bytes: FETCH_BYTES_MAX,
        max_wait_ms: FETCH_WAIT_MS,
    }
}
