//! What a scenario needs of the cluster that it runs on. What is missing keeps it from being run,
//! and is said; it never counts as passed.

use std::time::Duration;

use super::environment::Environment;
use crate::kubernetes::http;
use crate::kubernetes::operators::OPERATOR_SELECTOR;

/// The port of the operator's metrics and probes.
pub const OPERATOR_PORT: u16 = 8080;

/// One need.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Need {
    /// An operator, and so its image somewhere that nodes pull from.
    Operator,
    /// Pod addresses that this host reaches: the load and the controllers' HTTP are dialled from it.
    PodNetwork,
    /// Signals to processes in pods: the launcher's, or a helper pod's.
    Signals,
    /// Helm and the chart, to upgrade and uninstall the operator.
    Helm,
    /// The local Kubernetes's own volumes and storage class, which are changed as no foreign one may be.
    Volumes,
    /// The metrics API, which HorizontalPodAutoscalers read: metrics-server, or what stands for it.
    MetricsApi,
}

impl Need {
    /// What is missing, None if nothing is.
    ///
    /// # Errors
    /// If the API server does not answer.
    pub fn missing(self, environment: &Environment) -> anyhow::Result<Option<String>> {
        match self {
            Need::Operator => operator(environment),
            Need::PodNetwork => pod_network(environment),
            Need::Signals => Ok(environment.signals.as_ref().err().cloned()),
            Need::Helm if environment.helm.is_none() => {
                Ok(Some("helm and the chart (--helm, --chart)".to_owned()))
            }
            Need::Helm => Ok(None),
            Need::Volumes => Ok(environment.localkube.is_none().then(|| {
                "a local Kubernetes: it changes the storage class and makes volumes larger"
                    .to_owned()
            })),
            Need::MetricsApi => metrics_api(environment),
        }
    }
}

/// How long an operator that is there may take to be ready: the longest pause of kubelets after the
/// few kills that scenarios make, and its start.
const RESTART_LIMIT: Duration = Duration::from_secs(180);

fn operator(environment: &Environment) -> anyhow::Result<Option<String>> {
    let operators = environment.operators();
    // A scenario before may have killed it, and kubelets wait longer before each restart.
    if !operators.pods_labelled(OPERATOR_SELECTOR)?.is_empty() {
        operators.wait("an operator to be ready", RESTART_LIMIT, |operators| {
            let ready = operators.operators()?;
            Ok(if ready.is_empty() {
                Err("none is".to_owned())
            } else {
                Ok(())
            })
        })?;
    }
    let runs = !operators.operators()?.is_empty();
    Ok((!runs).then(|| {
        format!(
            "IMAGE_REGISTRY, to install the operator from: none is ready in namespace {}",
            operators.namespace
        )
    }))
}

/// Whether the operator's own listener can be dialled from here.
fn pod_network(environment: &Environment) -> anyhow::Result<Option<String>> {
    let pods = environment.operators().pods_labelled(OPERATOR_SELECTOR)?;
    let addresses = pods
        .iter()
        .filter_map(|pod| pod.status.as_ref()?.pod_ip.clone());
    let mut why = "no operator has an address".to_owned();
    for ip in addresses {
        match http::get_from(&ip, OPERATOR_PORT, "/livez") {
            Ok(_) => return Ok(None),
            Err(error) => why = format!("{ip}:{OPERATOR_PORT}: {error:#}"),
        }
    }
    Ok(Some(format!("routes from this host to pods ({why})")))
}

fn metrics_api(environment: &Environment) -> anyhow::Result<Option<String>> {
    let why = environment.kubernetes.why_no_metrics_api()?;
    Ok(why.map(|why| format!("the metrics API (metrics-server): {why}")))
}

/// The first of `needs` that is missing, in words.
///
/// # Errors
/// If the API server does not answer.
pub fn first_missing(needs: &[Need], environment: &Environment) -> anyhow::Result<Option<String>> {
    for need in needs {
        if let Some(missing) = need.missing(environment)? {
            return Ok(Some(missing));
        }
    }
    Ok(None)
}
