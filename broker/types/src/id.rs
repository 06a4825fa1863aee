//! Identifiers of brokers, controllers, clusters and directories.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! integer_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}
pub(crate) use integer_id;

integer_id! {
    /// A broker's id (`node.id` of a process with the broker role). Zero or more.
    BrokerId(i32)
}

integer_id! {
    /// A controller's id (`node.id` of a process with the controller role): a voter of the quorum.
    ControllerId(i32)
}

integer_id! {
    /// A producer's id, handed out by the quorum in blocks.
    ProducerId(i64)
}

/// The id of one log directory, drawn when it is formatted and kept in its `meta.properties`
/// (KIP-858). A new directory under an old node id is how a lost disk is recognised.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DirectoryId(pub Uuid);

impl fmt::Display for DirectoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A cluster's id: 1 to [`ClusterId::LENGTH_MAX`] characters of `[A-Za-z0-9_-]`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterId(Arc<str>);

impl ClusterId {
    /// The longest cluster id, in bytes.
    pub const LENGTH_MAX: usize = 64;

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Failed to parse a cluster id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("failed to parse cluster id: it must have 1 to 64 characters of A-Z, a-z, 0-9, '_' or '-'")]
pub struct ParseClusterIdError;

impl FromStr for ClusterId {
    type Err = ParseClusterIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if text.is_empty() || text.len() > Self::LENGTH_MAX || !text.bytes().all(legal) {
            return Err(ParseClusterIdError);
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for ClusterId {
    type Error = ParseClusterIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ClusterId> for String {
    fn from(id: ClusterId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The rack of a broker (`broker.rack`): on Kubernetes usually the node's zone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rack(pub Arc<str>);

impl fmt::Display for Rack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
