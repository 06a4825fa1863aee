//! What waits to be decided.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use kintsugi_metadata::BrokerRegistration;
use kintsugi_metadata::decision::unclean_recovery::Evidence;
use kintsugi_types::{BrokerEpoch, BrokerId, MetadataOffset, PartitionId};

use crate::message::controller::LinkId;
use crate::message::link::{AdminRequest, AlterPartitionRequest};

/// Who is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Requester {
    /// A broker, on its link.
    Broker { link: LinkId, request_id: u64 },
    /// The operator, over this controller's own listener.
    Http { token: u64 },
}

/// One thing to decide.
#[derive(Clone, Debug)]
pub(super) enum Request {
    FormCluster,
    Fence {
        broker: BrokerId,
        epoch: BrokerEpoch,
    },
    Register {
        link: LinkId,
        registration: Box<BrokerRegistration>,
        applied: MetadataOffset,
    },
    AlterPartition {
        link: LinkId,
        broker: BrokerId,
        request: AlterPartitionRequest,
    },
    Admin {
        requester: Requester,
        request: AdminRequest,
    },
    Unfence {
        broker: BrokerId,
        epoch: BrokerEpoch,
    },
    Stop {
        broker: BrokerId,
        epoch: BrokerEpoch,
    },
    /// Elect leaders by what the replicas hold.
    Recover(BTreeMap<PartitionId, Evidence>),
    Rebalance,
}

impl Request {
    /// The link that waits for the answer.
    pub(super) const fn link(&self) -> Option<LinkId> {
        match self {
            Self::Register { link, .. }
            | Self::AlterPartition { link, .. }
            | Self::Admin {
                requester: Requester::Broker { link, .. },
                ..
            } => Some(*link),
            _ => None,
        }
    }
}

/// The requests that wait for the proposal in flight. Fences come before everything else; then
/// all others in the order in which they came. What the controller asks of itself waits once.
#[derive(Debug, Default)]
pub(super) struct Queue {
    fences: BTreeSet<(BrokerId, BrokerEpoch)>,
    own: BTreeSet<(Own, BrokerId, BrokerEpoch)>,
    others: VecDeque<Request>,
}

/// Which of the controller's own wishes about a broker.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Own {
    Unfence,
    Stop,
}

impl Queue {
    /// Adds a request; one about a broker's fencing or stopping that waits already changes
    /// nothing.
    pub(super) fn push(&mut self, request: Request) {
        let is_new = match &request {
            Request::Fence { broker, epoch } => {
                self.fences.insert((*broker, *epoch));
                return;
            }
            Request::Unfence { broker, epoch } => self.own.insert((Own::Unfence, *broker, *epoch)),
            Request::Stop { broker, epoch } => self.own.insert((Own::Stop, *broker, *epoch)),
            _ => true,
        };
        if is_new {
            self.others.push_back(request);
        }
    }

    /// Takes the next request.
    pub(super) fn pop(&mut self) -> Option<Request> {
        if let Some((broker, epoch)) = self.fences.pop_first() {
            return Some(Request::Fence { broker, epoch });
        }
        let request = self.others.pop_front()?;
        match &request {
            Request::Unfence { broker, epoch } => {
                self.own.remove(&(Own::Unfence, *broker, *epoch));
            }
            Request::Stop { broker, epoch } => {
                self.own.remove(&(Own::Stop, *broker, *epoch));
            }
            _ => {}
        }
        Some(request)
    }

    /// Puts requests back, to be decided again before all others.
    pub(super) fn put_back(&mut self, requests: Vec<Request>) {
        let later = std::mem::take(&mut self.others);
        for request in requests.into_iter().chain(later) {
            // What is in `own` already is on its way into `others` only now.
            match &request {
                Request::Unfence { broker, epoch } => {
                    self.own.remove(&(Own::Unfence, *broker, *epoch));
                }
                Request::Stop { broker, epoch } => {
                    self.own.remove(&(Own::Stop, *broker, *epoch));
                }
                _ => {}
            }
            self.push(request);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fences.is_empty() && self.others.is_empty()
    }

    /// How many requests of this link wait.
    pub(super) fn of_link(&self, link: LinkId) -> usize {
        self.others
            .iter()
            .filter(|request| request.link() == Some(link))
            .count()
    }

    /// How many admin requests wait.
    pub(super) fn admin_requests(&self) -> usize {
        self.others
            .iter()
            .filter(|request| matches!(request, Request::Admin { .. }))
            .count()
    }

    /// Whether an election by what the replicas hold waits.
    pub(super) fn has_recovery(&self) -> bool {
        let mut others = self.others.iter();
        others.any(|request| matches!(request, Request::Recover(_)))
    }

    /// Forgets what a closed link asked: nobody would hear the answer, and whoever asked asks
    /// again.
    pub(super) fn forget_link(&mut self, link: LinkId) {
        self.others.retain(|request| request.link() != Some(link));
    }
}
