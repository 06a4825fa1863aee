//! Reading what was kept when a cluster is first looked at, and writing what is to be kept.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kintsugi_crds::KafkaCluster;
use kube::Resource as _;

use super::memory::Slot;
use super::{LearnedError, Part, open, seal};
use crate::act::{ActError, announce, keep};
use crate::build::learned;
use crate::causes::with_causes;
use crate::cluster::Cluster;
use crate::observe::{ObserveError, ObservedLearned, read_learned};
use crate::plan::Announcement;
use crate::reconcile::Context;
use crate::remembered::Key;
use crate::told::seconds;

/// How long an operator that stops may take to write what it has learned: what is left of a pod's
/// grace period is for giving the lease back.
pub const STOP_LIMIT: Duration = Duration::from_secs(8);

impl Context {
    /// Takes up what another process has kept of `cluster`, a part at a time, before anything is
    /// decided by it for the first time.
    ///
    /// # Errors
    /// [`ObserveError`] if the API server does not say what is there: that is no reason to forget it.
    pub async fn take_up(
        &self,
        resource: &KafkaCluster,
        cluster: &Cluster,
        now: Timestamp,
    ) -> Result<(), ObserveError> {
        let key = (cluster.namespace.clone(), cluster.name.clone());
        for part in Part::ALL {
            // What people choose is decided by nothing that was learned.
            let is_wanted = match part {
                Part::Autoscaling => cluster.autoscaling.is_some(),
                Part::Load => true,
                Part::Storage => cluster.storage_autoscaling.is_some(),
            };
            if !is_wanted || !self.learned.is_unread(&key, &cluster.uid, part) {
                continue;
            }
            let name = learned::name(&cluster.name, part);
            let found = read_learned(&self.client, &cluster.namespace, &name).await?;
            let taken = self.take_up_part(&key, cluster, part, found.as_ref(), now);
            let slot = Slot {
                version: found.map(|found| found.resource_version),
                at: now,
                blocked: matches!(taken, Err(LearnedError::NotOurs)),
            };
            self.learned.note(&key, &cluster.uid, part, slot);
            if let Some(news) = news(&name, &taken) {
                tracing::info!(cluster = name, reason = news.reason, "{}", news.note);
                announce(&self.recorder, &resource.object_ref(&()), &news).await;
            }
        }
        self.take_history(resource, &key, cluster, now).await;
        Ok(())
    }

    /// Says what was taken up, in words; None where there was nothing.
    fn take_up_part(
        &self,
        key: &Key,
        cluster: &Cluster,
        part: Part,
        found: Option<&ObservedLearned>,
        now: Timestamp,
    ) -> Result<Option<String>, LearnedError> {
        let Some(found) = found else {
            return Ok(None);
        };
        if !found.is_ours {
            return Err(LearnedError::NotOurs);
        }
        let opened = open(part, &cluster.uid, now, &found.bytes)?;
        let what = match (part, cluster.autoscaling.as_ref()) {
            (Part::Autoscaling, Some(autoscaling)) => {
                let scales = &self.scales;
                scales.take_up(key, &cluster.uid, autoscaling, opened.payload, now)?
            }
            (Part::Autoscaling, None) => return Ok(None),
            (Part::Load, _) => {
                let age = now.duration_since(opened.written).as_millis();
                let age_ms = u64::try_from(age.max(0)).unwrap_or(u64::MAX);
                self.loads.take_up(key, opened.payload, age_ms)?
            }
            (Part::Storage, _) => {
                let storages = &self.storages;
                storages.take_up(key, &cluster.uid, opened.payload, now)?
            }
        };
        let written = seconds(opened.written);
        Ok(Some(format!("written at {written}: {what}")))
    }

