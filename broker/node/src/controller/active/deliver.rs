//! What goes to brokers and to the operator once it is committed.

use kintsugi_metadata::Image;
use kintsugi_types::{Incarnation, MetadataOffset, Time};

use super::Active;
use crate::controller::config::ControllerConfig;
use crate::controller::decide::Answer;
use crate::controller::push::{Tail, push};
use crate::controller::request::Requester;
use crate::message::controller::{Command, LinkId, Observation};
use crate::message::link::{AdminAnswer, ToBroker};

impl Active {
    /// Gives committed answers and pushes deltas. A registration is answered before its deltas,
    /// everything else after them.
    pub(in crate::controller) fn deliver(
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
        for broker in self.gates.open(now) {
            out.push(Command::Observed(Observation::LeadersMoved { broker }));
        }
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
        // Also when nobody is suspected: the broker still knows whom an earlier link told it to
        // suspect, and would never again name a broker as leader that nobody takes back.
        let suspects = self.detector.suspects().clone();
        let message = ToBroker::Suspects { suspects };
        out.push(Command::ToBroker { link, message });
        let mut verdicts = Vec::new();
        self.detector.link_opened(now, incarnation, &mut verdicts);
        self.heed(verdicts, out);
    }
}

/// Sends the answer of an admin request to whoever asked.
pub(super) fn answer_admin(requester: Requester, answer: AdminAnswer, out: &mut Vec<Command>) {
    out.push(match requester {
        Requester::Http { token } => Command::Answer { token, answer },
        Requester::Broker { link, request_id } => {
            let message = ToBroker::AdminAnswer { request_id, answer };
            Command::ToBroker { link, message }
        }
    });
}
