//! What a controller knows and does only while it is the active one.

mod deliver;
mod inbound;
mod proposal;
mod recovery;

use std::collections::BTreeSet;
use std::time::Duration;

use kintsugi_metadata::failure_detector::{FailureDetector, Verdict};
use kintsugi_metadata::{Image, MetadataRecord};
use kintsugi_quorum::EntryId;
use kintsugi_types::{BrokerId, ControllerId, Endpoint, ErrorCode, MetadataOffset, Time};

use crate::controller::config::ControllerConfig;
use crate::controller::decide::Answer;
use crate::controller::dismiss;
use crate::controller::link::Links;
use crate::controller::push::Gates;
use crate::controller::request::{Queue, Request, Requester};
use crate::message::controller::{Command, DialId, Observation};
use crate::message::link::{AdminAnswer, ToBroker};
use recovery::Recoveries;

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
pub(in crate::controller) struct Active {
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
    next_rebalance: Time,
    recoveries: Recoveries,
}

/// The brokers that these records make leader of something, or give a new leader epoch.
pub(in crate::controller) fn new_leaders(
    image: &Image,
    records: &[MetadataRecord],
) -> BTreeSet<BrokerId> {
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

/// The brokers that these records fence, or let hand over.
pub(in crate::controller) fn departures(
    image: &Image,
    records: &[MetadataRecord],
) -> Vec<Observation> {
    let moved = |broker| leaderships_moved(image, broker, records);
    let departures = records.iter().filter_map(|record| match record {
        MetadataRecord::BrokerFenced { broker, .. } => Some(Observation::BrokerFenced {
            broker: *broker,
            leaderships_moved: moved(*broker),
        }),
        MetadataRecord::BrokerStopping { broker, .. } => Some(Observation::BrokerStopping {
            broker: *broker,
            leaderships_moved: moved(*broker),
        }),
        _ => None,
    });
    departures.collect()
}

/// How many partitions that this broker leads these records give to another one.
fn leaderships_moved(image: &Image, broker: BrokerId, records: &[MetadataRecord]) -> usize {
    let moves = |record: &&MetadataRecord| match record {
        MetadataRecord::Partition { partition, state } => {
            let before = image.partition(*partition);
            let led = before.is_some_and(|before| before.leader == Some(broker));
            led && state.leader.is_some_and(|leader| leader != broker)
        }
        _ => false,
    };
    records.iter().filter(moves).count()
}

impl Active {
    /// Becomes active: forms the cluster if nobody has yet, and begins to watch its brokers.
    pub(in crate::controller) fn begin(
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
            next_rebalance: config
                .rebalance_interval
                .map_or(Time::NEVER, |interval| now + interval),
            recoveries: Recoveries::new(now),
        };
        if image.cluster.is_none() {
            active.queue.push(Request::FormCluster);
        }
        active.watch(now, image, out);
        active
    }

    /// Is active no more: sends every broker to the new leader. Gives the number of the next dial.
    pub(in crate::controller) fn end(
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

    /// Does what is due by now.
    pub(in crate::controller) fn wake(
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
        if now >= self.recoveries.next_scan {
            self.recover(now, config, image, out);
        }
    }

    /// The brokers that follow, each with what it has applied.
    pub(in crate::controller) fn observers(
        &self,
    ) -> impl Iterator<Item = (BrokerId, MetadataOffset)> {
        let links = self.links.registered();
        links.map(|(_, link)| (link.incarnation.broker, link.applied))
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
                    incarnation,
                    epoch,
                    cause,
                } => {
                    let broker = incarnation.broker;
                    let dead = Observation::BrokerDead { incarnation, cause };
                    out.push(Command::Observed(dead));
                    self.queue.push(Request::Fence { broker, epoch });
                }
            }
        }
    }

    pub(in crate::controller) fn next_wake(&self) -> Time {
        let retry = if self.queue.is_empty() || self.in_flight.is_some() {
            Time::NEVER
        } else {
            self.retry_at
        };
        self.detector
            .next_wake()
            .min(self.gates.next_wake())
            .min(self.recoveries.next_scan)
            .min(self.next_rebalance)
            .min(retry)
    }
}
