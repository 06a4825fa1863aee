//! `scenarios`: runs scenarios on a real Kubernetes.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, bail};

use crate::host::{load, machine};
use crate::kubernetes::api::Kubernetes;
use crate::kubernetes::localkube::Localkube;
use crate::scenario::environment::Environment;
use crate::scenario::{ALL, SMOKE, Scenario};

/// Which cluster to run on.
#[derive(Clone, Debug, clap::Args)]
pub struct Place {
    /// The kubeconfig of the cluster.
    #[arg(long)]
    pub kubeconfig: PathBuf,
    /// The launcher's binary.
    #[arg(long)]
    pub localkube: PathBuf,
    /// The launcher's name of the cluster.
    #[arg(long)]
    pub name: String,
    /// The KafkaCluster to apply.
    #[arg(long)]
    pub manifest: PathBuf,
    /// The namespace to apply it in.
    #[arg(long, default_value = "kafka")]
    pub namespace: String,
    /// The namespace of the operator.
    #[arg(long, default_value = "kintsugi-system")]
    pub operator_namespace: String,
}

impl Place {
    /// Connects to it.
    ///
    /// # Errors
    /// If a file cannot be read or the cluster not be reached.
    pub fn environment(&self) -> anyhow::Result<Environment> {
        let manifest = std::fs::read_to_string(&self.manifest)
            .with_context(|| format!("failed to read {}", self.manifest.display()))?;
        let object: serde_json::Value = serde_yaml_ng::from_str(&manifest)?;
        let cluster = object
            .pointer("/metadata/name")
            .and_then(serde_json::Value::as_str);
        let cluster = cluster
            .context("the manifest has no metadata.name")?
            .to_owned();
        Ok(Environment {
            kubernetes: Kubernetes::connect(&self.kubeconfig, &self.namespace)?,
            localkube: Localkube {
                binary: self.localkube.clone(),
                name: self.name.clone(),
            },
            cluster,
            manifest,
            operator_namespace: self.operator_namespace.clone(),
            kubeconfig: self.kubeconfig.clone(),
        })
    }
}

/// Runs scenarios one after the other; stops at the first that fails.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// The smoke test only.
    #[arg(long)]
    smoke: bool,
    /// Only these scenarios, by name.
    #[arg(long)]
    only: Vec<String>,
}

/// Runs it.
///
/// # Errors
/// If a scenario fails.
pub fn main(arguments: &Arguments) -> anyhow::Result<()> {
    let set: &[Scenario] = if arguments.smoke { SMOKE } else { ALL };
    for name in &arguments.only {
        if !set.iter().any(|scenario| scenario.name == name) {
            let names: Vec<&str> = set.iter().map(|scenario| scenario.name).collect();
            bail!(
                "there is no scenario {name}; there are {}",
                names.join(", ")
            );
        }
    }
    println!(
        "machine: {}; load average {}",
        machine::describe(),
        load::averages()
    );
    let mut environment = arguments.place.environment()?;
    let (mut passed, started) = (0, Instant::now());
    for scenario in set {
        if !arguments.only.is_empty() && !arguments.only.iter().any(|name| name == scenario.name) {
            continue;
        }
        println!("\nscenario {}: {}", scenario.name, scenario.shows);
        let began = Instant::now();
        if let Err(error) = (scenario.run)(&mut environment) {
            println!("  FAILED after {:.0?}: {error:#}", began.elapsed());
            report_state(&environment);
            println!("{passed} passed, 1 failed");
            bail!("scenario {} failed", scenario.name);
        }
        passed += 1;
        println!("  passed in {:.0?}", began.elapsed());
    }
    println!("\nall scenarios in {:.0?}", started.elapsed());
    println!("{passed} passed, 0 failed");
    Ok(())
}

/// What a person would look at first after a failure.
fn report_state(environment: &Environment) {
    match environment.kubernetes.cluster_status(&environment.cluster) {
        Ok(status) => println!("  status: {status}"),
        Err(error) => println!("  status: {error:#}"),
    }
    for role in ["controller", "broker"] {
        match environment.kubernetes.pods(&environment.cluster, role) {
            Ok(pods) => pods.values().for_each(|pod| println!("  {role}: {pod:?}")),
            Err(error) => println!("  {role}s: {error:#}"),
        }
    }
    match environment.kubernetes.events() {
        Ok(events) => events
            .iter()
            .rev()
            .take(20)
            .for_each(|event| println!("  event: {event}")),
        Err(error) => println!("  events: {error:#}"),
    }
}
