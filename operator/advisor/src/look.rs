//! Reads a cluster as often as rates need, and makes the planner's input of it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use kintsugi_types::Endpoint;

use crate::admin::{AdminError, read_cluster, read_log_directories};
use crate::model::{Capacities, Prepared, prepare};
use crate::observation::measure;

/// Looks twice, `between` apart, for rates; once, without rates, where that is zero. What is where
/// comes from the second look. Brokers of `leaving` must be emptied.
///
/// # Errors
/// [`AdminError`].
pub async fn look(
    bootstrap: &[Endpoint],
    between: Duration,
    capacities: &Capacities,
    leaving: &BTreeSet<i32>,
) -> Result<Prepared, AdminError> {
    let mut earlier = None;
    if !between.is_zero() {
        let (_, reached) = read_cluster(bootstrap).await?;
        let sizes = read_log_directories(&reached).await?;
        earlier = Some((sizes, Instant::now()));
        tokio::time::sleep(between).await;
    }
    let (cluster, reached) = read_cluster(bootstrap).await?;
    let sizes = read_log_directories(&reached).await?;
    let earlier = earlier
        .as_ref()
        .map(|(sizes, since)| (sizes, since.elapsed()));
    let measured = measure(earlier, &sizes);
    Ok(prepare(&cluster, &sizes, &measured, capacities, leaving))
}
