//! Telling people of skewed partitions: an Event each, once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use k8s_openapi::api::core::v1::ObjectReference;
use kintsugi_crds::KafkaCluster;
use kintsugi_load::{Skew, TopicPartition, skews};
use kube::Resource;

use super::{ClusterLoad, lock};
use crate::plan::Announcement;
use crate::reconcile::Context;
use crate::remembered::Key;

/// Skewed partitions that are told of in one round.
const TOLD_MAX: usize = 5;

/// A partition that was told of is told of again after so long, if it is skewed then.
const AGAIN_AFTER_MS: u64 = 24 * 3_600_000;

/// Which partitions people were told of, and when.
pub type Announced = BTreeMap<TopicPartition, u64>;

/// The skewed partitions that nobody was told of lately.
fn news(load: &mut ClusterLoad, now: u64) -> Vec<Skew> {
    load.announced
        .retain(|_, at| now.saturating_sub(*at) < AGAIN_AFTER_MS);
    if !load.model.is_useful() {
        return Vec::new();
    }
    let skews = skews(&load.model).into_iter();
    let mut news: Vec<Skew> = skews
        .filter(|skew| !load.announced.contains_key(&skew.partition))
        .collect();
    news.truncate(TOLD_MAX);
    for skew in &news {
        load.announced.insert(skew.partition.clone(), now);
    }
    news
}

/// Publishes an Event for each.
pub async fn announce(context: &Context, key: &Key, load: &Arc<Mutex<ClusterLoad>>) {
    let (news, uid) = {
        let mut load = lock(load);
        (news(&mut load, context.loads.now()), load.uid.clone())
    };
    let (namespace, cluster) = key;
    let reference = ObjectReference {
        api_version: Some(KafkaCluster::api_version(&()).into_owned()),
        kind: Some(KafkaCluster::kind(&()).into_owned()),
        namespace: Some(namespace.clone()),
        name: Some(cluster.clone()),
        uid: Some(uid),
        ..ObjectReference::default()
    };
    for skew in news {
        let TopicPartition { topic, number } = &skew.partition;
        tracing::info!(namespace, cluster, "{}", skew.suggestion);
        let note = skew.suggestion.clone();
        let announcement = Announcement::of(&format!("{topic}-{number}"), "PartitionSkewed", note);
        crate::act::announce(&context.recorder, &reference, &announcement).await;
    }
}
