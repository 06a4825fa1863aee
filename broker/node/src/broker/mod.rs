//! A broker's control: registration, heartbeats and their lease, the metadata image, requests for
//! the active controller, and the planned stop.
//!
//! Guarantees: the lease ends before the controller's session for this broker does; an image is
//! published in the order of the metadata log, without gaps; every AlterPartition, Admin and
//! ProducerId event is answered, at the latest when its time is over; a Metadata answer never names a leader there
//! is evidence against. Assumes that one link is open at a time and that `handle` is called at
//! `next_wake`. Never decides about partitions: that is the controller's and the shards'.

mod admin;
mod config;
mod doubt;
mod heartbeat;
mod isr_changes;
mod life_signs;
mod link;
mod listed;
mod metadata_answers;
mod producer_ids;
mod stop;
#[cfg(test)]
mod tests;
mod updates;

use std::collections::BTreeMap;
use std::sync::Arc;

use kintsugi_metadata::Image;
use kintsugi_types::{BrokerEpoch, BrokerId, MetadataOffset, Time};

use crate::message::broker::{Command, Event, Evidence, MetadataView};
use crate::message::link::{LOG_ENDS_MAX, LogEnd, ToBroker, ToController};

use admin::AdminRequests;
pub use config::{
    ADMIN_REQUESTS_MAX, BrokerConfig, ISR_CHANGES_MAX, METADATA_HOLDS_MAX, PRODUCER_ID_WAITS_MAX,
    Timeouts,
};
use doubt::Doubt;
use heartbeat::Heartbeats;
use isr_changes::IsrChanges;
use life_signs::LifeSigns;
use link::Link;
use listed::Listed;
use metadata_answers::MetadataAnswers;
use producer_ids::ProducerIds;
use stop::Stop;

/// A broker's control. See the module's documentation.
#[derive(Debug)]
pub struct Broker {
    config: BrokerConfig,
    id: BrokerId,
    link: Link,
    heartbeats: Heartbeats,
    isr_changes: IsrChanges,
    admin: AdminRequests,
    producer_ids: ProducerIds,
    doubt: Doubt,
    listed: Listed,
    life_signs: LifeSigns,
    metadata_answers: MetadataAnswers,
    stop: Stop,
    image: Arc<Image>,
    /// -1 before the first registration.
    broker_epoch: BrokerEpoch,
    /// Up to where each shard has applied the metadata.
    applied: BTreeMap<u16, MetadataOffset>,
    applied_told: MetadataOffset,
    is_ready: bool,
    /// Whether image or doubt changed, so that answers that are held may go.
    view_changed: bool,
}

impl Broker {
    /// A control that has not dialled yet; it does with the first event.
    #[must_use]
    pub fn new(config: BrokerConfig, now: Time) -> Self {
        let timeouts = config.timeouts;
        let id = config.registration.incarnation.broker;
        Self {
            id,
            link: Link::new(&config, now),
            heartbeats: Heartbeats::new(timeouts, now),
            isr_changes: IsrChanges::new(timeouts),
            admin: AdminRequests::default(),
            producer_ids: ProducerIds::new(timeouts),
            doubt: Doubt::new(timeouts),
            listed: Listed::new(timeouts),
            life_signs: LifeSigns::new(timeouts),
            metadata_answers: MetadataAnswers::new(id),
            stop: Stop::No,
            image: Arc::default(),
            broker_epoch: BrokerEpoch(-1),
            applied: BTreeMap::new(),
            applied_told: MetadataOffset(0),
            is_ready: false,
            view_changed: false,
            config,
        }
    }

    /// The newest metadata.
    #[must_use]
    pub const fn image(&self) -> &Arc<Image> {
        &self.image
    }

    /// Whether it serves clients.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// When `handle` has to be called again at the latest (with `Event::Wake`).
    #[must_use]
    pub fn next_wake(&self) -> Time {
        if self.stop == Stop::Done {
            return Time::NEVER;
        }
        let shards = self.config.registration.shards;
        self.link
            .next_wake()
            .min(self.heartbeats.next_wake(self.link.is_registered()))
            .min(self.isr_changes.next_wake())
            .min(self.admin.next_wake())
            .min(self.producer_ids.next_wake(self.link.is_registered()))
            .min(self.doubt.next_wake())
            .min(self.life_signs.next_wake())
            .min(self.metadata_answers.next_wake())
            .min(self.stop.next_wake(shards, &self.config.timeouts))
    }

