//! The watch of KafkaRebalances.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kintsugi_crds::KafkaRebalance;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::{Config, Controller, Error};
use kube::runtime::watcher;
use kube::{Api, Client};

use super::reconcile::{error_policy, reconcile};
use crate::reconcile::Context;
use crate::run::{WATCH_PAGE_SIZE, scoped};

/// Rebalances that are looked at at once. Of one cluster only one moves anything.
const CONCURRENCY: u16 = 4;
/// Events within this time lead to one look: its own writes are such.
const DEBOUNCE: Duration = Duration::from_millis(50);

/// Looks at rebalances of a namespace, or of all, whenever one changes and whenever it is time. The
/// watch carries metadata only and only triggers: what is decided on is read live.
pub async fn control_in(client: &Client, namespace: Option<&str>, context: Arc<Context>) {
    let rebalances: Api<PartialObjectMeta<KafkaRebalance>> = scoped(client, namespace);
    let main = watcher::Config::default()
        .any_semantic()
        .page_size(WATCH_PAGE_SIZE);
    let forgetful = Arc::clone(&context);
    let config = Config::default()
        .concurrency(CONCURRENCY)
        .debounce(DEBOUNCE);
    Controller::new(rebalances, main)
        .with_config(config)
        .run(reconcile, error_policy, context)
        .for_each(|looked| async {
            match looked {
                Ok(_) => {}
                // Its next look was due, and it is gone.
                Err(Error::ObjectNotFound(gone)) => {
                    let namespace = gone.namespace.as_deref().unwrap_or_default();
                    forgetful.forget_rebalance(namespace, &gone.name);
                }
                // Failures of a look were logged by the error policy; the rest is about watches.
                Err(error) => tracing::debug!(%error, "a watch or a look failed"),
            }
        })
        .await;
}
