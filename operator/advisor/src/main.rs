//! `kintsugi-plan --bootstrap HOST:PORT`: where the partitions of a Kafka cluster should be.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use kintsugi_advisor::look::look;
use kintsugi_advisor::model::{Capacities, Prepared};
use kintsugi_advisor::reassignment::{Side, json};
use kintsugi_advisor::tables;
use kintsugi_planner::{Limits, Model, Plan, Profile, Scope, Thresholds, plan};
use kintsugi_types::Endpoint;

/// The longest that two looks may lie apart.
const OBSERVE_SECONDS_MAX: u64 = 3_600;

/// Plans for any Kafka cluster, and changes nothing: it writes what kafka-reassign-partitions takes.
#[derive(Debug, Parser)]
#[command(name = "kintsugi-plan", version)]
struct Arguments {
    /// Listeners to begin with, separated by commas.
    #[arg(long, required = true, value_delimiter = ',')]
    bootstrap: Vec<Endpoint>,
    /// Which goals, in which order.
    #[arg(long, value_enum, default_value_t = Goals::Kintsugi)]
    profile: Goals,
    /// Move only to these brokers, which joined.
    #[arg(long, value_delimiter = ',', conflicts_with_all = ["remove_brokers", "leaders"])]
    add_brokers: Vec<i32>,
    /// Move everything away from these brokers, and nothing else.
    #[arg(long, value_delimiter = ',', conflicts_with = "leaders")]
    remove_brokers: Vec<i32>,
    /// Move leaderships only, which copies nothing.
    #[arg(long)]
    leaders: bool,
    /// Seconds between two looks, from whose difference rates are told; 0 for one look and no rates.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(..=OBSERVE_SECONDS_MAX))]
    observe_seconds: u64,
    /// What a broker's disks hold, where brokers do not tell (before KIP-827).
    #[arg(long)]
    disk_bytes: Option<u64>,
    /// What a broker's network carries each way; without it no limit of it is judged.
    #[arg(long)]
    network_bytes_per_second: Option<u64>,
    /// Replicas and leaderships that may move at most.
    #[arg(long, default_value_t = 1_000_000)]
    max_moves: usize,
    /// Equal seeds give equal plans.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to write the reassignment.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Where to write what brings back the placement of now.
    #[arg(long)]
    rollback_json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Goals {
    /// Hard goals, then the use of all resources at once: few bytes move.
    Kintsugi,
    /// Cruise Control's default goals in its order.
    CruiseControl,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let prepared = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("failed to start the runtime")?
        .block_on(read(&arguments))?;
    let plan = make(&arguments, &prepared)?;
    tell(&arguments, &prepared, &plan);
    for (path, side) in [
        (&arguments.json, Side::After),
        (&arguments.rollback_json, Side::Before),
    ] {
        if let Some(path) = path {
            write(path, &json(&plan.changes, &prepared.keys, side)?)?;
        }
    }
    Ok(())
}

async fn read(arguments: &Arguments) -> anyhow::Result<Prepared> {
    let between = Duration::from_secs(arguments.observe_seconds);
    if !between.is_zero() {
        eprintln!(
            "looking twice, {} s apart, to tell rates",
            between.as_secs()
        );
    }
    let capacities = Capacities {
        disk_bytes: arguments.disk_bytes,
        network_bytes_per_second: arguments.network_bytes_per_second,
    };
    let leaving: BTreeSet<i32> = arguments.remove_brokers.iter().copied().collect();
    Ok(look(&arguments.bootstrap, between, &capacities, &leaving).await?)
}

fn make(arguments: &Arguments, prepared: &Prepared) -> anyhow::Result<Plan> {
    let model = Model::build(prepared.input.clone()).context("failed to understand the cluster")?;
    let profile = match arguments.profile {
        Goals::Kintsugi => Profile::kintsugi(Thresholds::default()),
        Goals::CruiseControl => Profile::cruise_control(Thresholds::default()),
    }?;
    let scope = if arguments.leaders {
        Scope::Leaders
    } else if !arguments.remove_brokers.is_empty() {
        Scope::RemoveBrokers(arguments.remove_brokers.clone())
    } else if !arguments.add_brokers.is_empty() {
        Scope::AddBrokers(arguments.add_brokers.clone())
    } else {
        Scope::Full
    };
    let limits = Limits {
        seed: arguments.seed,
        max_moves: arguments.max_moves,
        ..Limits::default()
    };
    plan(&model, &profile, &scope, &limits).context("failed to make a plan")
}

fn tell(arguments: &Arguments, prepared: &Prepared, plan: &Plan) {
    print!(
        "{}\n{}\n",
        tables::brokers(prepared, plan),
        tables::goals(plan)
    );
    println!("{}", tables::cost(plan));
    println!("Not measured, so not judged: processor time, what consumers read.");
    if arguments.observe_seconds == 0 {
        println!("No rates were measured (--observe-seconds 0).");
    }
    if !prepared.disk_is_known {
        println!(
            "Brokers do not tell what their disks hold; give --disk-bytes to have that judged."
        );
    }
    if arguments.network_bytes_per_second.is_none() {
        println!("No limit of the network is judged; give --network-bytes-per-second.");
    }
    match &arguments.json {
        // Kafka's tool refuses a file without moves.
        _ if plan.changes.is_empty() => println!("There is nothing to carry out."),
        Some(path) => {
            println!(
                "Carry it out with: kafka-reassign-partitions --bootstrap-server ... --reassignment-json-file {} --execute",
                path.display()
            );
            // Moves end with the old leader where it stays a replica; the first replica is to lead.
            println!(
                "and, once it is complete: kafka-leader-election --bootstrap-server ... --election-type preferred --all-topic-partitions"
            );
        }
        None => println!("Nothing was changed. Give --json FILE to write the reassignment."),
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("failed to write {}", path.display()))
}
