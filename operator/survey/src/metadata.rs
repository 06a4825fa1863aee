//! An answer to Metadata for all topics: brokers with racks, topics, partitions with replicas and
//! leaders.

use std::collections::BTreeMap;

use kafka_protocol::messages::MetadataResponse;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kintsugi_types::{Endpoint, ErrorCode};

use crate::observation::{Cluster, Partition, PartitionKey};

/// Where the brokers that live listen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// By broker id.
    pub endpoints: BTreeMap<i32, Endpoint>,
}

/// Why an answer cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// The broker refused.
    #[error("failed to read {what}: the broker answered {code}")]
    Refused {
        /// What was asked for.
        what: String,
        /// Kafka's error.
        code: ErrorCode,
    },
    /// The broker told a port that cannot be one.
    #[error("failed to read the brokers: broker {broker} is said to listen on port {port}")]
    Port {
        /// Which.
        broker: i32,
        /// Its port.
        port: i32,
    },
}

/// What an answer says of the whole cluster.
///
/// # Errors
/// [`MetadataError`]: a topic that the broker does not tell of would be planned around.
pub fn cluster_of(answer: &MetadataResponse) -> Result<(Cluster, Reached), MetadataError> {
    accepted(|| "the metadata".to_owned(), answer.error_code)?;
    let mut reached = Reached::default();
    let mut cluster = Cluster::default();
    for broker in &answer.brokers {
        let id = broker.node_id.0;
        let port = u16::try_from(broker.port).map_err(|_| MetadataError::Port {
            broker: id,
            port: broker.port,
        })?;
        let host = broker.host.to_string();
        reached.endpoints.insert(id, Endpoint { host, port });
        let rack = broker.rack.as_ref().map(ToString::to_string);
        cluster
            .brokers
            .insert(id, rack.filter(|rack| !rack.is_empty()));
    }
    for topic in &answer.topics {
        add_topic(&mut cluster, topic)?;
    }
    Ok((cluster, reached))
}

fn add_topic(cluster: &mut Cluster, topic: &MetadataResponseTopic) -> Result<(), MetadataError> {
    let Some(name) = topic.name.as_ref().map(|name| name.to_string()) else {
        return Ok(());
    };
    // A topic that is being deleted has no partitions to plan for.
    if topic.error_code == ErrorCode::UnknownTopicOrPartition.code() {
        return Ok(());
    }
    accepted(|| format!("topic {name}"), topic.error_code)?;
    for partition in &topic.partitions {
        let key = PartitionKey {
            topic: name.clone(),
            number: partition.partition_index,
        };
        let leader = partition.leader_id.0;
        let value = Partition {
            replicas: partition.replica_nodes.iter().map(|id| id.0).collect(),
            in_sync: partition.isr_nodes.iter().map(|id| id.0).collect(),
            leader: (leader >= 0).then_some(leader),
        };
        cluster.partitions.insert(key, value);
    }
    Ok(())
}

fn accepted(what: impl FnOnce() -> String, code: i16) -> Result<(), MetadataError> {
    if code == ErrorCode::None.code() {
        return Ok(());
    }
    Err(MetadataError::Refused {
        what: what(),
        code: ErrorCode::from_code(code).unwrap_or(ErrorCode::UnknownServerError),
    })
}
