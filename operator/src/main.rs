//! `kintsugi-operator crd | run`.

use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use kintsugi_crds::schema;
use kintsugi_operator::run::{Settings, run};
use tracing_subscriber::EnvFilter;

/// Two threads serve hundreds of clusters, and each more would cost memory.
const WORKER_THREADS: usize = 2;
/// The longest hold before an act: less than the time after which a look counts as stuck.
const HOLD_BEFORE_ACT_MAX_MS: u64 = 10_000;

/// Runs Kafka clusters on Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "kintsugi-operator", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints the custom resource definitions as YAML.
    Crd {
        /// Print the chart's template of them instead.
        #[arg(long)]
        chart: bool,
        /// Only the one with this plural, such as kafkatopics.
        #[arg(long)]
        only: Option<String>,
    },
    /// Runs the operator.
    Run(RunArguments),
}

#[derive(Debug, Args)]
struct RunArguments {
    /// The broker image of clusters that name none.
    #[arg(long, env = "KINTSUGI_BROKER_IMAGE")]
    broker_image: String,
    /// The namespace of the lease.
    #[arg(long, env = "POD_NAMESPACE", default_value = "default")]
    namespace: String,
    /// Watch only these namespaces, separated by commas. Absent or empty: all.
    #[arg(long, env = "WATCH_NAMESPACES", value_delimiter = ',')]
    watch_namespaces: Vec<String>,
    /// The name that holds the lease; the pod's name.
    #[arg(long, env = "POD_NAME", default_value = "kintsugi-operator")]
    identity: String,
    /// Where /metrics, /livez and /readyz are served.
    #[arg(long, env = "KINTSUGI_OPERATOR_HTTP", default_value = "0.0.0.0:8080")]
    http: String,
    /// For tests only: how long to wait between deciding to delete a pod and deleting it, so that
    /// a test can freeze the process in between.
    #[arg(
        long,
        env = "KINTSUGI_OPERATOR_HOLD_BEFORE_ACT_MS",
        default_value_t = 0,
        value_parser = clap::value_parser!(u64).range(..=HOLD_BEFORE_ACT_MAX_MS),
        hide = true
    )]
    hold_before_act_ms: u64,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Crd { chart, only } => print_definitions(chart, only.as_deref()),
        Command::Run(arguments) => {
            let filter =
                EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
            tracing_subscriber::fmt()
                .json()
                .with_env_filter(filter)
                .init();
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(WORKER_THREADS)
                .enable_all()
                .build()
                .context("failed to start the runtime")?
                .block_on(run(settings(arguments)))
                .context("the operator ended")
        }
    }
}

fn print_definitions(chart: bool, only: Option<&str>) -> anyhow::Result<()> {
    let mut wanted = schema::definitions();
    wanted.retain(|definition| only.is_none_or(|plural| definition.spec.names.plural == plural));
    anyhow::ensure!(
        !wanted.is_empty(),
        "there is no definition {}: name one by its plural, such as kafkatopics",
        only.unwrap_or_default()
    );
    let mut documents = Vec::new();
    for definition in &wanted {
        let yaml = serde_yaml_ng::to_string(definition)
            .context("failed to write the definition as YAML")?;
        documents.push(yaml);
    }
    let yaml = documents.join("---\n");
    match chart {
        true => print!("{{{{- if .Values.crds.install }}}}\n{yaml}{{{{- end }}}}\n"),
        false => print!("{yaml}"),
    }
    Ok(())
}

fn settings(arguments: RunArguments) -> Settings {
    Settings {
        broker_image: arguments.broker_image,
        namespace: arguments.namespace,
        watch_namespaces: arguments
            .watch_namespaces
            .into_iter()
            .filter(|name| !name.is_empty())
            .collect(),
        identity: arguments.identity,
        http: arguments.http,
        hold_before_act: Duration::from_millis(arguments.hold_before_act_ms),
    }
}
