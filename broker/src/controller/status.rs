//! What the controller's HTTP answers are made of.

use std::collections::BTreeMap;
use std::sync::Arc;

use kintsugi_metadata::Image;
use kintsugi_node::controller::Controller as Node;
use kintsugi_quorum::{Membership, Role};
use kintsugi_types::{ControllerId, DirectoryId, Endpoint, MetadataOffset, Term};

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
    /// This controller's directory.
    pub directory: DirectoryId,
    /// The quorum's members.
    pub membership: Membership,
    /// Whether that configuration is committed.
    pub is_membership_committed: bool,
    /// For each follower, up to where its disk holds the log; empty unless leader.
    pub matched: BTreeMap<ControllerId, MetadataOffset>,
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
            directory: node.directory(),
            membership: node.membership().clone(),
            is_membership_committed: node.engine().is_membership_committed(),
            matched: node.engine().matched(),
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
            && self.membership == other.membership
            && self.is_membership_committed == other.is_membership_committed
            && self.matched == other.matched
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
