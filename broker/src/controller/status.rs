//! What the controller's HTTP answers are made of.

use std::collections::BTreeMap;
use std::sync::Arc;

use kintsugi_metadata::Image;
use kintsugi_types::{ControllerId, Endpoint, MetadataOffset, Term};

/// The controller as it was after its last event.
#[derive(Clone, Debug)]
pub struct ControllerStatus {
    /// Its id.
    pub id: ControllerId,
    /// `leader`, `follower`, `candidate` and so on.
    pub role: &'static str,
    /// Whether it is the active controller.
    pub is_active: bool,
    /// The quorum's term.
    pub term: Term,
    /// The leader, if known.
    pub leader: Option<ControllerId>,
    /// Every voter and where it was configured to be.
    pub voters: BTreeMap<ControllerId, Endpoint>,
    /// The last committed entry.
    pub commit: MetadataOffset,
    /// The last applied entry.
    pub applied: MetadataOffset,
    /// The metadata.
    pub image: Arc<Image>,
}
