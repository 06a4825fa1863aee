//! Brokers' links: where to send what a controller tells a broker.

use std::collections::BTreeMap;

use kintsugi_node::message::controller::LinkId;
use kintsugi_node::message::link::ToBroker;

use crate::transport::{Outgoing, encode};

/// How many frames may wait for one broker. A heartbeat's answer is one; deltas are one each.
pub const LINK_FRAMES_MAX: usize = 1_024;

/// The open links, by id. Owned by the actor's thread.
#[derive(Debug, Default)]
pub struct Links {
    open: BTreeMap<LinkId, Outgoing>,
}

impl Links {
    /// A broker's link was opened.
    pub fn insert(&mut self, link: LinkId, outgoing: Outgoing) {
        self.open.insert(link, outgoing);
    }

    /// Forgets a link; its socket is closed once what was sent on it is written.
    pub fn remove(&mut self, link: LinkId) {
        self.open.remove(&link);
    }

    /// Sends on a link; false when the link cannot take it and has to be closed.
    pub fn send(&self, link: LinkId, message: &ToBroker) -> bool {
        let Some(outgoing) = self.open.get(&link) else {
            return true;
        };
        match encode(message) {
            Ok(frame) => outgoing.offer(frame),
            Err(cause) => {
                tracing::error!(%cause, "failed to encode a message to a broker");
                false
            }
        }
    }
}
