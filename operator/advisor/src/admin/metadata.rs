//! Metadata: brokers with racks, topics, partitions with replicas and leaders.

use kintsugi_client::messages::MetadataRequest;
use kintsugi_survey::{Reached, cluster_of};

use super::{AdminError, Session};
use crate::observation::Cluster;

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
    Ok(cluster_of(&answer)?)
}
