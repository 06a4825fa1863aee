//! Fetches to leaders, and of followers: one connection for each pair of shards and class.

use kintsugi_node::message::broker::{Event, Evidence};
use kintsugi_node::message::replication::{FetchClass, FetchRequest, FetchResponse};
use kintsugi_node::message::shard;
use kintsugi_types::{BrokerId, Endpoint};

use super::{BrokerProcess, Use};
use crate::fabric::Fabric;
use crate::happening::{Frame, Input};
use crate::place::{Loop, Node};
use crate::stream::{Purpose, StreamId};

/// This broker's shard, the leader, its shard, and which session with it.
pub(super) type FetcherKey = (u16, BrokerId, u16, FetchClass);

/// One connection to a leader's shard.
pub(super) struct Fetching {
    stream: StreamId,
    is_open: bool,
    /// Waits for the connection.
    unsent: Option<FetchRequest>,
    in_flight: bool,
}

impl BrokerProcess {
    pub(super) fn fetch(
        &mut self,
        fabric: &mut Fabric,
        number: u16,
        leader: BrokerId,
        endpoint: &Endpoint,
        request: FetchRequest,
    ) {
        let (place, life) = (self.place(), self.life);
        let key = (number, leader, request.leader_shard, request.class);
        if self.fetching.get(&key).is_some_and(|f| f.in_flight) {
            // Replaced: the connection may still carry the answer to the request before.
            if let Some(before) = self.fetching.remove(&key) {
                self.uses.remove(&before.stream);
                fabric.close(before.stream, place, life);
            }
        }
        if let Some(fetching) = self.fetching.get_mut(&key) {
            fetching.in_flight = true;
            if fetching.is_open {
                fabric.send(fetching.stream, place, life, Frame::Fetch(request));
            } else {
                fetching.unsent = Some(request);
            }
            return;
        }
        let stream = fabric.dial(place, life, Node::at(endpoint), Purpose::Replication);
        self.uses.insert(stream, Use::Fetching(key));
        let fetching = Fetching {
            stream,
            is_open: false,
            unsent: Some(request),
            in_flight: true,
        };
        self.fetching.insert(key, fetching);
    }

    pub(super) fn fetcher_opened(&mut self, fabric: &mut Fabric, stream: StreamId) {
        let (place, life) = (self.place(), self.life);
        let Some(Use::Fetching(key)) = self.uses.get(&stream).copied() else {
            return;
        };
        let Some(fetching) = self.fetching.get_mut(&key) else {
            return;
        };
        fetching.is_open = true;
        if let Some(request) = fetching.unsent.take() {
            fabric.send(stream, place, life, Frame::Fetch(request));
        }
        let evidence = Evidence::Answered;
        let broker = key.1;
        self.handle(fabric, Event::PeerConnection { broker, evidence });
    }

    pub(super) fn fetcher_lost(
        &mut self,
        fabric: &mut Fabric,
        stream: StreamId,
        evidence: Option<Evidence>,
    ) {
        self.uses.remove(&stream);
        let found = self.fetching.iter().find(|(_, f)| f.stream == stream);
        let Some(key) = found.map(|(key, _)| *key) else {
            return;
        };
        self.fetching.remove(&key);
        let (number, leader, leader_shard, class) = key;
        let event = shard::Event::ReplicaFetchFailed {
            leader,
            leader_shard,
            class,
        };
        self.pass_to_shard(fabric, number, event);
        if let Some(evidence) = evidence {
            let broker = leader;
            self.handle(fabric, Event::PeerConnection { broker, evidence });
        }
    }

    pub(super) fn leader_answered(
        &mut self,
        fabric: &mut Fabric,
        stream: StreamId,
        response: FetchResponse,
    ) {
        let Some(Use::Fetching(key)) = self.uses.get(&stream).copied() else {
            return;
        };
        if let Some(fetching) = self.fetching.get_mut(&key) {
            fetching.in_flight = false;
        }
        let (number, leader, leader_shard, _) = key;
        let event = shard::Event::ReplicaFetched {
            leader,
            leader_shard,
            response,
        };
        self.pass_to_shard(fabric, number, event);
    }

    pub(super) fn follower_asks(
        &mut self,
        fabric: &mut Fabric,
        stream: StreamId,
        request: FetchRequest,
    ) {
        let number = request.leader_shard;
        let token = shard::Token(self.waiting.add(stream, number));
        self.pass_to_shard(
            fabric,
            number,
            shard::Event::ReplicaFetch { token, request },
        );
    }

    /// What a connection's task read goes through the shard's mailbox.
    pub(super) fn pass_to_shard(&self, fabric: &mut Fabric, number: u16, event: shard::Event) {
        let (place, life) = (self.place(), self.life);
        let input = Input::Shard(number, event);
        let from = Loop::Shard(u16::MAX);
        fabric.mail(place, life, from, Loop::Shard(number), input);
    }
}