    /// Takes one event; what is to be done is appended to `out`, to be done in that order.
    pub fn handle(&mut self, now: Time, event: Event, out: &mut Vec<Command>) {
        // The lease comes first: after a freeze nothing may be done as if it still held.
        self.heartbeats.check_lease(now, out);
        match event {
            Event::Wake => {}
            Event::LinkOpened => self.link_opened(now, out),
            Event::LinkClosed => {
                self.link.closed(now);
                self.link_lost(out);
            }
            Event::FromController(message) => self.take_message(now, message, out),
            Event::ShardApplied { shard, offset } => {
                self.applied.insert(shard, offset);
                if !self.is_unfenced() && self.applied_by_all() > self.applied_told {
                    // The controller unfences a broker by the heartbeat that shows that it knows
                    // of its registration.
                    self.heartbeats.hurry(now);
                }
            }
            Event::AlterPartition { shard, changes } => self.isr_changes.add(shard, changes),
            Event::ShardProgress { shard, at } => self.heartbeats.progressed(shard, at),
            Event::Metadata { token, topics } => {
                let until = now + self.config.timeouts.metadata_hold;
                let view = self.view(now);
                let signs = &mut self.life_signs;
                self.metadata_answers
                    .ask(now, (token, topics), until, &view, signs, out);
            }
            Event::Admin {
                token,
                request,
                deadline,
            } => self.admin.add(token, request, deadline, out),
            Event::ProducerId { token, deadline } => {
                self.producer_ids.ask(token, deadline, out);
            }
            Event::PeerConnection { broker, evidence } => self.observe(now, broker, evidence, out),
            Event::Looked { look, outcome } => {
                self.view_changed = true;
                if let Some(refused) = self.life_signs.looked(look, outcome) {
                    self.observe(now, refused, Evidence::Refused, out);
                }
            }
            Event::Stop => {
                self.stop.ask(now);
                self.heartbeats.hurry(now);
            }
            Event::ShardDrained { shard } => self.stop.drained(shard),
            Event::LogEnds { ends } => self.tell_log_ends(ends, out),
        }
        self.work(now, out);
    }

    /// What may be due after any event.
    fn work(&mut self, now: Time, out: &mut Vec<Command>) {
        if self.stop == Stop::Done {
            return;
        }
        if self.link.wake(now, out) {
            self.link_lost(out);
        }
        let image = Arc::clone(&self.image);
        self.view_changed |= self.doubt.wake(now, &image, out);
        self.isr_changes.wake(now, out);
        self.admin.wake(now, out);
        self.producer_ids.wake(now, out);
        if self.link.is_registered() {
            self.send(now, out);
        }
        if self.view_changed || now >= self.metadata_answers.next_wake() {
            self.view_changed = false;
            let view = self.view(now);
            let signs = &mut self.life_signs;
            self.metadata_answers.release(now, &view, signs, out);
        }
        self.life_signs.wake(now, &image, out);
        if self.stop.is_wanted() && !self.is_unfenced() {
            // A broker that is fenced or was never registered leads nothing: nobody needs asking.
            self.stop.allowed(now, now, out);
        }
        let shards = self.config.registration.shards;
        let timeouts = self.config.timeouts;
        let is_over = self.stop.advance(now, shards, &timeouts, out);
        self.refresh_ready(out);
        if is_over {
            let broker_epoch = self.broker_epoch;
            out.push(Command::StopNow { broker_epoch });
        }
    }

    fn send(&mut self, now: Time, out: &mut Vec<Command>) {
        let applied = self.applied_by_all();
        if applied > self.applied_told {
            self.applied_told = applied;
            let message = ToController::Applied { offset: applied };
            out.push(Command::ToController(message));
        }
        self.isr_changes.send(now, self.broker_epoch, out);
        self.admin.send(out);
        self.producer_ids.send(now, out);
        if self.heartbeats.is_due(now) {
            let content = heartbeat::Content {
                broker_epoch: self.broker_epoch,
                applied,
                wants_to_stop: self.stop.is_wanted(),
                refused_by: self.doubt.refused_by(),
            };
            let shards = self.config.registration.shards;
            if !self.heartbeats.send(now, shards, content, out) {
                // No answer is due, so the link's silence means nothing.
                self.link.heard(now);
            }
        }
    }

    /// The metadata that every shard has applied.
    fn applied_by_all(&self) -> MetadataOffset {
        let shards = 0..self.config.registration.shards;
        let applied = shards.map(|shard| self.applied.get(&shard).copied());
        applied.min().flatten().unwrap_or_default()
    }

