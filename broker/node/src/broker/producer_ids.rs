//! Producer ids: a block of them comes from the active controller and is handed out one by one.

use std::collections::VecDeque;
use std::ops::Range;

use kintsugi_types::{ErrorCode, ProducerId, Time};

use super::config::{PRODUCER_ID_WAITS_MAX, Timeouts};
use crate::message::broker::Command;
use crate::message::link::{AdminAnswer, AdminRequest, ToController};

/// The request id under which blocks are asked for: clients' requests begin at 1. One is in flight
/// at a time, and an answer that comes late is as good as another: its block is this broker's too.
pub(super) const REQUEST_ID: u64 = 0;

/// With fewer ids left than this, the next block is asked for.
const LOW_WATER: i64 = 100;

/// What a producer is told that got no id: clients ask again.
const ASK_AGAIN: ErrorCode = ErrorCode::CoordinatorLoadInProgress;

/// The ids at hand, and who waits for one.
#[derive(Debug)]
pub(super) struct ProducerIds {
    timeouts: Timeouts,
    at_hand: Range<i64>,
    next_block: Option<Range<i64>>,
    waiting: VecDeque<(u64, Time)>,
    /// When the request in flight is given up.
    asked_until: Option<Time>,
    /// Not before this the controller is asked again.
    ask_at: Time,
    /// Whether anybody ever wanted one: a broker without idempotent producers takes no block.
    is_wanted: bool,
}

impl ProducerIds {
    pub fn new(timeouts: Timeouts) -> Self {
        Self {
            timeouts,
            at_hand: 0..0,
            next_block: None,
            waiting: VecDeque::new(),
            asked_until: None,
            ask_at: Time::ZERO,
            is_wanted: false,
        }
    }

    /// A producer wants an id.
    pub fn ask(&mut self, token: u64, deadline: Time, out: &mut Vec<Command>) {
        self.is_wanted = true;
        if self.waiting.len() >= PRODUCER_ID_WAITS_MAX {
            out.push(refuse(token));
        } else {
            self.waiting.push_back((token, deadline));
            self.hand_out(out);
        }
    }

    /// The controller answered.
    pub fn answered(&mut self, now: Time, answer: &AdminAnswer, out: &mut Vec<Command>) {
        self.asked_until = None;
        match answer {
            AdminAnswer::ProducerIds(block) => {
                let end = block.first.0.saturating_add(block.count);
                // One more than is kept comes only after a request was given up too early.
                self.next_block.get_or_insert(block.first.0..end);
                self.hand_out(out);
            }
            _ => self.ask_at = now + self.timeouts.producer_ids_retry,
        }
    }

    /// Nobody knows what became of the request; a block that nobody hands out does no harm.
    pub fn link_lost(&mut self) {
        self.asked_until = None;
    }

    /// Asks for a block, if one is wanted. To be called whenever the link is registered.
    pub fn send(&mut self, now: Time, out: &mut Vec<Command>) {
        if self.is_low() && self.asked_until.is_none() && now >= self.ask_at {
            self.asked_until = Some(now + self.timeouts.producer_ids);
            out.push(Command::ToController(ToController::Admin {
                request_id: REQUEST_ID,
                request: AdminRequest::AllocateProducerIds,
            }));
        }
    }

    /// Gives up what took too long.
    pub fn wake(&mut self, now: Time, out: &mut Vec<Command>) {
        if self.asked_until.is_some_and(|until| now >= until) {
            self.asked_until = None;
        }
        self.waiting.retain(|(token, deadline)| {
            let is_over = now >= *deadline;
            if is_over {
                out.push(refuse(*token));
            }
            !is_over
        });
    }

    pub fn next_wake(&self, is_registered: bool) -> Time {
        let deadlines = self.waiting.iter().map(|(_, deadline)| *deadline);
        let given_up = deadlines.min().unwrap_or(Time::NEVER);
        let request = match self.asked_until {
            Some(until) => until,
            None if is_registered && self.is_low() => self.ask_at,
            None => Time::NEVER,
        };
        given_up.min(request)
    }

    fn is_low(&self) -> bool {
        let left = self.at_hand.end - self.at_hand.start;
        self.is_wanted && self.next_block.is_none() && left < LOW_WATER
    }

    fn hand_out(&mut self, out: &mut Vec<Command>) {
        while !self.waiting.is_empty() {
            if self.at_hand.is_empty() {
                match self.next_block.take() {
                    Some(block) => self.at_hand = block,
                    None => return,
                }
            }
            if let Some(id) = self.at_hand.next()
                && let Some((token, _)) = self.waiting.pop_front()
            {
                let result = Ok(ProducerId(id));
                out.push(Command::AnswerProducerId { token, result });
            }
        }
    }
}

fn refuse(token: u64) -> Command {
    let result = Err(ASK_AGAIN);
    Command::AnswerProducerId { token, result }
}
