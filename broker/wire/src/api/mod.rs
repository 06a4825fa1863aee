//! The one table of the Kafka APIs: what is served, advertised, dispatched on and counted.
//!
//! Guarantees: every row has the layout of its requests and responses in all the versions that it
//! names, so that nothing is decoded unchecked. Versions are chosen here and not taken from the
//! protocol crate, whose ranges include unstable ones.

mod table;
#[cfg(test)]
mod tests;

pub use table::TABLE;

use crate::schema::Schema;

/// The APIs that this crate can decode. The number is Kafka's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(i16)]
#[allow(missing_docs)]
pub enum ApiKey {
    Produce = 0,
    Fetch = 1,
    ListOffsets = 2,
    Metadata = 3,
    OffsetCommit = 8,
    OffsetFetch = 9,
    FindCoordinator = 10,
    JoinGroup = 11,
    Heartbeat = 12,
    LeaveGroup = 13,
    SyncGroup = 14,
    DescribeGroups = 15,
    ListGroups = 16,
    ApiVersions = 18,
    CreateTopics = 19,
    DeleteTopics = 20,
    DeleteRecords = 21,
    InitProducerId = 22,
    OffsetForLeaderEpoch = 23,
    DescribeConfigs = 32,
    AlterConfigs = 33,
    DescribeLogDirs = 35,
    CreatePartitions = 37,
    DeleteGroups = 42,
    ElectLeaders = 43,
    IncrementalAlterConfigs = 44,
    AlterPartitionReassignments = 45,
    ListPartitionReassignments = 46,
    OffsetDelete = 47,
    DescribeQuorum = 55,
    DescribeCluster = 60,
    UnregisterBroker = 64,
    DescribeTopicPartitions = 75,
}

/// One API: a row of [`TABLE`].
#[derive(Clone, Copy, Debug)]
pub struct Api {
    /// Which.
    pub key: ApiKey,
    /// Its name: also its label in metrics.
    pub name: &'static str,
    /// The lowest version that is decoded.
    pub version_min: i16,
    /// The highest version that is decoded.
    pub version_max: i16,
    /// The lowest version that ApiVersions tells, which for Produce is below `version_min`:
    /// librdkafka before 2.11.1 drops gzip, snappy and lz4 unless it sees version 0
    /// (KAFKA-18659).
    pub advertised_min: i16,
    pub(crate) request: Schema,
    pub(crate) response: Schema,
}

/// Rows are told apart by their key: there is one row a key.
impl PartialEq for Api {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Api {}

impl Api {
    /// The row of an API, by Kafka's number.
    #[must_use]
    pub fn find(key: i16) -> Option<&'static Self> {
        TABLE.iter().find(|api| api.key as i16 == key)
    }

    /// Whether requests of this version can be decoded.
    #[must_use]
    pub const fn has_version(&self, version: i16) -> bool {
        self.version_min <= version && version <= self.version_max
    }

    /// Whether the request header of this version has tagged fields (header version 2).
    #[must_use]
    pub const fn has_flexible_request_header(&self, version: i16) -> bool {
        version >= self.request.flexible_since
    }

    /// Whether the response header of this version has tagged fields (header version 1). That of
    /// ApiVersions never has: its reader does not know yet what the broker speaks (KIP-511).
    #[must_use]
    pub const fn has_flexible_response_header(&self, version: i16) -> bool {
        !matches!(self.key, ApiKey::ApiVersions) && version >= self.response.flexible_since
    }

    /// The rows that ApiVersions tells: (key, lowest version, highest version).
    pub fn advertised() -> impl Iterator<Item = (ApiKey, i16, i16)> {
        TABLE
            .iter()
            .map(|api| (api.key, api.advertised_min, api.version_max))
    }
}
