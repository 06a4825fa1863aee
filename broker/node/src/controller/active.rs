//! What a controller knows and does only while it is the active one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use kintsugi_metadata::decision::{last_known_leader, stopping, unfencing};
use kintsugi_metadata::failure_detector::{DialFinding, FailureDetector, Verdict};
use kintsugi_metadata::{Delta, Image, MetadataRecord};
use kintsugi_quorum::EntryId;
use kintsugi_types::{
    BrokerId, ControllerId, Endpoint, ErrorCode, Incarnation, MetadataOffset, PartitionId, Time,
};

use super::config::ControllerConfig;
use super::decide::{Answer, decide};
use super::dismiss;
use super::link::Links;
use super::push::{Gates, Tail, push};
use super::request::{Queue, Request, Requester};
use crate::message::controller::{Command, DialId, DialOutcome, LinkId};
use crate::message::link::{AdminAnswer, AdminRequest, Heartbeat, ToBroker, ToController};

/// How often partitions that only their last known leader can lead are looked for.
const SCAN_INTERVAL: Duration = Duration::from_secs(1);
/// How long to wait before a proposal that the quorum could not take is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// A proposal on its way through the quorum.
#[derive(Debug)]
struct InFlight {
    /// Its last entry, once the quorum took it.
    last: Option<EntryId>,
    requests: Vec<Request>,
    answers: Vec<Answer>,
}

/// The active controller.
#[derive(Debug)]
pub(super) struct Active {
    links: Links,
    detector: FailureDetector,
    queue: Queue,
    in_flight: Option<InFlight>,
    /// Answers whose decisions are committed, to be given after the deltas.
    answers: Vec<Answer>,
    gates: Gates,
    /// The image changed since the detector last looked at it.
    image_changed: bool,
    retry_at: Time,
    next_scan: Time,
    next_rebalance: Time,
    /// Since when a partition waits for its last known leader.
    waiting: BTreeMap<PartitionId, Time>,
}

/// The brokers that these records make leader of something, or give a new leader epoch.
pub(super) fn new_leaders(image: &Image, records: &[MetadataRecord]) -> BTreeSet<BrokerId> {
    let mut leaders = BTreeSet::new();
    for record in records {
        if let MetadataRecord::Partition { partition, state } = record {
            let before = image.partition(*partition);
            if before.is_none_or(|before| before.leader_epoch != state.leader_epoch) {
                leaders.extend(state.leader);
            }
        }
    }
    leaders
}

impl Active {
    /// Becomes active: forms the cluster if nobody has yet, and begins to watch its brokers.
    pub(super) fn begin(
        now: Time,
        config: &ControllerConfig,
        image: &Image,
        first_dial: u64,
        out: &mut Vec<Command>,
    ) -> Self {
        let mut active = Self {
            links: Links::default(),
            detector: FailureDetector::new(config.detector.clone(), first_dial),
            queue: Queue::default(),
            in_flight: None,
            answers: Vec::new(),
            gates: Gates::default(),
            image_changed: false,
            retry_at: Time::ZERO,
            next_scan: now,
            next_rebalance: config
                .rebalance_interval
                .map_or(Time::NEVER, |interval| now + interval),
            waiting: BTreeMap::new(),
        };
        if image.cluster.is_none() {
            active.queue.push(Request::FormCluster);
        }
        active.watch(now, image, out);
        active
    }

    /// Is active no more: sends every broker to the new leader. Gives the number of the next dial.
    pub(super) fn end(
        self,
        leader: &Option<(ControllerId, Endpoint)>,
        out: &mut Vec<Command>,
    ) -> u64 {
        let mut queue = self.queue;
        let queued = std::iter::from_fn(|| queue.pop());
        let undecided = self.in_flight.into_iter().flat_map(|f| f.requests);
        for request in undecided.chain(queued) {
            if let Request::Admin {
                requester: Requester::Http { token },
                ..
            } = request
            {
                let answer = AdminAnswer::NotDecided(ErrorCode::NotController);
                out.push(Command::Answer { token, answer });
            }
        }
        for link in self.links.ids() {
            dismiss(link, leader.clone(), out);
        }
        self.detector.next_dial()
    }

    pub(super) fn link_opened(
        &mut self,
        config: &ControllerConfig,
        link: LinkId,
        incarnation: Incarnation,
        out: &mut Vec<Command>,
    ) {
        if self.links.len() >= config.limits.links_max {
            out.push(Command::CloseLink { link });
        } else {
            self.links.open(link, incarnation);
        }
    }

