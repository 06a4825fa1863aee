//! What comes from brokers, from dials, and from the operator.

use kintsugi_metadata::Image;
use kintsugi_metadata::decision::{stopping, unfencing};
use kintsugi_metadata::failure_detector::DialFinding;
use kintsugi_types::{ErrorCode, Incarnation, MetadataOffset, Time};

use super::Active;
use super::deliver::answer_admin;
use crate::controller::config::ControllerConfig;
use crate::controller::decide::partition_of;
use crate::controller::request::{Request, Requester};
use crate::message::admin::ElectionKind;
use crate::message::controller::{Command, DialId, DialOutcome, LinkId};
use crate::message::link::{
    AdminAnswer, AdminRequest, Heartbeat, LOG_ENDS_MAX, ToBroker, ToController,
};

impl Active {
    pub(in crate::controller) fn link_opened(
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

    pub(in crate::controller) fn link_closed(
        &mut self,
        now: Time,
        link: LinkId,
        out: &mut Vec<Command>,
    ) {
        let closed = self.links.close(link);
        self.queue.forget_link(link);
        self.gates.forget_link(link);
        if let Some(incarnation) = closed {
            let mut verdicts = Vec::new();
            self.detector.link_closed(now, incarnation, &mut verdicts);
            self.heed(verdicts, out);
        }
    }

    pub(in crate::controller) fn dialled(
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

    pub(in crate::controller) fn hear(
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
        let is_over = self.queue.of_link(link) >= config.limits.requests_a_link_max;
        match message {
            ToController::Register {
                registration,
                applied,
            } if registration.incarnation == incarnation && !is_over => {
                let request = Request::Register {
                    link,
                    registration,
                    applied,
                };
                self.queue.push(request);
            }
            ToController::Register { .. } => self.hang_up(now, link, out),
            _ if !registered => self.hang_up(now, link, out),
            ToController::Admin {
                request_id,
                request,
            } => {
                let requester = Requester::Broker { link, request_id };
                self.note_wishes(now, image, &request);
                self.admin(config, requester, request, is_over, out);
            }
            _ if is_over => self.hang_up(now, link, out),
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
            ToController::LogEnds { ends, .. } if ends.len() > LOG_ENDS_MAX => {
                self.hang_up(now, link, out);
            }
            ToController::LogEnds { broker_epoch, ends } => {
                self.log_ends(image, (incarnation.broker, broker_epoch), &ends);
            }
        }
    }

    fn note_wishes(&mut self, now: Time, image: &Image, request: &AdminRequest) {
        let AdminRequest::ElectLeaders {
            kind: ElectionKind::Unclean,
            partitions,
        } = request
        else {
            return;
        };
        match partitions {
            Some(asked) => {
                let known = asked.iter().filter_map(|name| partition_of(image, name));
                self.wish(now, known);
            }
            None => {
                let leaderless = image.partitions().filter(|(_, s)| s.leader.is_none());
                self.wish(now, leaderless.map(|(partition, _)| partition));
            }
        }
    }

    pub(in crate::controller) fn http_admin(
        &mut self,
        config: &ControllerConfig,
        token: u64,
        request: AdminRequest,
        out: &mut Vec<Command>,
    ) {
        self.admin(config, Requester::Http { token }, request, false, out);
    }

    fn admin(
        &mut self,
        config: &ControllerConfig,
        requester: Requester,
        request: AdminRequest,
        is_over: bool,
        out: &mut Vec<Command>,
    ) {
        if is_over || self.queue.admin_requests() >= config.limits.admin_requests_max {
            let answer = AdminAnswer::NotDecided(ErrorCode::ThrottlingQuotaExceeded);
            answer_admin(requester, answer, out);
        } else {
            self.queue.push(Request::Admin { requester, request });
        }
    }

    /// Closes a link whose broker breaks the rules; it may dial again.
    pub(super) fn hang_up(&mut self, now: Time, link: LinkId, out: &mut Vec<Command>) {
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
}
