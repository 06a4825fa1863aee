//! What passes through each partition, for the operator's load model and for dashboards.
//!
//! Guarantees: shards are asked at most once in [`AGE_MAX`], however many ask here; an answer comes
//! within [`WAIT_MAX`] or says 503. Counters only grow while the process runs; its start time tells
//! one run from another. Never touches what shards work with: they answer between two events.

mod groups;
mod json;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use kintsugi_metadata::Image;
use kintsugi_node::message::load::PartitionLoad;
use kintsugi_types::{Time, TopicName};
use tokio::sync::Mutex;
use tokio::time::timeout;

pub use groups::groups;

use super::quorum::{Json, not_decided};
use super::{App, Shared};

/// How old an answer may be. A scrape costs each shard a pass over its partitions.
const AGE_MAX: Duration = Duration::from_millis(500);

/// How long the shards may take.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// What the shards last told.
pub type Gathered = Mutex<Option<Arc<Loads>>>;

/// What the shards told at one moment.
#[derive(Debug)]
pub struct Loads {
    /// When.
    at: Time,
    /// By topic, in order of the partition's number.
    topics: BTreeMap<TopicName, Vec<PartitionLoad>>,
}

impl Loads {
    fn new(at: Time, loads: Vec<PartitionLoad>, image: &Image) -> Self {
        let mut topics: BTreeMap<TopicName, Vec<PartitionLoad>> = BTreeMap::new();
        for load in loads {
            // A partition whose topic was deleted meanwhile is about to go here, too.
            let Some(topic) = image.topics.get(&load.partition.topic) else {
                continue;
            };
            match topics.get_mut(&topic.name) {
                Some(loads) => loads.push(load),
                None => {
                    topics.insert(topic.name.clone(), vec![load]);
                }
            }
        }
        for loads in topics.values_mut() {
            loads.sort_unstable_by_key(|load| load.partition.index);
        }
        Self { at, topics }
    }
}

/// What the shards tell, asked again if it is too old.
async fn gather(app: &App) -> Result<Arc<Loads>, Box<Response>> {
    let Some(broker) = app.broker() else {
        return Err(Box::new(not_decided("the process is starting")));
    };
    // Whoever asks meanwhile waits here, and takes the same answer.
    let mut gathered = app.loads.lock().await;
    if let Some(loads) = gathered.as_ref()
        && app.clock.now().since(loads.at) < AGE_MAX
    {
        return Ok(Arc::clone(loads));
    }
    let asked = futures::future::try_join_all(broker.describe_loads());
    let Ok(Ok(answers)) = timeout(WAIT_MAX, asked).await else {
        return Err(Box::new(not_decided("a shard did not answer in time")));
    };
    let image = broker.image().image;
    let loads = Loads::new(
        app.clock.now(),
        answers.into_iter().flatten().collect(),
        &image,
    );
    Ok(Arc::clone(gathered.insert(Arc::new(loads))))
}

/// `GET /v1/load`: the process and all of its partitions, compact.
pub async fn json(State(app): Shared) -> Response {
    match gather(&app).await {
        Ok(loads) => Json(json::answer(&app, &loads)).into_response(),
        Err(refused) => *refused,
    }
}

/// `GET /metrics/partitions`: partitions in Prometheus's text, up to
/// `kintsugi.metrics.partitions.max`.
pub async fn partitions(State(app): Shared) -> Response {
    match gather(&app).await {
        Ok(loads) => {
            let max = app.settings.size("kintsugi.metrics.partitions.max");
            let text = text::render(&loads, max);
            let head = [("content-type", "text/plain; version=0.0.4")];
            (StatusCode::OK, head, text).into_response()
        }
        Err(refused) => *refused,
    }
}

#[cfg(test)]
mod tests;