    /// Writes the parts of a cluster that are due; all of them `at_once`. What cannot be written is
    /// told, and tried again when it is due next: nothing else waits for it.
    pub async fn keep(&self, key: &Key, uid: &str, now: Timestamp, at_once: bool) {
        for part in Part::ALL {
            let Some(slot) = self.learned.due(key, uid, part, now, at_once) else {
                continue;
            };
            let kept = match part {
                Part::Autoscaling => self.scales.keep(key, uid),
                Part::Load => self.loads.keep(key, uid),
                Part::Storage => self.storages.keep(key, uid),
            };
            let Some(kept) = kept else {
                continue;
            };
            let sealed = kept.and_then(|payload| seal(part, uid, now, &payload));
            let version = match sealed {
                Ok(bytes) => self.write(key, uid, part, &slot, bytes).await,
                Err(error) => {
                    self.not_kept(key, uid, part, &with_causes(&error)).await;
                    slot.version
                }
            };
            let slot = Slot {
                version,
                at: now,
                blocked: false,
            };
            self.learned.note(key, uid, part, slot);
        }
    }

    /// Writes one part in place of the version that is known; gives the version that is there then.
    async fn write(
        &self,
        key: &Key,
        uid: &str,
        part: Part,
        slot: &Slot,
        bytes: Vec<u8>,
    ) -> Option<String> {
        let (namespace, cluster) = key;
        let length = bytes.len();
        let object = learned::build(namespace, cluster, uid, part, bytes);
        let written = keep::write(&self.client, &object, slot.version.as_deref()).await;
        match written {
            Ok(version) => {
                self.metrics.learned(namespace, cluster, part, length);
                version
            }
            Err(ActError::Conflict { .. }) => {
                // Another operator was faster, or it was deleted: what is there by now is replaced
                // when it is due next, unless the lease is lost by then.
                let name = learned::name(cluster, part);
                tracing::info!(namespace, cluster, "{name} is not as it was last seen here");
                let found = read_learned(&self.client, namespace, &name).await;
                match found {
                    Ok(found) => found.map(|found| found.resource_version),
                    Err(_) => slot.version.clone(),
                }
            }
            Err(error) => {
                self.not_kept(key, uid, part, &with_causes(&error)).await;
                slot.version.clone()
            }
        }
    }

    async fn not_kept(&self, key: &Key, uid: &str, part: Part, why: &str) {
        let (namespace, cluster) = key;
        let name = learned::name(cluster, part);
        let note = format!(
            "What is learned cannot be kept in ConfigMap {name}: {why}. An operator that starts \
             learns it anew"
        );
        tracing::warn!(namespace, cluster, "{note}");
        let news = Announcement {
            warning: true,
            ..Announcement::of(&name, "LearnedNotKept", note)
        };
        let about = learned::reference(namespace, cluster, uid);
        announce(&self.recorder, &about, &news).await;
    }

    /// Writes everything that was learned, because this operator stops.
    pub async fn keep_all(&self) {
        let now = Timestamp::now();
        let clusters = self.learned.clusters();
        let count = clusters.len();
        let write = async {
            for (key, uid) in &clusters {
                self.keep(key, uid, now, true).await;
            }
        };
        match tokio::time::timeout(STOP_LIMIT, write).await {
            Ok(()) => tracing::info!(clusters = count, "kept what was learned"),
            Err(_) => tracing::warn!("not everything that was learned was kept in time"),
        }
    }
}

/// What people are told of a part that was found.
fn news(name: &str, taken: &Result<Option<String>, LearnedError>) -> Option<Announcement> {
    match taken {
        Ok(None) => None,
        Ok(Some(what)) => {
            let note = format!("Goes on with what was learned, ConfigMap {name}, {what}");
            Some(Announcement::of(name, "LearnedTakenUp", note))
        }
        Err(error) => {
            let note = format!(
                "ConfigMap {name} with what was learned is not used: {}. It is learned anew, and \
                 nothing shrinks before a whole window was observed",
                with_causes(error)
            );
            Some(Announcement {
                warning: true,
                ..Announcement::of(name, "LearnedRefused", note)
            })
        }
    }
}
