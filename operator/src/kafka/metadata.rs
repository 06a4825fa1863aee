//! Metadata: every broker that lives, and every partition.

use kintsugi_client::messages::MetadataRequest;
use kintsugi_survey::{Cluster, cluster_of};

use super::{KafkaError, Session};

/// What stands where, as the session's broker knows it.
///
/// # Errors
/// [`KafkaError`].
pub async fn cluster(session: &Session) -> Result<Cluster, KafkaError> {
    let request = MetadataRequest::default()
        .with_topics(None)
        .with_allow_auto_topic_creation(false);
    let answer = session.request(&request).await?;
    let (cluster, _) = cluster_of(&answer)?;
    Ok(cluster)
}