    pub(super) fn link_closed(&mut self, now: Time, link: LinkId, out: &mut Vec<Command>) {
        let closed = self.links.close(link);
        self.queue.forget_link(link);
        self.gates.forget_link(link);
        if let Some(incarnation) = closed {
            let mut verdicts = Vec::new();
            self.detector.link_closed(now, incarnation, &mut verdicts);
            self.heed(verdicts, out);
        }
    }

    pub(super) fn dialled(
        &mut self,
        now: Time,
        dial: DialId,
        outcome: DialOutcome,
        out: &mut Vec<Command>,
    ) {
        let finding = match outcome {
            DialOutcome::Refused => DialFinding::Refused,
            DialOutcome::Answered(incarnation) => DialFinding::Answered(incarnation),
            DialOutcome::Silent => DialFinding::Silent,
        };
        let mut verdicts = Vec::new();
        self.detector.dialled(now, dial.0, finding, &mut verdicts);
        self.heed(verdicts, out);
    }

    pub(super) fn from_broker(
        &mut self,
        now: Time,
        config: &ControllerConfig,
        image: &Image,
        link: LinkId,
        message: ToController,
        out: &mut Vec<Command>,
    ) {
        let Some(known) = self.links.get(link) else {
            return;
        };
        let (incarnation, registered) = (known.incarnation, known.epoch.is_some());
        if self.queue.of_link(link) >= config.limits.requests_a_link_max {
            return self.hang_up(now, link, out);
        }
        match message {
            ToController::Register {
                registration,
                applied,
            } if registration.incarnation == incarnation => {
                let request = Request::Register {
                    link,
                    registration,
                    applied,
                };
                self.queue.push(request);
            }
            ToController::Register { .. } => self.hang_up(now, link, out),
            _ if !registered => self.hang_up(now, link, out),
            ToController::Heartbeat(heartbeat) => {
                self.heartbeat(now, image, link, &heartbeat, out);
            }
            ToController::Applied { offset } => self.has_applied(link, offset),
            ToController::AlterPartition(request) => {
                let broker = incarnation.broker;
                self.queue.push(Request::AlterPartition {
                    link,
                    broker,
                    request,
                });
            }
            ToController::Admin {
                request_id,
                request,
            } => {
                let requester = Requester::Broker { link, request_id };
                self.admin(config, requester, request, out);
            }
        }
    }

    pub(super) fn http_admin(
        &mut self,
        config: &ControllerConfig,
        token: u64,
        request: AdminRequest,
        out: &mut Vec<Command>,
    ) {
        self.admin(config, Requester::Http { token }, request, out);
    }

    fn admin(
        &mut self,
        config: &ControllerConfig,
        requester: Requester,
        request: AdminRequest,
        out: &mut Vec<Command>,
    ) {
        if self.queue.admin_requests() >= config.limits.admin_requests_max {
            let answer = AdminAnswer::NotDecided(ErrorCode::ThrottlingQuotaExceeded);
            answer_admin(requester, answer, out);
        } else {
            self.queue.push(Request::Admin { requester, request });
        }
    }

    /// Closes a link whose broker breaks the rules; it may dial again.
    fn hang_up(&mut self, now: Time, link: LinkId, out: &mut Vec<Command>) {
        out.push(Command::CloseLink { link });
        self.link_closed(now, link, out);
    }

    fn heartbeat(
        &mut self,
        now: Time,
        image: &Image,
        link: LinkId,
        heartbeat: &Heartbeat,
        out: &mut Vec<Command>,
    ) {
        self.has_applied(link, heartbeat.applied);
        let Some(incarnation) = self.links.get(link).map(|link| link.incarnation) else {
            return;
        };
        let (broker, epoch) = (incarnation.broker, heartbeat.broker_epoch);
        let known = image.brokers.get(&broker).filter(|b| b.epoch == epoch);
        // A heartbeat of stuck shards is not answered: the broker's own session runs out too.
        let (Some(known), true) = (known, heartbeat.shards_are_live) else {
            return;
        };
        let mut verdicts = Vec::new();
        self.detector.heartbeat(now, incarnation, &mut verdicts);
        for refused in &heartbeat.refused_by {
            self.detector.reported(now, *refused, &mut verdicts);
        }
        self.heed(verdicts, out);
        if heartbeat.wants_to_stop {
            if !known.stopping || stopping::has_more_to_hand_over(image, broker) {
                self.queue.push(Request::Stop { broker, epoch });
            }
        } else if unfencing::may_unfence(image, broker, epoch, heartbeat.applied) {
            self.queue.push(Request::Unfence { broker, epoch });
        }
        let message = ToBroker::HeartbeatAnswer {
            sequence: heartbeat.sequence,
            fenced: known.fenced,
            may_stop: heartbeat.wants_to_stop && stopping::may_stop(image, broker, epoch),
        };
        out.push(Command::ToBroker { link, message });
    }

