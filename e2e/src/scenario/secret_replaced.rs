//! The Secret by which nodes know each other is lost while nobody is there who remembers it.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::chart_lifecycle::ensure_untouched;
use super::delete_pod::wait_for_replacement;
use super::environment::Environment;
use super::rolling_restart::nodes;
use super::under_load;

/// How long an operator that never read the lost Secret may take to make another: three of four live
/// reads must show it gone.
const REPLACED_LIMIT: Duration = Duration::from_secs(60);
/// What the operator says of it.
const EVENT: &str = "SecretReplaced";

/// Uninstalls the chart, deletes the Secret, installs the chart again; then a broker's pod is deleted,
/// and the one that takes its place knows only the new secret. It has to join nodes that may not
/// have read it yet: kubelets bring it within two minutes.
///
/// # Errors
/// If no Secret is made, a node is restarted for it, the new pod does not join, a send fails, or a
/// record is lost.
pub fn run(environment: &mut Environment) -> anyhow::Result<()> {
    let helm = environment.helm.clone().context("there is no helm")?;
    let secret = format!("{}-internal", environment.cluster);
    under_load::run_planned(environment, "secret-replaced", |environment, topology| {
        let before = nodes(environment)?;
        let kubernetes = &environment.kubernetes;
        let lost = kubernetes.secret_uid(&secret)?;
        ensure!(lost.is_some(), "there is no Secret {secret} to lose");
        let values = helm.values()?;
        helm.uninstall()?;
        kubernetes.delete_secret(&secret)?;
        helm.install(&values)?;
        let started = Instant::now();
        kubernetes.wait(
            "the operator to make another Secret",
            REPLACED_LIMIT,
            |kubernetes| {
                let now = kubernetes.secret_uid(&secret)?;
                Ok(if now.is_some() && now != lost {
                    Ok(())
                } else {
                    Err(format!("Secret {secret} is {now:?}"))
                })
            },
        )?;
        println!(
            "  Secret {secret} was lost without an operator; the next one made another after {:.1?}",
            started.elapsed()
        );
        let broker = topology.leads_most().context("the topic has no leaders")?;
        let old = environment.broker(broker)?;
        let started = Instant::now();
        environment.kubernetes.delete_pod(&old.name, None)?;
        let new = wait_for_replacement(environment, &old)?;
        println!(
            "  {} knows only the new secret, and was ready {:.1?} after the old pod was deleted",
            new.name,
            started.elapsed()
        );
        let told = environment
            .kubernetes
            .has_event(EVENT, &environment.cluster)?;
        ensure!(told, "no Event {EVENT} tells of it");
        let others = before.into_iter().filter(|(id, _)| *id != broker).collect();
        ensure_untouched(environment, &others, "the new Secret")
    })
}
