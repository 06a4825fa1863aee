//! The watch of KafkaTopics.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kintsugi_crds::KafkaTopic;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::{Config, Controller, Error};
use kube::runtime::watcher;
use kube::{Api, Client};

use super::reconcile::{error_policy, reconcile};
use crate::reconcile::Context;
use crate::run::{WATCH_PAGE_SIZE, scoped};

/// Topics that are looked at at once.
const CONCURRENCY: u16 = 4;
/// Events within this time lead to one look.
const DEBOUNCE: Duration = Duration::from_millis(50);

/// Looks at topics of a namespace, or of all, whenever one changes and whenever it is time. The
/// watch carries metadata only and only triggers: what is decided on is read live. KafkaClusters
/// are not watched for topics: while a cluster fails over its status changes often, and each change
/// would call for a look at all of its topics; those that wait for it look again by themselves.
pub async fn control_in(client: &Client, namespace: Option<&str>, context: Arc<Context>) {
    let topics: Api<PartialObjectMeta<KafkaTopic>> = scoped(client, namespace);
    let main = watcher::Config::default()
        .any_semantic()
        .page_size(WATCH_PAGE_SIZE);
    let metrics = Arc::clone(&context);
    let config = Config::default()
        .concurrency(CONCURRENCY)
        .debounce(DEBOUNCE);
    Controller::new(topics, main)
        .with_config(config)
        .run(reconcile, error_policy, context)
        .for_each(|looked| async {
            match looked {
                Ok(_) => {}
                // Its next look was due, and it is gone. A deletion itself calls for no look.
                Err(Error::ObjectNotFound(gone)) => {
                    let namespace = gone.namespace.as_deref().unwrap_or_default();
                    metrics.metrics.forget_topic(namespace, &gone.name);
                }
                // Failures of a look were logged by the error policy; the rest is about watches.
                Err(error) => tracing::debug!(%error, "a watch or a look failed"),
            }
        })
        .await;
}
