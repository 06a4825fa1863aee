//! Where the leader is now, told together with an error (KIP-951).

use bytes::{BufMut, BytesMut};
use kintsugi_types::{BrokerId, Endpoint, LeaderEpoch, Rack};

use crate::primitive::{Encoding, Writer};

/// A partition's leader, told with NOT_LEADER_OR_FOLLOWER so that a client needs no Metadata.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CurrentLeader {
    /// Who leads.
    pub leader: BrokerId,
    /// Since which epoch.
    pub epoch: LeaderEpoch,
}

/// Where a broker named by a [`CurrentLeader`] listens for clients.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeEndpoint {
    /// Which broker.
    pub broker: BrokerId,
    /// Its advertised listener.
    pub endpoint: Endpoint,
    /// Its rack, if it has one.
    pub rack: Option<Rack>,
}

/// The size of a [`CurrentLeader`] on the wire: two integers and an empty tagged section.
const CURRENT_LEADER_BYTES: u32 = 9;

impl CurrentLeader {
    /// Writes the leader as the tagged field `tag`.
    pub(crate) fn put_tagged(self, out: &mut BytesMut, tag: u32) {
        out.put_unsigned_varint(tag);
        out.put_unsigned_varint(CURRENT_LEADER_BYTES);
        out.put_i32(self.leader.0);
        out.put_i32(self.epoch.0);
        out.put_unsigned_varint(0);
    }
}

/// Writes the tagged section at the end of a response: the endpoints as tag 0, or nothing.
pub(crate) fn put_node_endpoints(out: &mut BytesMut, endpoints: &[NodeEndpoint]) {
    if endpoints.is_empty() {
        out.put_unsigned_varint(0);
        return;
    }
    let mut content = BytesMut::new();
    let mut encoding = Encoding {
        out: &mut content,
        is_flexible: true,
    };
    encoding.array(endpoints.len());
    for node in endpoints {
        encoding.out.put_i32(node.broker.0);
        encoding.string(Some(&node.endpoint.host));
        encoding.out.put_i32(i32::from(node.endpoint.port));
        encoding.string(node.rack.as_ref().map(|rack| &*rack.0));
        encoding.tagged_fields(0);
    }
    out.put_unsigned_varint(1);
    out.put_unsigned_varint(0);
    out.put_unsigned_varint(u32::try_from(content.len()).unwrap_or(u32::MAX));
    out.put_slice(&content);
}
