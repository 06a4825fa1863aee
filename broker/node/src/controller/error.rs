//! Why a controller cannot be opened.

use kintsugi_quorum as quorum;
use kintsugi_types::{ClusterId, MetadataOffset};

/// Failed to open a controller.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// The quorum's engine refused.
    #[error(transparent)]
    Quorum(#[from] quorum::EngineError),
    /// The snapshot on disk cannot be read.
    #[error(
        "failed to read the metadata snapshot at offset {offset}: it is damaged, or newer than this program"
    )]
    Snapshot {
        /// The last entry in it.
        offset: MetadataOffset,
        /// Why.
        #[source]
        source: postcard::Error,
    },
    /// The directory is another cluster's.
    #[error(
        "failed to open controller: its metadata is of cluster {found}, but cluster.id is {configured}"
    )]
    OtherCluster {
        /// The cluster in the metadata.
        found: ClusterId,
        /// The cluster configured.
        configured: ClusterId,
    },
}
