//! Clients' requests on their way to the active controller.

use std::collections::BTreeMap;

use kintsugi_types::{ErrorCode, Time};

use super::config::ADMIN_REQUESTS_MAX;
use crate::message::broker::Command;
use crate::message::link::{AdminAnswer, AdminRequest, ToController};

#[derive(Debug)]
struct Pending {
    token: u64,
    deadline: Time,
    /// What to send; `None` once it is sent.
    unsent: Option<AdminRequest>,
}

/// Requests that have no answer yet.
#[derive(Debug, Default)]
pub(super) struct AdminRequests {
    pending: BTreeMap<u64, Pending>,
    last_request_id: u64,
}

impl AdminRequests {
    pub fn add(
        &mut self,
        token: u64,
        request: AdminRequest,
        deadline: Time,
        out: &mut Vec<Command>,
    ) {
        if self.pending.len() >= ADMIN_REQUESTS_MAX {
            out.push(not_decided(token, ErrorCode::ThrottlingQuotaExceeded));
            return;
        }
        self.last_request_id += 1;
        let pending = Pending {
            token,
            deadline,
            unsent: Some(request),
        };
        self.pending.insert(self.last_request_id, pending);
    }

    /// Sends what was not sent yet. To be called whenever the link is registered.
    pub fn send(&mut self, out: &mut Vec<Command>) {
        for (request_id, pending) in &mut self.pending {
            if let Some(request) = pending.unsent.take() {
                out.push(Command::ToController(ToController::Admin {
                    request_id: *request_id,
                    request,
                }));
            }
        }
    }

    pub fn answered(&mut self, request_id: u64, answer: AdminAnswer, out: &mut Vec<Command>) {
        if let Some(pending) = self.pending.remove(&request_id) {
            let token = pending.token;
            out.push(Command::AnswerAdmin { token, answer });
        }
    }

    /// The link was lost: nobody knows what became of requests that were sent on it, and sending
    /// them again could do them twice.
    pub fn link_lost(&mut self, out: &mut Vec<Command>) {
        self.give_up(out, |pending| pending.unsent.is_none());
    }

    pub fn wake(&mut self, now: Time, out: &mut Vec<Command>) {
        self.give_up(out, |pending| now >= pending.deadline);
    }

    pub fn next_wake(&self) -> Time {
        let deadlines = self.pending.values().map(|pending| pending.deadline);
        deadlines.min().unwrap_or(Time::NEVER)
    }

    fn give_up(&mut self, out: &mut Vec<Command>, is_over: impl Fn(&Pending) -> bool) {
        self.pending.retain(|_, pending| {
            let is_over = is_over(pending);
            if is_over {
                out.push(not_decided(pending.token, ErrorCode::RequestTimedOut));
            }
            !is_over
        });
    }
}

fn not_decided(token: u64, error: ErrorCode) -> Command {
    let answer = AdminAnswer::NotDecided(error);
    Command::AnswerAdmin { token, answer }
}
