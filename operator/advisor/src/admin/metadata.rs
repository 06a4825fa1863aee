//! Metadata: brokers with racks, topics, partitions with replicas and leaders.

use std::collections::BTreeMap;

use kintsugi_client::messages::MetadataRequest;
use kintsugi_types::{Endpoint, ErrorCode};

use super::{AdminError, Session, refused};
use crate::observation::{Cluster, Partition, PartitionKey};

/// Where the brokers that live listen.
#[derive(Clone, Debug, Default)]
pub struct Reached {
    /// By broker id.
    pub endpoints: BTreeMap<i32, Endpoint>,
}

/// Whoever answered; Metadata does not tell which broker that is.
const ASKED: i32 = -1;

pub(super) async fn read(session: &Session) -> Result<(Cluster, Reached), AdminError> {
    let request = MetadataRequest::default()
        .with_topics(None)
        .with_allow_auto_topic_creation(false);
    let failed = |source| AdminError::Broker {
        what: "the metadata",
        broker: ASKED,
        source,
    };
    let answer = session.request(&request).await.map_err(failed)?;
    refused("the metadata", ASKED, answer.error_code)?;
    let mut reached = Reached::default();
    let mut cluster = Cluster::default();
    for broker in &answer.brokers {
        let id = broker.node_id.0;
        let port = u16::try_from(broker.port).map_err(|_| AdminError::Port {
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
        let Some(name) = topic.name.as_ref().map(|name| name.to_string()) else {
            continue;
        };
        // A topic that is being deleted has no partitions to plan for.
        if topic.error_code == ErrorCode::UnknownTopicOrPartition.code() {
            continue;
        }
        refused("a topic's metadata", ASKED, topic.error_code)?;
        for partition in &topic.partitions {
            let key = PartitionKey {
                topic: name.clone(),
                number: partition.partition_index,
            };
            let leader = partition.leader_id.0;
            let value = Partition {
                replicas: partition.replica_nodes.iter().map(|id| id.0).collect(),
                leader: (leader >= 0).then_some(leader),
            };
            cluster.partitions.insert(key, value);
        }
    }
    Ok((cluster, reached))
}
