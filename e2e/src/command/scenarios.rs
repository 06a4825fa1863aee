//! `scenarios`: runs scenarios on a real Kubernetes, the launcher's or another one's.

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, bail, ensure};

use crate::host::{load, machine};
use crate::kubernetes::api::Kubernetes;
use crate::kubernetes::helm::Helm;
use crate::kubernetes::helper::HelperPods;
use crate::kubernetes::localkube::Localkube;
use crate::kubernetes::signals::Signals;
use crate::scenario::environment::Environment;
use crate::scenario::need::first_missing;
use crate::scenario::summary::{Outcome, Summary};
use crate::scenario::{ALL, SMOKE, Scenario};

/// Which cluster to run on, and what may be used there.
#[derive(Clone, Debug, clap::Args)]
pub struct Place {
    /// The kubeconfig of the cluster.
    #[arg(long)]
    pub kubeconfig: PathBuf,
    /// The launcher's binary, if the cluster is one of its own.
    #[arg(long, requires = "name")]
    pub localkube: Option<PathBuf>,
    /// The launcher's name of the cluster.
    #[arg(long, requires = "localkube")]
    pub name: Option<String>,
    /// Allows pods that see their node's processes, to kill and freeze those of other pods. Of no
    /// use with the launcher, which needs none.
    #[arg(long)]
    pub allow_privileged_pods: bool,
    /// The image of these pods (`Dockerfile`, target `node-helper-from-binaries`).
    #[arg(long)]
    pub helper_image: Option<String>,
    /// Helm's binary.
    #[arg(long, requires = "chart")]
    pub helm: Option<PathBuf>,
    /// The chart's folder.
    #[arg(long, requires = "helm")]
    pub chart: Option<PathBuf>,
    /// The chart's release.
    #[arg(long, default_value = "kintsugi")]
    pub release: String,
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
        let localkube = self.localkube.clone().zip(self.name.clone());
        let localkube = localkube.map(|(binary, name)| Localkube { binary, name });
        let helm = self.helm.clone().zip(self.chart.clone());
        let helm = helm.map(|(binary, chart)| Helm {
            binary,
            chart,
            release: self.release.clone(),
            namespace: self.operator_namespace.clone(),
            kubeconfig: self.kubeconfig.clone(),
        });
        Ok(Environment {
            kubernetes: Kubernetes::connect(&self.kubeconfig, &self.namespace)?,
            signals: self.signals(localkube.as_ref())?,
            localkube,
            helm,
            cluster,
            manifest,
            operator_namespace: self.operator_namespace.clone(),
            kubeconfig: self.kubeconfig.clone(),
            unchecked: RefCell::default(),
        })
    }

    fn signals(&self, localkube: Option<&Localkube>) -> anyhow::Result<Result<Signals, String>> {
        if let Some(localkube) = localkube {
            return Ok(Ok(Signals::Launcher(localkube.clone())));
        }
        if !self.allow_privileged_pods {
            let missing = "leave to run pods that see their node's processes \
                           (--allow-privileged-pods, or ALLOW_PRIVILEGED=1)";
            return Ok(Err(missing.to_owned()));
        }
        let Some(image) = &self.helper_image else {
            let missing = "the image of helper pods (--helper-image, or IMAGE_REGISTRY)";
            return Ok(Err(missing.to_owned()));
        };
        let helper = HelperPods::connect(&self.kubeconfig, image)?;
        Ok(Ok(Signals::HelperPods(helper)))
    }
}

/// Resources of one kind, and Events, that are told of after a failure.
const REPORTED_MAX: usize = 20;

/// Runs scenarios one after the other; stops at the first that fails. What a scenario needs and the
/// cluster lacks keeps it from being run.
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
/// If a scenario fails, or none could be run.
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
    let (mut summary, started) = (Summary::default(), Instant::now());
    for scenario in set {
        if !arguments.only.is_empty() && !arguments.only.iter().any(|name| name == scenario.name) {
            continue;
        }
        println!("\nscenario {}: {}", scenario.name, scenario.shows);
        let outcome = if summary.failed() > 0 {
            let why = "an earlier scenario failed".to_owned();
            Outcome::NotRun { why }
        } else {
            run(scenario, &mut environment)?
        };
        if let Outcome::NotRun { why } = &outcome {
            println!("  not run: {why}");
        }
        summary.add(scenario.name, outcome);
    }
    println!("\nall scenarios in {:.0?}", started.elapsed());
    println!("{summary}");
    ensure!(summary.failed() == 0, "a scenario failed");
    ensure!(summary.passed() > 0, "no scenario could be run");
    Ok(())
}

fn run(scenario: &Scenario, environment: &mut Environment) -> anyhow::Result<Outcome> {
    if let Some(missing) = first_missing(scenario.needs, environment)? {
        let why = format!("needs {missing}");
        return Ok(Outcome::NotRun { why });
    }
    let began = Instant::now();
    let result = (scenario.run)(environment);
    let unchecked: Vec<String> = environment.unchecked.take().into_iter().collect();
    for check in &unchecked {
        println!("  not checked: {check}");
    }
    Ok(match result {
        Ok(()) => {
            println!("  passed in {:.0?}", began.elapsed());
            Outcome::Passed { unchecked }
        }
        Err(error) => {
            println!("  FAILED after {:.0?}: {error:#}", began.elapsed());
            report_state(environment);
            Outcome::Failed
        }
    })
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
    for (kind, plural) in [
        ("KafkaRebalance", "kafkarebalances"),
        ("KafkaTopic", "kafkatopics"),
    ] {
        report(kind, environment.kubernetes.told(kind, plural));
    }
    report("event", environment.kubernetes.events());
}

/// Prints the last of many lines about one thing.
fn report(what: &str, lines: anyhow::Result<Vec<String>>) {
    match lines {
        Ok(lines) => lines
            .iter()
            .rev()
            .take(REPORTED_MAX)
            .for_each(|line| println!("  {what}: {line}")),
        Err(error) => println!("  {what}: {error:#}"),
    }
}
