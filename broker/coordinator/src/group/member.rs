//! A member.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::JoinGroupRequest;
use kintsugi_types::Time;

use super::Waiter;
use crate::config::REBALANCE_TIMEOUT_MIN;
use crate::event::Client;
use crate::id::InstanceId;

/// A member of a group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Member {
    pub(crate) instance: Option<InstanceId>,
    pub(crate) client: Client,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    /// The protocols that it offers, the preferred one first, with what it subscribes to.
    pub(crate) protocols: Vec<(String, Bytes)>,
    pub(crate) assignment: Bytes,
    pub(crate) join_waiter: Option<Waiter>,
    pub(crate) sync_waiter: Option<Waiter>,
    /// Whether it has asked for its assignment in this generation.
    pub(crate) has_synced: bool,
    /// When it is taken for dead, unless one of its requests is waiting.
    pub(crate) session_until: Time,
}

impl Member {
    pub(crate) fn new(client: Client, request: &JoinGroupRequest, version: i16) -> Self {
        let mut member = Self {
            instance: request.group_instance_id.as_ref().map(InstanceId::of),
            client,
            session_timeout: Duration::ZERO,
            rebalance_timeout: Duration::ZERO,
            protocols: Vec::new(),
            assignment: Bytes::new(),
            join_waiter: None,
            sync_waiter: None,
            has_synced: false,
            session_until: Time::NEVER,
        };
        member.update(request, version);
        member
    }

    /// Takes over what a member says when it joins again.
    pub(crate) fn update(&mut self, request: &JoinGroupRequest, version: i16) {
        let millis = |value: i32| Duration::from_millis(u64::try_from(value).unwrap_or(0));
        self.session_timeout = millis(request.session_timeout_ms);
        // Version 0 has no rebalance time-out of its own.
        let rebalance_timeout = if version == 0 {
            self.session_timeout
        } else {
            millis(request.rebalance_timeout_ms)
        };
        self.rebalance_timeout = rebalance_timeout.max(REBALANCE_TIMEOUT_MIN);
        self.protocols = protocols_of(request);
    }

    /// What it subscribes to under a protocol.
    pub(crate) fn subscription(&self, protocol: &str) -> Bytes {
        let found = self.protocols.iter().find(|(name, _)| name == protocol);
        found
            .map(|(_, metadata)| metadata.clone())
            .unwrap_or_default()
    }

    /// Whether one of its requests awaits an answer, which stands for a heartbeat.
    pub(crate) const fn is_waiting(&self) -> bool {
        self.join_waiter.is_some() || self.sync_waiter.is_some()
    }

    pub(crate) fn extend_session(&mut self, now: Time) {
        self.session_until = now + self.session_timeout;
    }
}

/// The protocols of a request, copied so that they do not keep its frame alive.
pub(crate) fn protocols_of(request: &JoinGroupRequest) -> Vec<(String, Bytes)> {
    let protocols = request.protocols.iter();
    protocols
        .map(|protocol| {
            let metadata = Bytes::copy_from_slice(&protocol.metadata);
            (protocol.name.as_str().to_owned(), metadata)
        })
        .collect()
}
