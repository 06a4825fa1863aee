//! The status is wiped again and again while the cluster grows and is restarted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::ensure;
use serde_json::{Value, json};

use super::baseline;
use super::beside::Beside;
use super::environment::{Environment, HEAL_LIMIT};
use super::grow::wait_for_brokers;
use super::rolling_restart::{change_setting, nodes, wait_for_new_pods};
use super::under_load;
use super::watched::Watched;
use crate::kubernetes::api::Kubernetes;

/// The time between two looks at whether there is a status to wipe.
const WIPE_INTERVAL: Duration = Duration::from_millis(20);
/// The least number of wipes for a step to mean anything.
const WIPES_MIN: usize = 5;

/// Adds a broker and restarts every node, with the status wiped as soon as it is written. The end
/// is what it would be otherwise: no volume, pod or restart more, and the same conditions.
///
/// # Errors
/// If the end is another, two nodes are down at once, or a record is lost.
pub fn run(environment: &mut Environment) -> anyhow::Result<()> {
    under_load::run_planned(environment, "status-wiped", |environment, _| {
        let (kubernetes, cluster) = (&environment.kubernetes, &environment.cluster);
        let expected = conditions(&kubernetes.cluster_status(cluster)?);
        let claims = kubernetes.claims(cluster)?;
        let before = nodes(environment)?;
        let brokers = environment.brokers()?.len();
        let wiper = Wiper::begin(environment)?;

        let change = json!({"spec": {"brokers": {"replicas": brokers + 1}}});
        kubernetes.patch_cluster(cluster, &change)?;
        wait_for_brokers(environment, brokers + 1)?;
        println!(
            "  grew to {} brokers, {} wipes",
            brokers + 1,
            wiper.taken(0)?
        );
        let grown = nodes(environment)?;
        let kept = before.iter().all(|(id, old)| grown[id].uid == old.uid);
        ensure!(kept, "growing replaced a pod");

        let watched = Watched::begin(environment)?;
        let so_far = wiper.count.load(Ordering::Relaxed);
        change_setting(environment)?;
        wait_for_new_pods(environment, &grown)?;
        println!("  restarted every node, {} wipes", wiper.taken(so_far)?);
        watched.end()?.ensure_one_at_a_time(grown.len(), 2)?;
        wiper.goes_on.end()?;

        baseline::wait(environment, HEAL_LIMIT)?;
        // The operator's last acts follow the last pod: until then it says that it goes on.
        kubernetes.wait("the same conditions as before", HEAL_LIMIT, |kubernetes| {
            let now = conditions(&kubernetes.cluster_status(cluster)?);
            let difference = format!("they were {expected:?} and are {now:?}");
            Ok((now == expected).then_some(()).ok_or(difference))
        })?;
        let mut added = kubernetes.claims(cluster)?;
        let kept = claims
            .iter()
            .all(|(name, uid)| added.remove(name).as_ref() == Some(uid));
        ensure!(kept, "a claim is gone or another");
        ensure!(added.len() == 1, "expected one new claim, found {added:?}");
        println!("  the same conditions as before, and one new claim");
        Ok(())
    })
}

/// The status of each condition, by type.
fn conditions(status: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = status["conditions"].as_array().into_iter().flatten();
    all.map(|one| (text(&one["type"]), text(&one["status"])))
        .collect()
}

/// Wipes the status whenever there is one, from a thread of its own.
struct Wiper {
    count: Arc<AtomicUsize>,
    goes_on: Beside<()>,
}

impl Wiper {
    fn begin(environment: &Environment) -> anyhow::Result<Self> {
        let namespace = &environment.kubernetes.namespace;
        let kubernetes = Kubernetes::connect(&environment.kubeconfig, namespace)?;
        let cluster = environment.cluster.clone();
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let goes_on = Beside::begin("wipe", WIPE_INTERVAL, (), move |()| {
            let wiped = kubernetes.wipe_status(&cluster)?;
            counted.fetch_add(usize::from(wiped), Ordering::Relaxed);
            Ok(())
        });
        Ok(Self {
            count,
            goes_on: goes_on?,
        })
    }

    /// The wipes since `before`: enough of them, or the step showed nothing.
    fn taken(&self, before: usize) -> anyhow::Result<usize> {
        let taken = self.count.load(Ordering::Relaxed) - before;
        ensure!(
            taken >= WIPES_MIN,
            "only {taken} wipes: the step showed nothing"
        );
        Ok(taken)
    }
}