    fn has_applied(&mut self, link: LinkId, offset: MetadataOffset) {
        if let Some(known) = self.links.get_mut(link) {
            known.applied = known.applied.max(offset);
            self.gates.applied(link, offset);
        }
    }

    /// An entry was committed and applied.
    pub(super) fn applied(
        &mut self,
        now: Time,
        config: &ControllerConfig,
        entry: EntryId,
        new_leaders: &BTreeSet<BrokerId>,
    ) {
        self.image_changed = true;
        let links = &self.links;
        let awaited: BTreeSet<LinkId> = new_leaders
            .iter()
            .filter_map(|broker| links.of_broker(*broker))
            .collect();
        let asked = self.in_flight.iter().flat_map(|f| &f.requests);
        let first = asked.filter_map(Request::link).collect();
        let deadline = now + config.leaders_first;
        self.gates.add(entry.index, first, awaited, deadline);
        if self
            .in_flight
            .as_ref()
            .is_some_and(|f| f.last == Some(entry))
        {
            if let Some(committed) = self.in_flight.take() {
                self.answers.extend(committed.answers);
            }
        }
    }

    /// The quorum took the proposal.
    pub(super) fn accepted(&mut self, last: EntryId) {
        if let Some(in_flight) = &mut self.in_flight {
            in_flight.last = Some(last);
        }
    }

    /// The quorum could not take the proposal; it is decided again a little later.
    pub(super) fn dropped(&mut self, now: Time) {
        if let Some(in_flight) = self.in_flight.take() {
            self.queue.put_back(in_flight.requests);
            self.retry_at = now + RETRY_AFTER;
        }
    }

    /// Decides what waits, if no proposal is in flight: the commands of the next proposal.
    pub(super) fn next_proposal(
        &mut self,
        now: Time,
        config: &ControllerConfig,
        image: &Image,
        rng: &mut fastrand::Rng,
    ) -> Vec<Bytes> {
        let limits = &config.limits;
        let (mut commands, mut requests, mut answers) = (Vec::new(), Vec::new(), Vec::new());
        let mut size_bytes = 0;
        let mut scratch: Option<Image> = None;
        while self.in_flight.is_none()
            && now >= self.retry_at
            && requests.len() < limits.requests_a_proposal_max
            && size_bytes < limits.proposal_bytes_max
        {
            let Some(request) = self.queue.pop() else {
                break;
            };
            let decision = decide(config, scratch.as_ref().unwrap_or(image), rng, &request);
            if !decision.records.is_empty() {
                let Ok(bytes) = postcard::to_stdvec(&decision.records) else {
                    continue;
                };
                size_bytes += bytes.len();
                commands.push(Bytes::from(bytes));
                if !self.queue.is_empty() {
                    let scratch = scratch.get_or_insert_with(|| image.clone());
                    let offset = scratch.offset.next();
                    scratch.apply(offset, &decision.records, &mut Delta::default());
                }
            }
            answers.extend(decision.answer);
            requests.push(request);
        }
        if commands.is_empty() {
            self.answers.extend(answers);
        } else {
            self.in_flight = Some(InFlight {
                last: None,
                requests,
                answers,
            });
        }
        commands
    }

    /// Does what is due by now.
    pub(super) fn wake(
        &mut self,
        now: Time,
        config: &ControllerConfig,
        image: &Image,
        out: &mut Vec<Command>,
    ) {
        if std::mem::take(&mut self.image_changed) {
            self.watch(now, image, out);
        }
        if now >= self.detector.next_wake() {
            let mut verdicts = Vec::new();
            self.detector.wake(now, &mut verdicts);
            self.heed(verdicts, out);
        }
        if now >= self.next_rebalance {
            self.queue.push(Request::Rebalance);
            let interval = config.rebalance_interval;
            self.next_rebalance = interval.map_or(Time::NEVER, |interval| now + interval);
        }
        if now >= self.next_scan {
            self.next_scan = now + SCAN_INTERVAL;
            self.scan(now, config, image);
        }
    }

    /// Looks for partitions whose last known leader was waited for long enough.
    fn scan(&mut self, now: Time, config: &ControllerConfig, image: &Image) {
        let needs = |partition: &PartitionId| {
            let state = image.partition(*partition);
            state.is_some_and(|state| last_known_leader::is_needed(state))
        };
        self.waiting.retain(|partition, _| needs(partition));
        let mut waited = BTreeSet::new();
        for (partition, state) in image.partitions() {
            if last_known_leader::is_needed(state) {
                let since = *self.waiting.entry(partition).or_insert(now);
                let is_back = state.last_known_leader.is_some_and(|b| image.is_active(b));
                if is_back && now >= since + config.last_known_leader_wait {
                    waited.insert(partition);
                }
            }
        }
        if !waited.is_empty() {
            self.queue.push(Request::ElectLastKnownLeaders(waited));
        }
    }

