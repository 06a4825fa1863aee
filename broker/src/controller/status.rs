//! What the controller's HTTP answers are made of.

use std::sync::Arc;

use kintsugi_metadata::Image;
use kintsugi_node::controller::Controller as Node;
use kintsugi_quorum::Role;
use kintsugi_types::{ControllerId, Endpoint, MetadataOffset, Term};

/// The controller as it was after its last event.
#[derive(Clone, Debug)]
pub struct ControllerStatus {
    /// `leader`, `follower`, `candidate` and so on.
    pub role: &'static str,
    /// Whether it is the active controller.
    pub is_active: bool,
    /// The quorum's term.
    pub term: Term,
    /// The leader, if known.
    pub leader: Option<ControllerId>,
    /// Where the leader listens, if known.
    pub leader_endpoint: Option<Endpoint>,
    /// The last committed entry.
    pub commit: MetadataOffset,
    /// The last applied entry.
    pub applied: MetadataOffset,
    /// The metadata.
    pub image: Arc<Image>,
}

impl ControllerStatus {
    /// The state of a controller now.
    pub fn of(node: &Node) -> Self {
        let leader = node.leader();
        Self {
            role: role_name(node.role()),
            is_active: node.is_active(),
            term: node.term(),
            leader,
            leader_endpoint: leader.and_then(|id| node.endpoint(id)).cloned(),
            commit: node.engine().commit_index(),
            applied: node.image().offset,
            image: Arc::clone(node.image()),
        }
    }

    /// Whether nothing changed; images are compared by their offset.
    pub fn is_same(&self, other: &Self) -> bool {
        self.role == other.role
            && self.is_active == other.is_active
            && self.term == other.term
            && self.leader == other.leader
            && self.leader_endpoint == other.leader_endpoint
            && self.commit == other.commit
            && self.applied == other.applied
    }
}

const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Follower => "follower",
        Role::PreCandidate => "pre-candidate",
        Role::Candidate => "candidate",
        Role::Leader => "leader",
    }
}
