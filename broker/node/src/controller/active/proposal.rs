//! From what waits to a proposal, and from its commit to answers.

use std::collections::BTreeSet;

use bytes::Bytes;
use kintsugi_metadata::{Delta, Image};
use kintsugi_quorum::EntryId;
use kintsugi_types::{BrokerId, Time};

use super::{Active, InFlight, RETRY_AFTER};
use crate::controller::config::ControllerConfig;
use crate::controller::decide::decide;
use crate::controller::request::Request;
use crate::message::controller::{LinkId, Observation};

impl Active {
    /// An entry was committed and applied.
    pub(in crate::controller) fn applied(
        &mut self,
        now: Time,
        config: &ControllerConfig,
        entry: EntryId,
        new_leaders: &BTreeSet<BrokerId>,
        departures: Vec<Observation>,
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
        self.gates
            .add(entry.index, first, awaited, deadline, departures);
        if self
            .in_flight
            .as_ref()
            .is_some_and(|f| f.last == Some(entry))
            && let Some(committed) = self.in_flight.take()
        {
            self.answers.extend(committed.answers);
        }
    }

    /// The quorum took the proposal.
    pub(in crate::controller) fn accepted(&mut self, last: EntryId) {
        if let Some(in_flight) = &mut self.in_flight {
            in_flight.last = Some(last);
        }
    }

    /// The quorum could not take the proposal; it is decided again a little later.
    pub(in crate::controller) fn dropped(&mut self, now: Time) {
        if let Some(in_flight) = self.in_flight.take() {
            self.queue.put_back(in_flight.requests);
            self.retry_at = now + RETRY_AFTER;
        }
    }

    /// Decides what waits, if no proposal is in flight: the commands of the next proposal.
    pub(in crate::controller) fn next_proposal(
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
                let bytes = postcard::to_stdvec(&decision.records)
                    .expect("records are plain data, and a vector takes any length");
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
}