    /// Gives committed answers and pushes deltas. A registration is answered before its deltas,
    /// everything else after them.
    pub(super) fn deliver(
        &mut self,
        now: Time,
        config: &ControllerConfig,
        image: &Image,
        tail: &Tail,
        out: &mut Vec<Command>,
    ) {
        let answers = std::mem::take(&mut self.answers);
        let (registered, others): (Vec<_>, Vec<_>) = answers
            .into_iter()
            .partition(|answer| matches!(answer, Answer::Registered { .. }));
        for answer in registered {
            self.answer(now, image, answer, out);
        }
        self.gates.open(now);
        push(
            &config.limits,
            image,
            tail,
            &self.gates,
            &mut self.links,
            out,
        );
        for answer in others {
            self.answer(now, image, answer, out);
        }
    }

    fn answer(&mut self, now: Time, image: &Image, answer: Answer, out: &mut Vec<Command>) {
        match answer {
            Answer::Registered {
                link,
                incarnation,
                applied,
            } => self.registered(now, image, link, incarnation, applied, out),
            Answer::Send {
                link,
                message,
                close,
            } => {
                if self.links.get(link).is_some() {
                    out.push(Command::ToBroker { link, message });
                    if close {
                        self.hang_up(now, link, out);
                    }
                }
            }
            Answer::Admin {
                requester: Requester::Broker { link, .. },
                ..
            } if self.links.get(link).is_none() => {}
            Answer::Admin { requester, answer } => answer_admin(requester, answer, out),
        }
    }

    fn registered(
        &mut self,
        now: Time,
        image: &Image,
        link: LinkId,
        incarnation: Incarnation,
        applied: MetadataOffset,
        out: &mut Vec<Command>,
    ) {
        let known = image.brokers.get(&incarnation.broker);
        let known = known.filter(|b| b.registration.incarnation == incarnation);
        let (Some(known), true) = (known, self.links.get(link).is_some()) else {
            return;
        };
        let broker_epoch = known.epoch;
        if let Some(before) = self.links.register(link, broker_epoch, applied) {
            // An older link of this broker: of the same incarnation, or of one that is replaced.
            out.push(Command::CloseLink { link: before });
            self.links.close(before);
            self.queue.forget_link(before);
            self.gates.forget_link(before);
        }
        let message = ToBroker::Registered { broker_epoch };
        out.push(Command::ToBroker { link, message });
        let suspects = self.detector.suspects().clone();
        if !suspects.is_empty() {
            let message = ToBroker::Suspects { suspects };
            out.push(Command::ToBroker { link, message });
        }
        let mut verdicts = Vec::new();
        self.detector.link_opened(now, incarnation, &mut verdicts);
        self.heed(verdicts, out);
    }

    fn watch(&mut self, now: Time, image: &Image, out: &mut Vec<Command>) {
        let mut verdicts = Vec::new();
        let links = &self.links;
        let is_linked = |who| links.is_linked(who);
        self.detector.watch(now, image, &is_linked, &mut verdicts);
        self.heed(verdicts, out);
    }

    /// Does what the detector wants, and acts on what it believes.
    fn heed(&mut self, verdicts: Vec<Verdict>, out: &mut Vec<Command>) {
        for verdict in verdicts {
            match verdict {
                Verdict::Dial { dial, endpoint } => {
                    let dial = DialId(dial);
                    out.push(Command::Dial { dial, endpoint });
                }
                Verdict::Suspects(suspects) => {
                    for (link, _) in self.links.registered() {
                        let suspects = suspects.clone();
                        let message = ToBroker::Suspects { suspects };
                        out.push(Command::ToBroker { link, message });
                    }
                }
                Verdict::Dead {
                    incarnation, epoch, ..
                } => {
                    let broker = incarnation.broker;
                    self.queue.push(Request::Fence { broker, epoch });
                }
            }
        }
    }

    pub(super) fn next_wake(&self) -> Time {
        let retry = if self.queue.is_empty() || self.in_flight.is_some() {
            Time::NEVER
        } else {
            self.retry_at
        };
        self.detector
            .next_wake()
            .min(self.gates.next_wake())
            .min(self.next_scan)
            .min(self.next_rebalance)
            .min(retry)
    }
}

fn answer_admin(requester: Requester, answer: AdminAnswer, out: &mut Vec<Command>) {
    out.push(match requester {
        Requester::Http { token } => Command::Answer { token, answer },
        Requester::Broker { link, request_id } => {
            let message = ToBroker::AdminAnswer { request_id, answer };
            Command::ToBroker { link, message }
        }
    });
}
