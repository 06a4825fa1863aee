//! A history of the load that people give: read where less than a day of load is known, and told.

use k8s_openapi::jiff::Timestamp;
use kintsugi_crds::{Autoscaling, AutoscalingHistory, KafkaCluster};
use kube::Resource as _;

use super::HISTORY_EVERY;
use crate::act::announce;
use crate::build::config_map::default_replication_factor;
use crate::causes::with_causes;
use crate::cluster::Cluster;
use crate::observe::{ObserveError, ObservedHistory, read_history};
use crate::plan::Announcement;
use crate::reconcile::Context;
use crate::remembered::Key;
use crate::scale::history::{HistoryError, parse};
use crate::scale::settings::settings;
use crate::scale::training::{Shape, Trained, TrainingError, train};

/// Why a history is not used.
#[derive(Debug, thiserror::Error)]
enum GivenError {
    #[error("it is not there: create it, or take spec.brokers.autoscaling.history away")]
    NoConfigMap,
    #[error(
        "it has no key {0}: put the CSV there, or name its key in spec.brokers.autoscaling.history"
    )]
    NoKey(String),
    #[error("it cannot be read")]
    Observe(#[from] ObserveError),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    Training(#[from] TrainingError),
    #[error("learning from it ended early")]
    Ended(#[from] tokio::task::JoinError),
    #[error(transparent)]
    Scaler(#[from] kintsugi_forecast::RestoreError),
}

impl Context {
    /// Learns from the history that people give, where so little of the load is known that it is of
    /// use. What is refused is read again now and then; nothing waits for it.
    pub(super) async fn take_history(
        &self,
        resource: &KafkaCluster,
        key: &Key,
        cluster: &Cluster,
        now: Timestamp,
    ) {
        let Some(autoscaling) = cluster.autoscaling.as_ref() else {
            return;
        };
        let Some(history) = autoscaling.history.as_ref() else {
            return;
        };
        let (uid, learned) = (&cluster.uid, &self.learned);
        if !self.scales.lacks_history(key, uid, now) || !learned.may_read_history(key, uid, now) {
            return;
        }
        let taken = self.learn_history(key, cluster, autoscaling, history, now);
        let news = news(history, &Box::pin(taken).await);
        if learned.is_news_of_history(key, uid, &news.note) {
            tracing::info!(cluster = key.1, reason = news.reason, "{}", news.note);
            announce(&self.recorder, &resource.object_ref(&()), &news).await;
        }
    }

    /// Says what was learned, in words.
    async fn learn_history(
        &self,
        key: &Key,
        cluster: &Cluster,
        autoscaling: &Autoscaling,
        history: &AutoscalingHistory,
        now: Timestamp,
    ) -> Result<String, GivenError> {
        let bytes = match read_history(&self.client, &cluster.namespace, history).await? {
            ObservedHistory::Held(bytes) => bytes,
            ObservedHistory::NoConfigMap => return Err(GivenError::NoConfigMap),
            ObservedHistory::NoKey => return Err(GivenError::NoKey(history.key.clone())),
        };
        let shape = Shape {
            copies: default_replication_factor(cluster),
            brokers: u32::try_from(cluster.brokers.replicas).unwrap_or(1),
        };
        let settings = settings(autoscaling);
        // Three weeks of minutes take tenths of a second, and other clusters are looked at meanwhile.
        let learning = move || -> Result<Trained, GivenError> {
            Ok(train(&parse(&bytes)?, shape, settings, now)?)
        };
        let trained = tokio::task::spawn_blocking(learning).await??;
        let scales = &self.scales;
        scales.learn(key, &cluster.uid, autoscaling, trained.models)?;
        Ok(trained.words)
    }
}

/// What people are told.
fn news(history: &AutoscalingHistory, taken: &Result<String, GivenError>) -> Announcement {
    let name = &history.config_map;
    match taken {
        Ok(words) => {
            let note = format!("By the history in ConfigMap {name}, {words}");
            Announcement::of(name, "HistoryLearned", note)
        }
        Err(error) => {
            let note = format!(
                "The history in ConfigMap {name} is not used: {}. The load is learned as it comes; it \
                 is read again each {} min",
                with_causes(error),
                HISTORY_EVERY.as_mins()
            );
            Announcement {
                warning: true,
                ..Announcement::of(name, "HistoryRefused", note)
            }
        }
    }
}