    fn link_opened(&mut self, now: Time, out: &mut Vec<Command>) {
        self.link_lost(out);
        self.link.opened(now);
        out.push(Command::ToController(ToController::Register {
            registration: Box::new(self.config.registration.clone()),
            applied: self.image.offset,
        }));
    }

    fn link_lost(&mut self, out: &mut Vec<Command>) {
        self.heartbeats.link_lost();
        self.isr_changes.give_up(out);
        self.admin.link_lost(out);
        self.producer_ids.link_lost();
    }

    fn take_message(&mut self, now: Time, message: ToBroker, out: &mut Vec<Command>) {
        self.link.heard(now);
        match message {
            ToBroker::NotActive { leader } => {
                self.link.redirected(now, leader, out);
                self.link_lost(out);
            }
            ToBroker::Registered { broker_epoch } => self.registered(now, broker_epoch),
            ToBroker::Refused { reason, fatal } => self.refused(now, reason, fatal, out),
            ToBroker::HeartbeatAnswer {
                sequence,
                fenced,
                may_stop,
            } => {
                self.heartbeats.answered(now, sequence, fenced, out);
                if may_stop {
                    let told_until = now + self.config.timeouts.farewell;
                    self.stop.allowed(now, told_until, out);
                }
            }
            ToBroker::Snapshot { offset, records } => self.snapshot(now, offset, &records, out),
            ToBroker::Delta { entries } => self.delta(now, &entries, out),
            ToBroker::Suspects { suspects } => {
                self.doubt.told(suspects);
                self.view_changed = true;
            }
            ToBroker::AlterPartitionAnswer {
                request_id,
                error,
                results,
            } => self.isr_changes.answered(request_id, error, &results, out),
            ToBroker::AdminAnswer { request_id, answer } => match request_id {
                producer_ids::REQUEST_ID => self.producer_ids.answered(now, &answer, out),
                _ => self.admin.answered(request_id, answer, out),
            },
            ToBroker::AskLogEnds { mut partitions } => {
                partitions.truncate(LOG_ENDS_MAX);
                let partitions = partitions.into();
                out.push(Command::AskLogEnds { partitions });
            }
        }
    }

    /// Something at the transport told of another broker.
    fn observe(&mut self, now: Time, broker: BrokerId, evidence: Evidence, out: &mut Vec<Command>) {
        let image = Arc::clone(&self.image);
        if self.doubt.observe(now, &image, broker, evidence, out) {
            self.heartbeats.hurry(now);
        }
        self.view_changed = true;
    }

    /// Without a registered link nobody waits for this; the next controller asks anew.
    fn tell_log_ends(&self, ends: Vec<LogEnd>, out: &mut Vec<Command>) {
        if self.link.is_registered() {
            let broker_epoch = self.broker_epoch;
            let message = ToController::LogEnds { broker_epoch, ends };
            out.push(Command::ToController(message));
        }
    }

    fn registered(&mut self, now: Time, broker_epoch: BrokerEpoch) {
        self.broker_epoch = broker_epoch;
        self.link.registered();
        self.heartbeats.hurry(now);
        // The controller behind this link may not know what was told on another.
        self.applied_told = MetadataOffset(0);
    }

    fn refused(&mut self, now: Time, reason: String, fatal: bool, out: &mut Vec<Command>) {
        if fatal {
            out.push(Command::Fatal { reason });
        } else {
            self.link.redirected(now, None, out);
            self.link_lost(out);
        }
    }

    fn view(&self, now: Time) -> Arc<MetadataView> {
        Arc::new(MetadataView {
            image: Arc::clone(&self.image),
            suspects: self.doubt.suspects(&self.image),
            listed: self.listed.listed(now, &self.image),
        })
    }

    /// Whether this registration is in the image and not fenced.
    fn is_unfenced(&self) -> bool {
        let own = self.image.brokers.get(&self.id);
        own.is_some_and(|own| own.epoch == self.broker_epoch && !own.fenced)
    }

    /// Ready means: registered, with this registration in the image and not fenced, within the
    /// lease, and not past handing over.
    fn refresh_ready(&mut self, out: &mut Vec<Command>) {
        let is_ready =
            self.is_unfenced() && self.heartbeats.has_lease() && !self.stop.is_past_asking();
        if is_ready != self.is_ready {
            self.is_ready = is_ready;
            out.push(Command::Ready(is_ready));
        }
    }
}
