//! Round after round: every cluster, every broker.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream;
use kintsugi_load::read::{self, ANSWER_BYTES_MAX, ReadError};
use tokio::time::{MissedTickBehavior, interval};

use super::{ClusterLoad, Loads, Target, export, lock};
use crate::http_client::{Bounds, HttpError, Method, request_within};
use crate::names::HTTP_PORT;
use crate::reconcile::Context;
use crate::remembered::Key;

/// How often brokers are asked: three answers are needed before rates mean something, which is 15 s
/// after the start at the latest.
const ROUND: Duration = Duration::from_secs(5);

/// What one answer may take.
const BOUNDS: Bounds = Bounds {
    time: Duration::from_secs(3),
    answer_bytes_max: ANSWER_BYTES_MAX,
};

/// Brokers that are asked at once: each answer may be [`ANSWER_BYTES_MAX`], though most are a
/// thousandth of it.
const ASKED_AT_ONCE_MAX: usize = 4;

/// Why a broker's answer is of no use.
#[derive(Debug, thiserror::Error)]
enum PollError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Reads every watched cluster, for ever.
pub async fn run(context: Arc<Context>) {
    let mut rounds = interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        let clusters: Vec<_> = lock(&context.loads.clusters)
            .iter()
            .map(|(key, load)| (key.clone(), Arc::clone(load)))
            .collect();
        for (key, load) in &clusters {
            poll(&context.loads, key, load).await;
            super::announce::announce(&context, key, load).await;
        }
        let text = export::render(&clusters, context.loads.now());
        *lock(&context.loads.exported) = text;
    }
}

/// One round of one cluster.
async fn poll(loads: &Loads, key: &Key, load: &Mutex<ClusterLoad>) {
    let targets = lock(load).targets.clone();
    let asked = stream::iter(targets).map(|target| async move {
        let answers = (sample(&target).await, groups(&target).await);
        (target, answers)
    });
    let mut answered = asked.buffer_unordered(ASKED_AT_ONCE_MAX);
    let mut left_out = 0;
    while let Some((target, (sample, groups))) = answered.next().await {
        let now = loads.now();
        let mut load = lock(load);
        match sample {
            Ok(sample) => load.model.take(target.id, now, &sample),
            Err(error) => {
                load.failures += 1;
                note(key, &target, &error);
            }
        }
        match groups {
            Ok((groups, not_told)) => {
                left_out += not_told;
                load.groups.take(now, groups);
            }
            Err(error) => {
                load.failures += 1;
                note(key, &target, &error);
            }
        }
    }
    lock(load).left_out = left_out;
}

/// Brokers come and go; only an answer that makes no sense is worth a person's time.
fn note(key: &Key, target: &Target, error: &PollError) {
    let (namespace, cluster) = key;
    let broker = target.id;
    let cause = error as &dyn std::error::Error;
    match error {
        PollError::Http(HttpError::Timeout { .. } | HttpError::Connect { .. }) => {
            tracing::debug!(namespace, cluster, broker, cause, "a broker told no load");
        }
        _ => tracing::warn!(namespace, cluster, broker, cause, "a broker told no load"),
    }
}

async fn sample(target: &Target) -> Result<kintsugi_load::BrokerSample, PollError> {
    let answer = get(target, "/v1/load").await?;
    Ok(read::load(&answer)?)
}

async fn groups(target: &Target) -> Result<(Vec<kintsugi_load::GroupOffsets>, u64), PollError> {
    let answer = get(target, "/v1/group-offsets").await?;
    Ok(read::group_offsets(&answer)?)
}

async fn get(target: &Target, path: &str) -> Result<hyper::body::Bytes, HttpError> {
    let (ip, body) = (&target.ip, String::new());
    request_within(BOUNDS, Method::Get, ip, HTTP_PORT, path, body).await
}
