//! DescribeCluster: which cluster a broker belongs to.

use kintsugi_client::messages::DescribeClusterRequest;

use super::{KafkaError, Session, accepted};

/// The id of the cluster that the session's broker belongs to.
///
/// # Errors
/// [`KafkaError`].
pub async fn cluster_id(session: &Session) -> Result<String, KafkaError> {
    let answer = session.request(&DescribeClusterRequest::default()).await?;
    accepted(
        || "learn the cluster's id".to_owned(),
        answer.error_code,
        answer.error_message.as_ref(),
    )?;
    Ok(answer.cluster_id.to_string())
}
